package letters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/sleep"
)

const (
	// inHand is how many letters are worked on at once.
	inHand = 40
	// faultAfter is how long a topic may be held before its letters are given back.
	faultAfter = 5 * time.Second
	// patience is how long a topic may fail otherwise, and how long it may take to accept one alert.
	patience = time.Minute
	// closing is how long it may take to give letters back.
	closing = 10 * time.Second
)

// Options say what a redrive takes and does.
type Options struct {
	// Reason and Rule choose letters; empty is all.
	Reason alert.Reason
	Rule   string
	// Publish takes alerts, and Write records for output streams; nil only says what would be done.
	Publish Publisher
	Write   Outputs
	// Rates are the topics' rates in messages a second; 0 or none is no limit.
	Rates map[string]float64
	// Each is called for each letter that is done, one after the other.
	Each func(Result)
}

// Publisher takes alerts; *dispatch.Publisher is one.
type Publisher interface {
	PublishNow(ctx context.Context, a *alert.Alert) (messageID string, err error)
	Status() []dispatch.TopicStatus
}

// Result is what became of a letter.
type Result struct {
	Where string
	// Saved is the letter, or nil where it cannot be read.
	Saved *deadletter.Saved
	// Alerts are what it stands for, or Output the record for an output stream.
	Alerts []*alert.Alert
	Output *alert.Output
	// Undecided are rules that remember other records, and so could not judge its record.
	Undecided []string
	// Published is set when all of it was accepted and the letter was removed.
	Published bool
	// Other says that Options.Reason and Rule leave it out.
	Other bool
	// Kept is why the letter stays; empty where it was published, or would be.
	Kept string
}

// redrive is one run.
type redrive struct {
	Options

	judge   *Judge
	topics  map[string]*topic
	outputs map[string]*topic

	mu   sync.Mutex
	once map[string]*publication // by topic and alert id, or by output and record
}

// topic is what a run knows of one topic, or of one output, which has no rate.
type topic struct {
	// places are what its rate lets go: each is taken from before an alert is published until a second after, as the
	// service may accept it at any moment in between.
	places chan struct{}
	hold   time.Duration
	ctx    context.Context //nolint:containedctx // ends when the topic is at fault
	end    context.CancelCauseFunc
}

// publication is one alert of a run, or one output record, whichever letters have it.
type publication struct {
	done chan struct{}
	err  error
}

// Run reads all letters of a source, and publishes them. It ends early with the error of the source, or the cause of
// ctx; then letters that were not done are where they were.
func Run(ctx context.Context, source Source, judge *Judge, o Options) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &redrive{
		Options: o, judge: judge, topics: map[string]*topic{}, outputs: map[string]*topic{},
		once: map[string]*publication{},
	}
	for name, rate := range o.Rates {
		r.topics[name] = newTopic(ctx, rate)
	}
	for name := range judge.config.Outputs {
		r.outputs[name] = newTopic(ctx, 0)
	}
	work := make(chan Letter)
	var workers, watcher sync.WaitGroup
	for range inHand {
		workers.Go(func() {
			for l := range work {
				r.finished(r.letter(ctx, l))
			}
		})
	}
	if o.Publish != nil {
		watcher.Go(func() { r.watch(ctx) })
	}
	err = feed(ctx, source, work)
	close(work)
	workers.Wait()
	if err == nil {
		err = context.Cause(ctx) // which ended while the last letters were in hand
	}
	cancel()
	watcher.Wait()
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer stop()
	return errors.Join(err, source.Close(last))
}

func newTopic(ctx context.Context, rate float64) *topic {
	t := &topic{}
	t.ctx, t.end = context.WithCancelCause(ctx)
	switch {
	case rate >= 1:
		t.places, t.hold = make(chan struct{}, int(rate)), time.Second
	case rate > 0:
		t.places, t.hold = make(chan struct{}, 1), time.Duration(float64(time.Second)/rate)
	}
	return t
}

