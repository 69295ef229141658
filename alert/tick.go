package alert

import (
	"slices"
	"time"
)

// Tick tells an evaluator how far time has come without records.
type Tick struct {
	// CaughtUp is the time up to which everything in the shard was evaluated, by the clock by which records arrive.
	CaughtUp time.Time
	Fleet    Fleet
	// Without are shards for whose memory nothing waits any longer (Awaits): what is due is said without it, and says
	// so.
	Without []string
	// Settled says that all workers have had the rules active here for a while: alerts that no rule ends any more are
	// ended.
	Settled bool
}

// Fleet is what is known of all shards of the stream together.
type Fleet struct {
	// Decides says that this shard's evaluator is the one that decides about the whole stream.
	Decides bool
	// LastArrival is the latest arrival of a record in any shard; zero if unknown.
	LastArrival time.Time
	// CaughtUp is the time up to which every open shard was read; zero while some shard is read by nobody.
	CaughtUp time.Time
	// Paused says that an operator has paused a shard, which then counts for nothing in CaughtUp.
	Paused bool
	// Now is the time by the clock by which records arrive; zero where time is what the records say, as in a test of
	// rules.
	Now time.Time
}

// Stateful says whether a decision can depend on earlier records or on time, so that there is a state to keep with the
// checkpoint and there are ticks to take. It can change with Pipeline.Update.
func (e *Evaluator) Stateful() bool { return e.pipeline.current.Load().stateful || e.owesEnds() }

// Tick makes the alerts that are due because time has passed. The slice is valid until the next call of the evaluator.
// It never panics, as Evaluate.
func (e *Evaluator) Tick(t Tick) (alerts []*Alert) {
	defer func() {
		if r := recover(); r != nil {
			alerts = e.panicked(&Record{Shard: e.shard}, r).Alerts
		}
	}()
	rules := e.in.set
	e.begin()
	t.Settled = t.Settled && e.in.set == rules // it was said of the rules before
	e.life.makeRoomForLoaded()
	clear(e.life.fired)
	if to := t.CaughtUp.UnixMilli() - lateness; !t.CaughtUp.IsZero() && to > 0 {
		e.life.watchShard(to)
		e.others.advance(to)
	}
	if !slices.Equal(t.Without, e.others.without) {
		e.others.without, e.others.changed = slices.Clone(t.Without), true
	}
	e.others.settleParked()
	e.life.endEdited(t.Settled)
	if t.Fleet.Decides {
		if !t.Fleet.CaughtUp.IsZero() {
			e.life.watchStream(t.Fleet)
		}
		e.runWatchdog(t.Fleet)
	}
	return e.out.alerts
}

// watchShard begins to wait for records that may never have come.
func (l *lifecycle) watchShard(to int64) {
	for _, r := range l.in.set.rules {
		if !r.keyless() || r.absence.Of != AbsenceOfShard || len(l.memory.rules[r.place].entries) > 0 {
			continue
		}
		en := l.remember(l.memory.rules[r.place], nil, nil)
		en.held = max(to, l.clock.now())
		l.reschedule(r, en, to)
	}
}

// watchStream decides what is to be said about the stream as a whole.
func (l *lifecycle) watchStream(f Fleet) {
	caughtUp := f.CaughtUp.UnixMilli() - lateness
	for _, r := range l.in.set.rules {
		if r.absence.After > 0 && r.absence.Of == AbsenceOfStream {
			l.watchStreamRule(r, f, caughtUp)
		}
	}
}

func (l *lifecycle) watchStreamRule(r *rule, f Fleet, caughtUp int64) {
	m := l.memory.rules[r.place]
	en := l.remember(m, nil, m.find(nil))
	defer en.countNotified()
	last := int64(0)
	if !f.LastArrival.IsZero() {
		last = f.LastArrival.UnixMilli()
	}
	if en.held == 0 {
		if en.held = last; last == 0 {
			en.held = caughtUp
		}
	}
	if last > en.held {
		l.arrived(r, en, &trigger{at: timeOf(last)})
	}
	due := en.held + millis(r.absence.After)
	switch {
	case !en.firing && caughtUp >= due:
		en.firing, en.notified, en.since = true, false, en.held
		l.announce(r, en, &trigger{at: timeOf(due)})
	case en.firing && en.notified && r.repeat > 0 && caughtUp >= en.sent+r.repeat:
		l.repeat(r, en, &trigger{at: timeOf(r.repeatAt(en.sent, caughtUp))})
	case en.firing && !en.notified:
		// Something suppressed it; perhaps no longer. By the full minute its id is the same whichever tick finds that
		// out.
		t := &trigger{at: timeOf(caughtUp / recheckInterval * recheckInterval)}
		if t.ms() > due && l.mute(r, en, t, false) == nil {
			l.notify(r, en, t)
		}
	}
}

// Elapse is Tick for whoever knows that no record is under way any more, and that the shard is all of the stream, as in
// a test of rules: what is due by the time to happens, without the allowance for what may come late.
func (e *Evaluator) Elapse(to time.Time) []*Alert {
	caughtUp := to.Add(lateness * time.Millisecond)
	return e.Tick(Tick{CaughtUp: caughtUp, Fleet: Fleet{Decides: true, LastArrival: e.EventTime(), CaughtUp: caughtUp}})
}
