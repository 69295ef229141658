package output

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/guard"
)

const (
	// trustPoll is how often a closed trust window is looked at while records wait for it.
	trustPoll = 50 * time.Millisecond
	// sweepEvery is how often what waits is looked at: for its age, and for room.
	sweepEvery = time.Second
	// mostLetters is how many dead letters of an output are on their way at a time.
	mostLetters = 16
	// mostExpired is how many items a look ends for their age.
	mostExpired = 1000
	// lingers is how long an output that has left the configuration is kept without work: shards still judge records by
	// the former rules.
	lingers = 3 * time.Minute
)

// stream is one output with its stream. Its goroutine begins calls and dead letters; callers, calls and dead letters
// change what waits, under the lock.
type stream struct {
	writer  *Writer
	name    string
	config  StreamConfig
	client  API // nil for what no output is known for
	log     *zap.Logger
	metrics *streamMetrics
	ages    *delivery.Ages
	wake    chan struct{}
	wg      sync.WaitGroup // of calls and dead letters

	settings atomic.Pointer[Config]

	mu sync.Mutex
	schedule
	health  *health
	bytes   int // reserved, and of what waits
	waiters []*waiter
	// ending says that it has left the configuration, replaced that another one has its name, and idle since when
	// nothing has waited.
	ending, replaced bool
	idle             time.Time
	swept            time.Time
	stopping, gone   bool
	doomed           []*lane

	written delivery.Minute
	last    time.Time
	ended   [results]uint64
}

// waiter is a caller of Reserve without room yet.
type waiter struct {
	feed    *Feed
	cost    int
	granted chan struct{} // closed with the lock held
}

func (w *Writer) newStream(name string, c StreamConfig, cfg *Config, client API, m *streamMetrics) *stream {
	log := w.deps.Log.With(zap.String("output", name), zap.String("stream", c.Stream))
	ages := delivery.NewAges(w.deps.At)
	h := &health{log: log, faults: m.faults, ages: ages}
	s := &stream{
		writer: w, name: name, config: c, client: client, log: log, metrics: m, ages: ages, health: h,
		wake: make(chan struct{}, 1), schedule: newSchedule(&h.Health),
	}
	s.settings.Store(cfg)
	return s
}

// stir makes the goroutine look.
func (s *stream) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run begins calls until ctx is done, or the output has left the configuration and nothing waits. It returns when no
// call is under way any more.
func (s *stream) run(ctx context.Context) {
	defer s.wg.Wait()
	defer s.stop()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for ctx.Err() == nil {
		wait, over := s.look(ctx)
		if over {
			return
		}
		if wait >= 0 {
			alarm.Reset(wait)
		} else {
			alarm.Stop()
		}
		select {
		case <-s.wake:
		case <-alarm.C:
		case <-ctx.Done():
		}
	}
}

func (s *stream) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
}

// look does all that is due, and returns how long it takes until more is.
func (s *stream) look(ctx context.Context) (wait time.Duration, over bool) {
	now := time.Now()
	s.mu.Lock()
	ended := s.sweep(now)
	for _, ln := range s.doomed {
		ended = s.end(ended, ln, now, resultRejected, alert.Invalid, alert.ReasonRejected)
	}
	s.doomed = nil
	ended, moved := s.leave(now, ended)
	wait = s.begin(ctx, now, &ended)
	s.sendLetters(ctx)
	wait = sooner(wait, s.nextSweep(now))
	end, over := s.over(now)
	s.mu.Unlock()
	s.handOver(moved)
	s.report(ended)
	return sooner(wait, end), over
}

// begin starts every call that may start now.
func (s *stream) begin(ctx context.Context, now time.Time, ended *[]*Item) time.Duration {
	var old func(*Item) bool
	if s.settings.Load().MaxRecordAge > 0 {
		old = func(it *Item) bool { return s.tooOld(it, now) }
	}
	for !s.stopping {
		may, wait := s.next(now)
		if !may {
			return wait
		}
		until, open := s.writer.deps.Trust()
		if !open || until.Sub(now) < trustMargin {
			return trustPoll
		}
		sent, expired := s.take(now, make([]*Item, 0, min(s.ready, mostRecords)), old)
		for _, it := range expired {
			*ended = s.giveUp(*ended, it.lane, alert.ConditionAge, now)
		}
		if len(sent) > 0 {
			s.start(ctx, sent, now, until)
		}
	}
	return delivery.UntilWoken
}

