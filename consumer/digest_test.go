package consumer

import (
	"context"
	"sync"
	"time"

	"kinesis-alerter/alert"
)

// digester is a publisher that gathers alerts while it is told to. A digest goes out, in the order in which it was
// gathered, when its time is over.
type digester struct {
	publish func(context.Context, *alert.Alert) error
	// accepted notes what SNS accepts, in order.
	accepted func(*alert.Alert)
	// answer is what a member of a digest hears; nil means that SNS accepts.
	answer func(*alert.Alert) error
	every  time.Duration
	// topic is the only one that gathers; empty for all.
	topic string

	mu        sync.Mutex
	on        bool
	members   []member
	collected int // ever
}

type member struct {
	alert alert.Alert
	done  func(error)
}

func (d *digester) Publish(ctx context.Context, a *alert.Alert) error {
	if d.publish != nil {
		if err := d.publish(ctx, a); err != nil {
			return err
		}
	}
	if d.accepted != nil {
		d.accepted(a)
	}
	return nil
}

func (d *digester) Gather(a *alert.Alert, done func(error)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.on || d.topic != "" && a.Topic != d.topic {
		return false
	}
	if d.collected++; len(d.members) == 0 && d.every > 0 {
		time.AfterFunc(d.every, d.flush)
	}
	d.members = append(d.members, member{*a, done})
	return true
}

func (d *digester) gathering(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = on
}

func (d *digester) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.collected
}

// flush is SNS accepting the digest.
func (d *digester) flush() {
	d.mu.Lock()
	members := d.members
	d.members = nil
	d.mu.Unlock()
	for i := range members {
		var err error
		if d.answer != nil {
			err = d.answer(&members[i].alert)
		}
		if err == nil && d.accepted != nil {
			d.accepted(&members[i].alert)
		}
		members[i].done(err)
	}
}

// letterBox takes letters.
type letterBox struct {
	send func(context.Context, *alert.Letter) error

	mu      sync.Mutex
	letters []*alert.Letter
}

func (b *letterBox) Send(ctx context.Context, l *alert.Letter) error {
	if b.send != nil {
		if err := b.send(ctx, l); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters = append(b.letters, l)
	return nil
}

func (b *letterBox) all() []*alert.Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.letters
}
