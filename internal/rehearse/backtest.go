package rehearse

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/config"
)

// Backtest evaluates records by one set of rules, or by two side by side, and sums up the results. It gets the records
// in the order of time, and belongs to one goroutine.
type Backtest struct {
	config *config.LoadedConfig
	// tracks are the rules to try and, if there are any, those to compare with.
	tracks []*backtestTrack
	Report *BacktestReport
	Plot   *backtestPlot // nil without
	topics map[string]*topicTally

	// open are the shards that are read, in order, and decider the one that decides about the stream as a whole.
	open    []string
	decider string
	// now is how far the time of the records has come, ticked when evaluators last had a tick, and last the latest
	// arrival.
	now, ticked, last time.Time
	// step is how far time goes at once where the stream as a whole is watched; 0 is any way.
	step time.Duration
	// score is that of the record at hand, NaN without.
	score float64
	sns   dispatch.Config
	// search is what looks for records; nil without.
	search *Search
}

// backtestTrack is one set of rules with what it remembers.
type backtestTrack struct {
	decoder    *decode.Decoder
	input      string // stands for the steps of the decoder
	pipeline   *alert.Pipeline
	registry   *prometheus.Registry
	evaluators map[string]*alert.Evaluator
	// left are the states of shards that ended, for their children.
	left map[string]*leftState
	// occasions are the alerts of the record or tick at hand, each once however many topics it goes to.
	occasions []occasionKey
}

// leftState is the state that a shard left, to whom, and how many of them still need it.
type leftState struct {
	state    []byte
	children []string
	heirs    int
}

// occasionKey says what an alert is about: alerts of two sets of rules that are equal in it are the same.
type occasionKey struct {
	rule, kind, key, shard, sequence string

	sub uint32
	at  int64 // in milliseconds
}

// NewBacktest compiles the rules of loaded and, unless it is nil, those of against.
func NewBacktest(loaded, against *config.LoadedConfig) (*Backtest, error) {
	if against == nil {
		return newBacktest(loaded.AssumedARN(), loaded)
	}
	return newBacktest(loaded.AssumedARN(), loaded, against)
}

// newBacktest compiles the rules of configurations for the stream of an ARN. The first are those to try.
func newBacktest(arn string, all ...*config.LoadedConfig) (*Backtest, error) {
	loaded := all[0]
	b := &Backtest{
		config: loaded, Report: newBacktestReport(loaded), topics: map[string]*topicTally{}, step: stepOf(loaded),
		sns: loaded.Parts().SNS,
	}
	for name := range loaded.Topics {
		b.topics[name] = newTopicTally(name, b.sns)
	}
	for _, c := range all {
		plan := c.Plan()
		t := &backtestTrack{
			decoder: plan.Decoder(decode.NewBudget()), input: plan.Hash(),
			registry: prometheus.NewRegistry(), evaluators: map[string]*alert.Evaluator{},
			left: map[string]*leftState{},
		}
		var err error
		t.pipeline, err = c.Pipeline(alert.Deps{Stream: arn, Log: zap.NewNop(), Registerer: t.registry})
		if err != nil {
			return nil, err
		}
		b.tracks = append(b.tracks, t)
		if s := stepOf(c); s > 0 && (b.step == 0 || s < b.step) {
			b.step = s
		}
	}
	return b, nil
}

// begin opens a shard, whose parents have ended.
func (b *Backtest) begin(shard string, heir alert.Heir) {
	for _, t := range b.tracks {
		e := t.pipeline.Shard(shard)
		t.evaluators[shard] = e
		var states [][]byte
		for _, p := range heir.Parents {
			if l := t.left[p]; l != nil {
				states = append(states, l.state)
				l.heirs--
			}
		}
		if len(states) == 0 {
			continue
		}
		if err := e.Inherit(states, heir); err != nil {
			b.Report.note("shard %s begins without what its parents remembered: %v", shard, err)
		}
		t.forget()
	}
	at, _ := slices.BinarySearch(b.open, shard)
	b.open = slices.Insert(b.open, at, shard)
	if b.decider == "" || slices.Contains(heir.Parents, b.decider) && !slices.Contains(b.open, b.decider) {
		b.decider = shard
	}
}

