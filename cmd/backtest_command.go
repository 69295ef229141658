package cmd

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/consumer"
)

// backtester carries out the command rules backtest.
type backtester struct {
	rules *rulesFlags

	against, from, to, svg string

	archive []string
	every   time.Duration
	fast    bool

	program *program
	now     func() time.Time
	// load says how to reach AWS; it is asked only for a stream.
	load func(context.Context) (aws.Config, error)
	// terminal says whether the program's stderr is one.
	terminal bool
}

func newBacktester(p *program, rules *rulesFlags) *backtester {
	return &backtester{rules: rules, program: p, now: time.Now, load: LoadAWS, terminal: isTerminal(p.console)}
}

// backtestFlags are the flags that only rules backtest has.
func backtestFlags() []string {
	return []string{"stream", "topic-arn", "application", "when", "against", "from", "to", "archive", "every", "fast", "svg"}
}

func (x *backtester) declare(fs *flag.FlagSet) {
	fs.StringVar(&x.against, "against", "", "backtest: the configuration `FILE` with the rules to compare with")
	fs.StringVar(&x.from, "from", "", "backtest: read the stream from this `TIME` on (RFC 3339, or a duration before now such as -24h)")
	fs.StringVar(&x.to, "to", "", "backtest: read the stream up to this `TIME` (default now)")
	fs.Func("archive", "backtest: instead of the stream: a `FILE` with a JSON record a line, .gz is unpacked; more may follow", func(s string) error {
		x.archive = append(x.archive, s)
		return nil
	})
	fs.DurationVar(&x.every, "every", time.Second, "backtest: the `TIME` between records of an archive that do not carry their own")
	fs.BoolVar(&x.fast, "fast", false, "backtest: read 4 times a second and all that a shard gives, which slows other readers down")
	fs.StringVar(&x.svg, "svg", "", "backtest: write a plot of values and alerts over time to this `FILE`")
}

func (x *backtester) run(ctx context.Context, args []string) error {
	if len(x.archive) > 0 {
		x.archive, args = append(x.archive, args...), nil
	}
	from, to, err := x.check(args)
	if err != nil {
		return err
	}
	config, err := x.rules.from.load(ctx, x.program.env)
	if err != nil {
		return err
	}
	var against *LoadedConfig
	if x.against != "" {
		if against, err = LoadConfig(ctx, x.against, x.program.env); err != nil {
			return err
		}
	}
	b, err := newBacktest(config, against)
	if err != nil {
		return err
	}
	b.report.Against = x.against
	source, err := x.source(ctx, config, from, to)
	if err != nil {
		return err
	}
	if x.svg != "" {
		file, err := os.Create(x.svg) // now: not to find out after hours of reading
		if err != nil {
			return fmt.Errorf("rules: backtest: %w", err)
		}
		defer file.Close() //nolint:errcheck // written and closed below; this is for ways out with another error
		b.plot = newBacktestPlot(config)
		return x.finish(ctx, b, source, file)
	}
	return x.finish(ctx, b, source, nil)
}

// finish reads the source to its end, or as far as that is possible, and tells what was found.
func (x *backtester) finish(ctx context.Context, b *backtest, source backtestSource, svg *os.File) error {
	bar := newProgressBar(x.program.console, x.terminal, x.now)
	failed := source.run(ctx, b, bar)
	bar.clear()
	b.end(ctx, source, failed == nil)
	if err := b.settle(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("rules: backtest: %w", err)
	}
	switch {
	case failed == nil:
	case ctx.Err() != nil:
		b.report.Incomplete = "interrupted"
	case b.report.Records == 0 && b.report.BadLines == 0: // there is nothing to tell
		return fmt.Errorf("rules: backtest: %w", failed)
	default:
		b.report.Incomplete = failed.Error()
	}
	if err := b.report.print(x.program.stdout, x.rules.json); err != nil {
		return err
	}
	if svg != nil {
		err := b.plot.write(svg)
		if err = errors.Join(err, svg.Close()); err != nil {
			return fmt.Errorf("rules: backtest: %w", err)
		}
	}
	switch {
	case failed == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("rules: backtest: interrupted after %s", plural(b.report.Records, "record"))
	}
	return fmt.Errorf("rules: backtest: %w", failed)
}