func (s *stream) start(ctx context.Context, items []*Item, now, until time.Time) {
	for _, it := range items {
		if ln := it.lane; ln.sent > 1 {
			if c := s.metrics.retries[ln.reason]; c != nil {
				c.Inc()
			}
		}
	}
	c := &call{items: items, epoch: s.health.Epoch(), deadline: now.Add(s.settings.Load().AttemptTimeout)}
	if until.Before(c.deadline) {
		c.deadline = until
	}
	s.wg.Go(func() {
		if guard.Run(ctx, "output", func() error { c.make(ctx, s.client, s.config.Stream); return nil }) != nil {
			c.cut = true // its outcome is unknown, and the process ends
		}
		_ = guard.Run(ctx, "output", func() error { s.settle(c); return nil })
	})
}

// tooOld says whether a record's age ends the attempts.
func (s *stream) tooOld(it *Item, now time.Time) bool {
	most := s.settings.Load().MaxRecordAge
	return most > 0 && s.ages.Of(it.Record.Arrival, now) > most
}

// sweep looks, once a second, for what is too old, and for what makes room.
func (s *stream) sweep(now time.Time) (ended []*Item) {
	if now.Sub(s.swept) < sweepEvery && !s.swept.IsZero() || s.items == 0 {
		return nil
	}
	s.swept = now
	if s.settings.Load().MaxRecordAge > 0 && s.health.Fault() == "" { // in a fault nothing gets older
		old := func(it *Item) bool { return it.waitsAtHead() && s.tooOld(it, now) }
		for _, ln := range s.pick(mostExpired, old) {
			ended = s.giveUp(ended, ln, alert.ConditionAge, now)
		}
	}
	s.shed(now)
	return ended
}

func (s *stream) nextSweep(now time.Time) time.Duration {
	if s.items == 0 || s.settings.Load().MaxRecordAge == 0 && !s.crowded() {
		return delivery.UntilWoken
	}
	return max(0, s.swept.Add(sweepEvery).Sub(now))
}

// crowded says that somebody waits for room.
func (s *stream) crowded() bool { return len(s.waiters) > 0 || s.writer.relieving.Load() > 0 }

// shed sends the oldest items that fail to the dead letters, a few at a time, until there is room.
func (s *stream) shed(now time.Time) {
	if s.writer.deps.DeadLetters == nil || !s.crowded() || s.failing == 0 && s.health.Failures() == 0 {
		return
	}
	shed := func(ok func(*Item) bool) {
		if n := mostLetters - s.mailing; n > 0 {
			for _, ln := range s.pick(n, func(it *Item) bool { return s.fails(it, now) && ok(it) }) {
				detail := "the output fails, and its budget is full"
				if ln.err != nil {
					detail += ": " + ln.err.Error()
				}
				s.post(ln, letter{alert.ConditionRetries, ReasonFailing, detail, ln.sent})
			}
		}
	}
	if len(s.waiters) > 0 {
		missing := s.bytes + s.waiters[0].cost - s.settings.Load().MaxBytes - s.mailingCost
		shed(func(it *Item) bool {
			missing -= it.cost
			return missing+it.cost > 0
		})
	}
	if s.writer.relieving.Load() > 0 {
		shed(func(it *Item) bool { return it.feed.relief.Load() })
	}
}

// giveUp ends the attempts with the first item of a lane that is in no list.
func (s *stream) giveUp(ended []*Item, ln *lane, condition string, now time.Time) []*Item {
	reason, detail := ReasonRetryAttempts, "the output failed too often"
	if condition == alert.ConditionAge {
		reason, detail = ReasonRecordAge, "the record is older than processing.max_record_age"
	}
	if ln.err != nil {
		detail += ": " + ln.err.Error()
	}
	if s.writer.deps.DeadLetters != nil {
		s.post(ln, letter{condition, reason, detail, ln.sent})
		return ended
	}
	return s.end(ended, ln, now, resultGivenUp, alert.Expired, "")
}

// reject ends the first item of a lane that is in no list, and will never be accepted.
func (s *stream) reject(ended []*Item, ln *lane, reason alert.Reason, detail string, now time.Time) []*Item {
	switch {
	case s.writer.deps.DeadLetters != nil:
		s.post(ln, letter{alert.ConditionRetries, reason, detail, ln.sent})
		return ended
	case s.settings.Load().Skip, reason == ReasonUnknownOutput: // which nothing that an operator does gets written
		return s.end(ended, ln, now, resultRejected, alert.Invalid, alert.ReasonRejected)
	}
	s.holdKey(ln, reason, detail)
	return ended
}

// holdKey stops a key whose first item can go nowhere.
func (s *stream) holdKey(ln *lane, reason alert.Reason, detail string) {
	s.hold(ln)
	r := &ln.first.Record
	s.log.Error("output record can be written nowhere, its key is held", zap.String("reason", string(reason)),
		zap.String("detail", detail), zap.String("shard", r.Shard), zap.String("sequence_number", r.SequenceNumber))
}