// leave ends a shard, whose state its children inherit. If it decides about the stream, the first of them does next.
func (b *Backtest) leave(shard string, children []string) {
	for _, t := range b.tracks {
		t.left[shard] = &leftState{t.evaluators[shard].State(), children, len(children)}
		delete(t.evaluators, shard)
	}
	b.open = slices.DeleteFunc(b.open, func(s string) bool { return s == shard })
}

// take evaluates a Kinesis record of an open shard.
func (b *Backtest) take(ctx context.Context, rec *alert.Record) {
	b.Report.saw(rec)
	if rec.Arrival.After(b.now) {
		b.pass(ctx, rec.Arrival)
	}
	if rec.Arrival.After(b.last) {
		b.last = rec.Arrival
	}
	if len(b.tracks) == 1 || b.tracks[0].input == b.tracks[1].input {
		_ = b.tracks[0].decoder.Each(ctx, rec, func(u *decode.UserRecord) error {
			for n := range b.tracks {
				b.judge(ctx, n, u)
			}
			b.compare()
			return context.Cause(ctx)
		})
		return
	}
	for n, t := range b.tracks { // of different inputs: what they make of the record as a whole is compared
		_ = t.decoder.Each(ctx, rec, func(u *decode.UserRecord) error {
			b.judge(ctx, n, u)
			return context.Cause(ctx)
		})
	}
	b.compare()
}

// judge evaluates a user record by a track.
func (b *Backtest) judge(ctx context.Context, n int, u *decode.UserRecord) {
	t := b.tracks[n]
	if u.Undecidable() {
		if n == 0 {
			b.Report.decided(u.Decide(alert.Poison))
			b.search.wants(t.pipeline, u)
		}
		return
	}
	e := t.evaluators[u.Shard]
	found := n == 0 && b.search.wants(t.pipeline, u)
	if found {
		b.search.before(t)
	}
	d := e.Evaluate(&u.Record)
	if n == 0 {
		b.Report.decided(d)
		b.Report.wrote(d.Outputs)
	}
	if found {
		b.search.after(t, e, d)
	}
	if n == 0 && b.Plot != nil {
		data := e.Scored()
		if data == nil {
			data = u.Kept().Data
		}
		b.score = b.Plot.record(data, u.Arrival)
	}
	b.made(ctx, n, d.Alerts)
}

// tickEvery is how often evaluators get a tick while records come.
const tickEvery = time.Second

// pass lets time pass, up to when everything was evaluated.
func (b *Backtest) pass(ctx context.Context, to time.Time) {
	if b.now = to; b.ticked.IsZero() {
		b.tick(ctx, to)
		return
	}
	if to.Sub(b.ticked) < tickEvery {
		return
	}
	for b.ticked.Before(to) && ctx.Err() == nil {
		next := to
		if b.step > 0 && b.ticked.Add(b.step).Before(to) {
			next = b.ticked.Add(b.step)
		}
		b.tick(ctx, next)
	}
}

// tick passes the time to the evaluators, as the daemon does.
func (b *Backtest) tick(ctx context.Context, at time.Time) {
	b.ticked = at
	b.score = noScore()
	for n, t := range b.tracks {
		for _, shard := range b.open {
			if e := t.evaluators[shard]; e.Stateful() {
				b.made(ctx, n, e.Tick(alert.Tick{
					CaughtUp: at, Fleet: alert.Fleet{Decides: shard == b.decider, LastArrival: b.last, CaughtUp: at},
				}))
			}
		}
		for _, shard := range b.open {
			for e := t.evaluators[shard]; t.meet(e, at); {
				b.made(ctx, n, e.Tick(alert.Tick{CaughtUp: at}))
			}
		}
	}
	b.compare()
}

// meet gives an evaluator the memory of shards that it waits for, and reports whether any was new.
func (t *backtestTrack) meet(e *alert.Evaluator, at time.Time) (news bool) {
	version := instantText(at)
	for _, a := range e.Awaits() {
		if !a.Blocks || a.Version == version {
			continue
		}
		var state []byte
		var children []string
		if other := t.evaluators[a.Shard]; other != nil {
			state = other.State()
		} else if l := t.left[a.Shard]; l != nil {
			state, children = l.state, l.children
		}
		if relative, err := alert.ReadRelative(a.Shard, version, state, children); err == nil {
			e.Meet(relative)
			news = true
		}
	}
	if news {
		t.forget()
	}
	return news
}