// check says what is wrong with the command line, and from when to when the stream is to be read.
func (x *backtester) check(args []string) (from, to time.Time, err error) {
	bad := func(text string, values ...any) error {
		return &usageError{"rules: backtest: " + fmt.Sprintf(text, values...)}
	}
	switch {
	case len(args) > 0:
		return from, to, bad("unexpected argument %q; files with records follow --archive", args[0])
	case !x.rules.from.given():
		return from, to, bad("give --config FILE, or --stream NAME and --topic-arn ARN: the rules to try")
	case x.from == "" && len(x.archive) == 0:
		return from, to, bad("which records? give --from TIME, for what the stream retains, or --archive FILE")
	case x.from != "" && len(x.archive) > 0:
		return from, to, bad("give either --from, for the stream, or --archive")
	case len(x.archive) > 0 && (x.to != "" || x.fast):
		return from, to, bad("--to and --fast go with --from; an archive is read as a whole")
	case x.every <= 0:
		return from, to, bad("--every %s: want a duration above 0", x.every)
	case len(x.archive) > 0:
		return from, to, nil
	}
	now := x.now().UTC()
	to = now
	if from, err = instantOf(x.from, now); err != nil {
		return from, to, bad("--from %s: %v", x.from, err)
	}
	if x.to != "" {
		if to, err = instantOf(x.to, now); err != nil {
			return from, to, bad("--to %s: %v", x.to, err)
		}
	}
	switch {
	case from.After(now):
		return from, to, bad("--from %s: is in the future, and nothing was there yet", x.from)
	case !from.Before(to):
		return from, to, bad("--to %s: is not after --from %s", cmp.Or(x.to, "now"), x.from)
	}
	return from, to, nil
}

