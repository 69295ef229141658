package alert

import (
	"slices"
	"time"
)

// Tick lets time pass for an evaluator without a record.
type Tick struct {
	// CaughtUp is the time, by the clock of Kinesis, up to which everything in the shard was evaluated.
	CaughtUp time.Time
	Fleet    Fleet
	// Without are shards whose states are no longer waited for (Awaits). Alerts that should have waited name them
	// (Alert.Unsure).
	Without []string
	// Settled is set once all workers have had the rules active here for a while. Then alerts that no rule will end are
	// ended.
	Settled bool
}

// Fleet is what the workers know of all shards of the stream together.
type Fleet struct {
	// Decides is set for the one evaluator that decides about the whole stream.
	Decides bool
	// LastArrival is the latest arrival of a record in any shard; zero if unknown.
	LastArrival time.Time
	// CaughtUp is the time up to which every open shard was read; zero while no worker reads some shard.
	CaughtUp time.Time
	// Paused is set if an operator has paused a shard. CaughtUp then disregards that shard.
	Paused bool
	// Now is the time by the clock of Kinesis; zero if the records alone tell the time, as in a test of rules.
	Now time.Time
}

// Stateful reports whether a decision can depend on earlier records or on time, so that the evaluator needs ticks and a
// saved state. It can change with Pipeline.Update.
func (e *Evaluator) Stateful() bool { return e.pipeline.current.Load().stateful || e.owesEnds() }

// Tick makes the alerts that are due because time has passed. The slice is valid until the next call of the evaluator.
// Like Evaluate, it never panics.
func (e *Evaluator) Tick(t Tick) (alerts []*Alert) {
	defer func() {
		if r := recover(); r != nil {
			alerts = e.panicked(&Record{Shard: e.shard}, r).Alerts
		}
	}()
	rules := e.in.set
	e.begin()
	t.Settled = t.Settled && e.in.set == rules // it was about the former rules
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

// watchShard starts to wait for records even if there has never been one.
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

// watchStream decides about the stream as a whole.
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
		// Something suppressed it; perhaps no longer. The full minute makes the id independent of the tick that finds
		// out.
		t := &trigger{at: timeOf(caughtUp / recheckInterval * recheckInterval)}
		if t.ms() > due && l.mute(r, en, t, false) == nil {
			l.notify(r, en, t)
		}
	}
}

// Elapse is Tick for a caller that knows that no record is in transit and that the shard is the whole stream, as in a
// test of rules. It does what is due by to, without an allowance for late records.
func (e *Evaluator) Elapse(to time.Time) []*Alert {
	caughtUp := to.Add(lateness * time.Millisecond)
	return e.Tick(Tick{CaughtUp: caughtUp, Fleet: Fleet{Decides: true, LastArrival: e.EventTime(), CaughtUp: caughtUp}})
}