// forget drops the states of shards that are no longer needed.
func (t *backtestTrack) forget() {
	needed := map[string]bool{}
	for _, e := range t.evaluators {
		for _, a := range e.Awaits() {
			needed[a.Shard] = true
		}
	}
	for shard, l := range t.left {
		if l.heirs <= 0 && !needed[shard] {
			delete(t.left, shard)
		}
	}
}

// End lets the time pass that the source knows to be without records.
func (b *Backtest) End(ctx context.Context, source BacktestSource, complete bool) {
	if !complete || b.now.IsZero() {
		return
	}
	if to := source.until(); to.After(b.now) {
		b.pass(ctx, to)
	}
	if len(b.open) != 1 || ctx.Err() != nil {
		return
	}
	b.score = noScore()
	for n, t := range b.tracks { // no record is under way any more
		b.made(ctx, n, t.evaluators[b.open[0]].Elapse(b.now))
	}
	b.compare()
}

// made takes up the alerts that a track made.
func (b *Backtest) made(ctx context.Context, track int, alerts []*alert.Alert) {
	t := b.tracks[track]
	for _, a := range alerts {
		o := occasionKey{
			rule: a.Rule, kind: string(a.Kind), key: a.Key, shard: a.Record.Shard, sequence: a.Record.SequenceNumber,
			sub: a.Record.SubSequence, at: a.At.UnixMilli(),
		}
		again := slices.Contains(t.occasions, o)
		if !again {
			t.occasions = append(t.occasions, o)
		}
		if track > 0 {
			continue
		}
		b.search.alerted(a)
		if !again {
			b.Report.alerted(a)
			if b.Plot != nil {
				b.Plot.alert(a, b.score)
			}
		}
		if tally := b.topics[a.Topic]; tally != nil {
			tally.Add(ctx, a)
		}
	}
}

// compare notes in which alerts the tracks differ at this record or tick.
func (b *Backtest) compare() {
	mine := b.tracks[0]
	if len(b.tracks) > 1 {
		other := b.tracks[1]
		for _, o := range mine.occasions {
			if !slices.Contains(other.occasions, o) {
				b.Report.differs(&o, true)
			}
		}
		for _, o := range other.occasions {
			if !slices.Contains(mine.occasions, o) {
				b.Report.differs(&o, false)
			}
		}
		other.occasions = other.occasions[:0]
	}
	mine.occasions = mine.occasions[:0]
}

// Settle plays what waits through the rates of the topics, and reads from the metrics what evaluation reports nowhere
// else.
func (b *Backtest) Settle(ctx context.Context) error {
	for _, name := range b.Report.topicNames {
		t := b.topics[name]
		if err := t.flush(ctx); err != nil {
			return err
		}
		b.Report.Topics = append(b.Report.Topics, t.result())
	}
	p := &player{}
	if err := p.account(b.tracks[0].registry, map[string]int{}); err != nil {
		return err
	}
	b.Report.Notes = append(b.Report.Notes, p.out.Notes...)
	b.Report.Notes = append(b.Report.Notes, p.out.refused...)
	shadow := map[string]int{}
	families, err := b.tracks[0].registry.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			n, labels := int(m.GetCounter().GetValue()), map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			switch {
			case n == 0:
			case f.GetName() == "kinesis_alerter_shadow_alerts_total":
				shadow[labels["rule"]] = n
			case f.GetName() == "kinesis_alerter_unscored_records_total":
				b.Report.note("%s without %s (%s)", config.Plural(n, "record"), labels["score"], labels["reason"])
			case f.GetName() == "kinesis_alerter_score_evictions_total":
				b.Report.note("score.memory is too small: %s forgot %s", labels["score"], config.Plural(n, "key"))
			}
		}
	}
	b.Report.suppressed(p.out.suppressed, shadow)
	return nil
}

// instantText writes a time as people read it.
func instantText(t time.Time) string {
	return strings.Replace(t.UTC().Format("2006-01-02T15:04:05.999Z"), "T", " ", 1)
}
