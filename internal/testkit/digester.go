package testkit

import (
	"context"
	"sync"
	"time"

	"kinesis-alerter/alert"
)

// Digester is a publisher that gathers alerts while it is told to. A digest goes out, in the order in which it was
// gathered, when its time is over.
type Digester struct {
	// Publishing is called before SNS accepts a single alert; its error is the answer.
	Publishing func(context.Context, *alert.Alert) error
	// Accepted notes what SNS accepts, in order.
	Accepted func(*alert.Alert)
	// Answer is what a member of a digest hears; nil means that SNS accepts.
	Answer func(*alert.Alert) error
	// Every is when a digest goes out; zero for Flush alone.
	Every time.Duration
	// Topic is the only one that gathers; empty for all.
	Topic string
	// On is whether it gathers at first.
	On bool

	mu        sync.Mutex
	members   []*member
	collected int // ever
}

type member struct {
	alert alert.Alert
	done  func(error)
}

// Publish is SNS being asked to accept one alert.
func (d *Digester) Publish(ctx context.Context, a *alert.Alert) error {
	if d.Publishing != nil {
		if err := d.Publishing(ctx, a); err != nil {
			return err
		}
	}
	if d.Accepted != nil {
		d.Accepted(a)
	}
	return nil
}

// Gather takes an alert into the digest, if it gathers.
func (d *Digester) Gather(a *alert.Alert, done func(error)) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.On || d.Topic != "" && a.Topic != d.Topic {
		return false
	}
	if d.collected++; len(d.members) == 0 && d.Every > 0 {
		time.AfterFunc(d.Every, d.Flush)
	}
	d.members = append(d.members, &member{*a, done})
	return true
}

// Gathering sets whether it gathers.
func (d *Digester) Gathering(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.On = on
}

// Count is how many alerts it ever gathered.
func (d *Digester) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.collected
}

// Flush is SNS accepting the digest.
func (d *Digester) Flush() {
	d.mu.Lock()
	members := d.members
	d.members = nil
	d.mu.Unlock()
	for _, m := range members {
		var err error
		if d.Answer != nil {
			err = d.Answer(&m.alert)
		}
		if err == nil && d.Accepted != nil {
			d.Accepted(&m.alert)
		}
		m.done(err)
	}
}

// Waiting are the answers that the members of the digest wait for.
func (d *Digester) Waiting() []func(error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]func(error), len(d.members))
	for i, m := range d.members {
		out[i] = m.done
	}
	return out
}

// LetterBox is a destination for dead letters that keeps them.
type LetterBox struct {
	// Sending is called first; its error is the answer.
	Sending func(context.Context, *alert.Letter) error

	mu      sync.Mutex
	letters []*alert.Letter
}

// Send takes a letter.
func (b *LetterBox) Send(ctx context.Context, l *alert.Letter) error {
	if b.Sending != nil {
		if err := b.Sending(ctx, l); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters = append(b.letters, l)
	return nil
}

// All are the letters, in order.
func (b *LetterBox) All() []*alert.Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.letters
}