// end takes the first item of a lane out and adds it to those that have met their end, unless its feed has.
func (s *stream) end(
	ended []*Item, ln *lane, now time.Time, r result, o alert.Outcome, reason alert.Reason,
) []*Item {
	it := s.done(ln, now)
	s.free(it.cost)
	s.metrics.results[r].Inc()
	s.ended[r]++
	if it.dropped {
		return ended
	}
	it.Result = alert.Decision{Outcome: o, Reason: reason}
	return append(ended, it)
}

// sendLetters begins the dead letters that wait for that.
func (s *stream) sendLetters(ctx context.Context) {
	for !s.stopping && len(s.mail) > 0 && s.mailing-len(s.mail) < mostLetters {
		ln := s.mail[0]
		s.mail[0] = nil
		if s.mail = s.mail[1:]; ln.first.dropped {
			s.mailingDropped(ln)
			continue
		}
		it, m := ln.first, ln.letter
		r := it.Record
		r.Data = it.Data
		l := &alert.Letter{
			Record: r, Condition: m.condition, Reason: m.reason, Detail: m.detail, Attempts: m.attempts,
			Output: it.Name, OutputKey: it.Key,
		}
		s.wg.Go(func() {
			_ = guard.Run(ctx, "output", func() error { s.sendLetter(ctx, ln, l); return nil })
		})
	}
}

// mailingDropped forgets an item whose feed has ended before its dead letter was accepted.
func (s *stream) mailingDropped(ln *lane) { s.free(s.done(ln, time.Now()).cost) }

// sendLetter sends a dead letter until its feed ends.
func (s *stream) sendLetter(ctx context.Context, ln *lane, l *alert.Letter) {
	feed := ln.first.feed
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	//nolint:contextcheck // two contexts end the sending: the process's and the feed's
	unhook := context.AfterFunc(feed.ctx, cancel)
	defer unhook()
	err := s.writer.deps.DeadLetters.Send(sending, l)
	now := time.Now()
	var ended []*Item
	s.mu.Lock()
	switch {
	case err == nil:
		ended = s.end(nil, ln, now, resultDeadLettered, alert.DeadLettered, "")
	case ln.first.dropped:
		s.mailingDropped(ln)
	case sending.Err() != nil: // the process ends, or the feed does in this moment
		s.mail = append(s.mail, ln)
	default: // not in the contract; see DeadLetters
		s.mailing--
		s.mailingCost -= ln.first.cost
		s.holdKey(ln, l.Reason, "the dead letter was not accepted: "+err.Error())
	}
	s.shed(now)
	s.mu.Unlock()
	s.report(ended)
	s.stir()
}

// report hands items to their owners, without the lock.
func (s *stream) report(ended []*Item) {
	s.writer.moved.tell()
	if len(ended) == 0 {
		return
	}
	var feeds []*Feed
	byFeed := map[*Feed][]*Item{}
	for _, it := range ended {
		if byFeed[it.feed] == nil {
			feeds = append(feeds, it.feed)
		}
		byFeed[it.feed] = append(byFeed[it.feed], it)
	}
	for _, f := range feeds {
		f.deliver(byFeed[f])
	}
	s.writer.moved.tell()
}

// leave deals with what waits at an output that has left the configuration and does not take it: it goes to the output
// that has its name now, in order, or nowhere.
func (s *stream) leave(now time.Time, ended []*Item) ([]*Item, []*Item) {
	faulty := s.health.Fault() != "" && s.calls == 0
	if !s.ending || !faulty && s.held == 0 {
		return ended, nil
	}
	if s.replaced {
		moved := s.drop(now, func(it *Item) bool { return !it.busy() && (faulty || it.lane.phase == held) })
		for _, it := range moved {
			s.free(it.cost)
		}
		return ended, moved
	}
	stuck := func(it *Item) bool { return it.lane.phase == held && it.lane.first == it || faulty && it.waitsAtHead() }
	for lanes := s.pick(mostExpired, stuck); len(lanes) > 0; lanes = s.pick(mostExpired, stuck) {
		for _, ln := range lanes {
			if ln.phase == held {
				s.held--
			}
			ln.phase = doomed
			ended = s.reject(ended, ln, ReasonUnknownOutput, "the output has left the configuration", now)
		}
	}
	return ended, nil
}

// handOver gives items to the output that has the name of this one now.
func (s *stream) handOver(items []*Item) {
	for _, it := range items {
		for !s.writer.stream(it.Name).adopt(it) {
		}
	}
}

// adopt takes an item from another stream. It returns false when this one has ended: then the name has another.
func (s *stream) adopt(it *Item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false
	}
	it.to = s
	if !it.feed.stopped.Load() {
		s.bytes += it.cost
		s.admit(it, time.Now())
	}
	return true
}