// instantOf reads a time, or a negative duration as the time so long before now.
func instantOf(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d <= 0 {
		return now.Add(d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, errors.New("want a time such as 2026-11-22T09:00:00Z, or a duration before now such as -24h")
	}
	return t.UTC(), nil
}

func (x *backtester) source(ctx context.Context, config *LoadedConfig, from, to time.Time) (backtestSource, error) {
	if len(x.archive) > 0 {
		parts := config.parts()
		text := parts.alert.Format == alert.FormatText || len(config.Rules) == 0
		return &archiveSource{files: x.archive, every: x.every, text: text}, nil
	}
	cfg, err := x.load(ctx)
	if err != nil {
		return nil, ConfigErrors{{Rule: err.Error()}}
	}
	s := &streamSource{
		client: newClients(cfg, prometheus.NewRegistry(), nil).of(config.Stream.ARN).kinesis, stream: config.parts().consumer, from: from, to: to,
		interval: time.Second, bytesPerSecond: shardReadRate / 2,
	}
	if x.fast {
		s.interval, s.bytesPerSecond = time.Second/4, shardReadRate
	}
	return s, nil
}

// backtest evaluates records by one set of rules, or by two beside each other, and adds up what comes of them. It is given
// the records in the order of time, and belongs to one goroutine.
type backtest struct {
	config *LoadedConfig
	// tracks are the rules to try and, if there are any, those to compare with.
	tracks []*backtestTrack
	report *backtestReport
	plot   *backtestPlot // nil without
	topics map[string]*topicTally

	// open are the shards that are read, in order, and decider the one that decides about the stream as a whole.
	open    []string
	decider string
	// now is how far the time of the records has come, ticked when evaluators were last told, and last the latest arrival.
	now, ticked, last time.Time
	// step is how far time goes at once where the stream as a whole is watched; 0 is any way.
	step time.Duration
	// score is that of the record at hand, NaN without.
	score float64
	sns   sns.Config
}

// backtestTrack is one set of rules with what it remembers.
type backtestTrack struct {
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

func newBacktest(config, against *LoadedConfig) (*backtest, error) {
	b := &backtest{
		config: config, report: newBacktestReport(config), topics: map[string]*topicTally{}, step: stepOf(config), sns: config.parts().sns,
	}
	for name := range config.Topics {
		b.topics[name] = newTopicTally(name, b.sns)
	}
	for _, c := range []*LoadedConfig{config, against} {
		if c == nil {
			continue
		}
		t := &backtestTrack{registry: prometheus.NewRegistry(), evaluators: map[string]*alert.Evaluator{}, left: map[string]*leftState{}}
		var err error
		t.pipeline, err = alert.New(c.parts().alert, alert.Deps{Stream: c.assumedARN(), Log: zap.NewNop(), Registerer: t.registry})
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
func (b *backtest) begin(shard string, heir alert.Heir) {
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
			b.report.note("shard %s begins without what its parents remembered: %v", shard, err)
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
func (b *backtest) leave(shard string, children []string) {
	for _, t := range b.tracks {
		t.left[shard] = &leftState{t.evaluators[shard].Snapshot(), children, len(children)}
		delete(t.evaluators, shard)
	}
	b.open = slices.DeleteFunc(b.open, func(s string) bool { return s == shard })
}

// take evaluates a Kinesis record of an open shard.
func (b *backtest) take(ctx context.Context, rec *alert.Record) {
	b.report.saw(rec)
	if rec.Arrival.After(b.now) {
		b.pass(ctx, rec.Arrival)
	}
	if rec.Arrival.After(b.last) {
		b.last = rec.Arrival
	}
	for _, u := range consumer.UserRecords(*rec) {
		if u.Undecidable() {
			b.report.decided(u.Decide(alert.Poison))
			continue
		}
		for n, t := range b.tracks {
			e := t.evaluators[u.Shard]
			d := e.Evaluate(&u.Record)
			if n == 0 {
				b.report.decided(d)
			}
			if n == 0 && b.plot != nil {
				data := e.Scored()
				if data == nil {
					data = u.Data
				}
				b.score = b.plot.record(data, u.Arrival)
			}
			b.made(ctx, n, d.Alerts)
		}
		b.compare()
	}
}

// tickEvery is how often evaluators are told the time while records come.
const tickEvery = time.Second

// pass lets time pass, up to when everything was evaluated.
func (b *backtest) pass(ctx context.Context, to time.Time) {
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

// tick tells the evaluators the time, as the daemon does.
func (b *backtest) tick(ctx context.Context, at time.Time) {
	b.ticked = at
	b.score = noScore()
	for n, t := range b.tracks {
		for _, shard := range b.open {
			if e := t.evaluators[shard]; e.Stateful() {
				b.made(ctx, n, e.Tick(alert.Tick{CaughtUp: at, Fleet: alert.Fleet{Decides: shard == b.decider, LastArrival: b.last, CaughtUp: at}}))
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

// meet tells an evaluator what the shards remember for which something waits, and says whether there are any that it did not know.
func (t *backtestTrack) meet(e *alert.Evaluator, at time.Time) (news bool) {
	version := instantText(at)
	for _, a := range e.Awaits() {
		if !a.Blocks || a.Version == version {
			continue
		}
		var state []byte
		var children []string
		if other := t.evaluators[a.Shard]; other != nil {
			state = other.Snapshot()
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

// forget lets the states of shards go that nobody needs any longer.
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

// end lets the time pass that the source knows to be without records.
func (b *backtest) end(ctx context.Context, source backtestSource, complete bool) {
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
func (b *backtest) made(ctx context.Context, track int, alerts []*alert.Alert) {
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
		if !again {
			b.report.alerted(a)
			if b.plot != nil {
				b.plot.alert(a, b.score)
			}
		}
		if tally := b.topics[a.Topic]; tally != nil {
			tally.add(ctx, a)
		}
	}
}

// compare notes in which alerts the tracks differ at this record or tick.
func (b *backtest) compare() {
	mine := b.tracks[0]
	if len(b.tracks) > 1 {
		other := b.tracks[1]
		for _, o := range mine.occasions {
			if !slices.Contains(other.occasions, o) {
				b.report.differs(&o, true)
			}
		}
		for _, o := range other.occasions {
			if !slices.Contains(mine.occasions, o) {
				b.report.differs(&o, false)
			}
		}
		other.occasions = other.occasions[:0]
	}
	mine.occasions = mine.occasions[:0]
}

// settle plays what waits through the rates of the topics, and reads from the metrics what evaluation tells nowhere else.
func (b *backtest) settle(ctx context.Context) error {
	for _, name := range b.report.topicNames {
		t := b.topics[name]
		if err := t.flush(ctx); err != nil {
			return err
		}
		b.report.Topics = append(b.report.Topics, t.result())
	}
	p := &player{}
	if err := p.account(b.tracks[0].registry); err != nil {
		return err
	}
	b.report.Notes = append(b.report.Notes, p.out.notes...)
	b.report.Notes = append(b.report.Notes, p.out.refused...)
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
				b.report.note("%s without %s (%s)", plural(n, "record"), labels["score"], labels["reason"])
			case f.GetName() == "kinesis_alerter_score_evictions_total":
				b.report.note("score.memory is too small: %s forgot %s", labels["score"], plural(n, "key"))
			}
		}
	}
	b.report.suppressed(p.out.suppressed, shadow)
	return nil
}

// topicTally adds up what a topic would be given.
type topicTally struct {
	name   string
	config sns.Config
	topic  sns.TopicConfig
	out    topicResult
	// seconds are alerts by the second, of the last minutes.
	seconds map[int64]int
	newest  int64
	// waiting are alerts for the simulation of digests, with their words and without their payloads.
	waiting []*alert.Alert
	bytes   int
	latest  time.Time
	err     error
}

const (
	// mostWaiting and mostWaitingBytes bound what a simulation is made of, and with it the memory of a storm that lasts.
	mostWaiting      = 50_000
	mostWaitingBytes = 64 << 20
	// calmGap and the time for calmMessages messages are, beside two digests, the time without alerts after which a topic is
	// as at the beginning.
	calmGap      = 10 * time.Minute
	calmMessages = 60
	// mostSeconds bounds the seconds that are counted, and oldSecond is how late an alert still counts.
	mostSeconds = 4096
	oldSecond   = 600
)

func newTopicTally(name string, config sns.Config) *topicTally {
	t := &topicTally{name: name, config: config, topic: config.WithDefaults().Topics[name], seconds: map[int64]int{}}
	t.out.Topic = name
	return t
}

// add takes an alert, renders it and has it checked, as if it were published.
func (t *topicTally) add(ctx context.Context, a *alert.Alert) {
	m, err := a.Render()
	if err == nil {
		err = sns.Check(t.topic.ARN, a, m)
	}
	if err != nil {
		if t.out.Refused++; t.out.RefusedWhy == "" {
			t.out.RefusedWhy = fmt.Sprintf("%s %s at %s: %v", a.Rule, a.Kind, a.At.Format(time.RFC3339), err)
		}
		return
	}
	t.out.Alerts++
	at := a.Occurred()
	second := at.Unix()
	t.newest = max(t.newest, second)
	if t.seconds[second]++; t.seconds[second] > t.out.Busiest.Alerts {
		t.out.Busiest.Alerts, t.out.Busiest.At = t.seconds[second], at.Truncate(time.Second).UTC()
	}
	if len(t.seconds) > mostSeconds {
		for s := range t.seconds {
			if s < t.newest-oldSecond {
				delete(t.seconds, s)
			}
		}
	}
	if t.topic.Rate == 0 {
		return
	}
	full := len(t.waiting) >= mostWaiting || t.bytes >= mostWaitingBytes
	if full || len(t.waiting) > 0 && at.Sub(t.latest) > t.calm() {
		t.out.Cut = t.out.Cut || full
		if err := t.flush(ctx); err != nil && ctx.Err() == nil {
			t.err = err
		}
	}
	c := *a
	c.Record.Data = nil
	t.waiting = append(t.waiting, alert.NewAlert(c, m))
	t.bytes += len(m.Body) + len(m.Subject)
	for _, body := range m.Bodies {
		t.bytes += len(body)
	}
	if at.After(t.latest) {
		t.latest = at
	}
}

// calm is the time without alerts after which nothing waits and the rate is as unused as at the beginning.
func (t *topicTally) calm() time.Duration {
	return calmGap + 2*t.topic.Digest + time.Duration(calmMessages/t.topic.Rate*float64(time.Second))
}

// flush plays what waits through the topic's rate.
func (t *topicTally) flush(ctx context.Context) error {
	sent, err := sns.Simulate(ctx, t.config, t.waiting)
	if err = errors.Join(t.err, err); err != nil {
		return err
	}
	for _, d := range sent {
		t.out.Digests++
		t.out.Digested += d.Count
	}
	clear(t.waiting)
	t.waiting, t.bytes = t.waiting[:0], 0
	return nil
}

func (t *topicTally) result() topicResult {
	t.out.Messages = t.out.Alerts - t.out.Digested + t.out.Digests
	return t.out
}

// instantText writes a time as people read it.
func instantText(t time.Time) string {
	return strings.Replace(t.UTC().Format("2006-01-02T15:04:05.999Z"), "T", " ", 1)
}
