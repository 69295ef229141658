package alert

import "time"

// Elapse is Tick for whoever knows that no record is under way any more, and that the shard is all of the stream, as in a
// test of rules: what is due by the time to happens, without the allowance for what may come late.
func (e *Evaluator) Elapse(to time.Time) []*Alert {
	caughtUp := to.Add(lateness * time.Millisecond)
	return e.Tick(Tick{CaughtUp: caughtUp, Fleet: Fleet{Decides: true, LastArrival: e.EventTime(), CaughtUp: caughtUp}})
}