// over says whether an output that has left the configuration may end, and if not now, when to look again.
func (s *stream) over(now time.Time) (time.Duration, bool) {
	if s.items > 0 || s.calls > 0 || s.bytes > 0 || !s.ending {
		s.idle = time.Time{}
		return delivery.UntilWoken, false
	}
	if s.idle.IsZero() {
		s.idle = now
	}
	if wait := s.idle.Add(lingers).Sub(now); wait > 0 && !s.replaced {
		return wait, false
	}
	s.gone = true
	s.health.faults.Move(s.health.Fault(), "")
	s.writer.forget(s)
	return 0, true
}

// reserve takes room for an item, or returns the waiter that gets it; ok is false when the output has ended.
func (s *stream) reserve(f *Feed, cost int) (x *waiter, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, false
	}
	if len(s.waiters) == 0 && s.fits(cost) {
		s.bytes += cost
		return nil, true
	}
	x = &waiter{f, cost, make(chan struct{})}
	s.waiters = append(s.waiters, x)
	s.shed(time.Now())
	s.stir()
	return x, true
}

// fits says whether there is room. One item always fits.
func (s *stream) fits(cost int) bool {
	return s.bytes == 0 || s.bytes+cost <= s.settings.Load().MaxBytes
}

// free gives room back, and to those who wait for it. Call it with the lock held.
func (s *stream) free(cost int) {
	s.bytes -= cost
	for len(s.waiters) > 0 && s.fits(s.waiters[0].cost) {
		x := s.waiters[0]
		s.waiters[0] = nil
		s.waiters = s.waiters[1:]
		s.bytes += x.cost
		close(x.granted)
	}
}

// withdraw ends the wait for room. It says whether there was room in this moment.
func (s *stream) withdraw(x *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-x.granted:
		return true
	default:
	}
	for i, other := range s.waiters {
		if other == x {
			s.waiters = append(s.waiters[:i:i], s.waiters[i+1:]...)
		}
	}
	s.free(0) // the next one may be smaller
	return false
}

// submit queues an item whose room is reserved.
func (s *stream) submit(it *Item) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if it.feed.stopped.Load() { // drop has been here, or waits for the lock
		s.free(it.cost)
		return
	}
	it.feed.pending.Add(1)
	s.admit(it, now)
}

// admit takes an item in.
func (s *stream) admit(it *Item, now time.Time) {
	if it.Reason == "" && s.client == nil {
		it.Reason, it.Detail = ReasonUnknownOutput, "the output has left the configuration"
	}
	if it.Reason == "" {
		s.push(it, now)
		if s.ready == 1 || s.ready == mostRecords || s.readyBytes-it.size() < s.room && s.readyBytes >= s.room {
			s.stir()
		}
		return
	}
	ln := s.pushAlone(it, now)
	if s.writer.deps.DeadLetters == nil && (s.settings.Load().Skip || it.Reason == ReasonUnknownOutput) {
		ln.phase = doomed // its owner is not called from Submit
		s.doomed = append(s.doomed, ln)
	} else {
		s.reject(nil, ln, it.Reason, it.Detail, now)
	}
	s.stir()
}

func (s *stream) giveBack(cost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free(cost)
	s.stir() // the output may end
}

// keep gives the output other settings. It says whether it is still there.
func (s *stream) keep(cfg *Config) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return false
	}
	s.settings.Store(cfg)
	s.ending, s.replaced = false, false
	s.free(0) // the budget may be larger
	s.stir()
	return true
}

// leaveConfig lets the output end as soon as nothing waits for it.
func (s *stream) leaveConfig(cfg *Config, replaced bool) {
	s.settings.Store(cfg)
	s.mu.Lock()
	s.ending, s.replaced = true, replaced
	ended, moved := s.leave(time.Now(), nil)
	s.mu.Unlock()
	s.handOver(moved)
	s.report(ended)
	s.stir()
}

// stuck counts the items of a feed that are held: by a fault of the output, or in a key. keys are those whose first
// item is the feed's.
func (s *stream) stuck(f *Feed) (items, keys int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	faulty := s.health.Fault() != ""
	if s.ending || !faulty && s.held == 0 { // what an output that ends does not take will soon be elsewhere, see leave
		return 0, 0
	}
	for it := s.oldest; it != nil; it = it.newer {
		switch {
		case it.feed != f:
		case it.lane.phase == held:
			items++
			if it.lane.first == it {
				keys++
			}
		case faulty && (it.lane.phase == ready || it.lane.phase == waiting):
			items++
		}
	}
	return items, keys
}

// dropFeed takes out what a feed has waiting.
func (s *stream) dropFeed(f *Feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.drop(time.Now(), func(it *Item) bool { return it.feed == f }) {
		s.free(it.cost)
	}
	// Letters that are not on their way yet must not hold their keys until others are.
	s.mail = slices.DeleteFunc(s.mail, func(ln *lane) bool {
		dropped := ln.first.dropped
		if dropped {
			s.mailingDropped(ln)
		}
		return dropped
	})
	s.stir()
}