// feed hands letters to the workers until there are none.
func feed(ctx context.Context, source Source, work chan<- Letter) error {
	for {
		letters, err := source.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, l := range letters {
			select {
			case work <- l:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// watch ends topics and outputs that fail: their letters stay where they are, and those of the others go.
func (r *redrive) watch(ctx context.Context) {
	for sleep.For(ctx, time.Second) {
		for _, s := range r.Publish.Status() {
			r.topics[s.Name].judge("topic "+s.Name, s.FailingSince, string(s.Fault), s.Remedy, string(s.Failing),
				s.Error)
		}
		if r.Write == nil {
			continue
		}
		for _, s := range r.Write.Status() {
			r.outputs[s.Name].judge("output "+s.Name, s.FailingSince, string(s.Fault), s.Remedy, string(s.Failing),
				s.Error)
		}
	}
}

// judge ends a topic that has failed for too long. It may be nil.
func (t *topic) judge(name string, failing time.Time, fault, remedy, reason, text string) {
	switch since := time.Since(failing); {
	case t == nil || failing.IsZero():
	case fault != "" && since > faultAfter:
		t.end(fmt.Errorf("%s accepts nothing (%s): %s", name, fault, remedy))
	case since > patience:
		t.end(fmt.Errorf("%s has failed for %s (%s): %s", name, patience, reason, text))
	}
}

// finished reports a letter.
func (r *redrive) finished(result Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Each(result)
}

// letter does all of one letter.
func (r *redrive) letter(ctx context.Context, l Letter) (out Result) {
	out.Where = l.Where()
	document, err := l.Load(ctx)
	if err != nil {
		out.Kept = err.Error()
		return out
	}
	if out.Saved, err = deadletter.Read(document); err != nil {
		out.Kept, out.Other = err.Error(), r.Reason != "" || r.Rule != ""
		return out
	}
	if !l.Holds(out.Saved.ID) {
		out.Kept = "its place is not that of letter " + out.Saved.ID + ", which it holds: save it to a file, and " +
			"give " +
			"that to --from"
		return out
	}
	saved := &out.Saved.Letter
	if r.Reason != "" && saved.Reason != r.Reason || r.Rule != "" && saved.Rule != r.Rule {
		out.Other = true
		return out
	}
	if saved.Output != "" {
		out.Output, out.Kept = r.judge.Output(out.Saved)
	} else {
		out.Alerts, out.Undecided, out.Kept = r.judge.Alerts(out.Saved)
	}
	if r.Publish == nil || out.Kept != "" {
		return out
	}
	if err := r.deliver(ctx, &out); err != nil {
		out.Kept = err.Error()
		return out
	}
	if err := l.Remove(ctx); err != nil {
		out.Kept = "published, but not removed: " + err.Error()
		return out
	}
	out.Published = true
	return out
}

// deliver publishes or writes all that a letter stands for.
func (r *redrive) deliver(ctx context.Context, out *Result) error {
	if o := out.Output; o != nil {
		rec := &out.Saved.Letter.Record
		//nolint:contextcheck // by that of the output, which ends with ctx
		return r.only(ctx, fmt.Sprintf("output %+v", placeOf(o.Name, rec)), func() error {
			return r.outputs[o.Name].write(r.Write, o, rec)
		})
	}
	for _, a := range out.Alerts {
		//nolint:contextcheck // by that of the topic, which ends with ctx
		err := r.only(ctx, a.Topic+"\x00"+a.ID, func() error { return r.topics[a.Topic].publish(r.Publish, a) })
		if err != nil {
			return err
		}
	}
	return nil
}

// only does something once for all letters that have the same key. It returns nil when that was accepted.
func (r *redrive) only(ctx context.Context, key string, do func() error) error {
	r.mu.Lock()
	p, known := r.once[key]
	if !known {
		p = &publication{done: make(chan struct{})}
		r.once[key] = p
	}
	r.mu.Unlock()
	if !known {
		p.err = do()
		close(p.done)
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// publish waits for a place within the topic's rate.
func (t *topic) publish(to Publisher, a *alert.Alert) error {
	if t.places != nil {
		select {
		case t.places <- struct{}{}:
		case <-t.ctx.Done():
			return context.Cause(t.ctx)
		}
		defer func() { time.AfterFunc(t.hold, func() { <-t.places }) }()
	}
	ctx, cancel := context.WithTimeoutCause(t.ctx, patience,
		fmt.Errorf("topic %s has not accepted it within %s; repeat the command later", a.Topic, patience))
	defer cancel()
	_, err := to.PublishNow(ctx, a)
	return err
}

// write waits until the output's stream has accepted the record.
func (t *topic) write(to Outputs, o *alert.Output, rec *alert.Record) error {
	ctx, cancel := context.WithTimeoutCause(t.ctx, patience,
		fmt.Errorf("output %s has not accepted it within %s; repeat the command later", o.Name, patience))
	defer cancel()
	return to.Write(ctx, o, rec)
}
