package rehearse

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/config"
)

// played is the result of a test's records.
type played struct {
	Alerts     []PlayedAlert
	outcomes   map[string]int
	suppressed map[string]map[string]int // by rule and reason; only what is not 0
	digests    []playedDigest
	// Outputs are what is written to output streams, and written how many of each.
	Outputs []PlayedOutput
	written map[string]int
	// refused is what SNS would refuse, and notes are further remarks for the author of the rules.
	refused, Notes []string
}

// offset is a time since the start of a test, written as in the file.
type offset time.Duration

// String is the time without units that are zero: 5m, not 5m0s.
func (o offset) String() string { return shortDuration(time.Duration(o)) }

// MarshalText implements encoding.TextMarshaler.
func (o offset) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// shortDuration leaves out the zero units that time.Duration prints.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// PlayedAlert is one alert that was made, as it is compared and shown.
type PlayedAlert struct {
	At         offset            `json:"at"`
	Rule       string            `json:"rule"`
	Kind       string            `json:"kind"`
	Topic      string            `json:"topic"`
	Key        string            `json:"key"`
	Severity   string            `json:"severity"`
	Subject    string            `json:"subject"`
	Message    string            `json:"message"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Bodies     map[string]string `json:"bodies,omitempty"`
	Group      string            `json:"group,omitempty"`
	Suppressed uint32            `json:"suppressed"`
}

// playedDigest is one digest that was sent.
type playedDigest struct {
	At      offset `json:"at"`
	Topic   string `json:"topic"`
	Count   int    `json:"count"`
	Subject string `json:"subject"`
	Message string `json:"message"`
}

// event is a record, or the passing of time, at its time since the start.
type event struct {
	at     time.Duration
	record *caseRecord
}

// events are the records with their repetitions, by time.
func (c *ruleCase) events() []event {
	var out []event
	for i := range c.Records {
		r := &c.Records[i]
		for n := range *r.Times {
			out = append(out, event{r.At + time.Duration(n)*r.Every, r})
		}
	}
	slices.SortStableFunc(out, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	return out
}

// player plays the records of one test in virtual time.
type player struct {
	test      *ruleCase
	config    *config.LoadedConfig
	evaluator *alert.Evaluator
	now       time.Duration
	// step is how far time goes at once where the stream as a whole is watched; 0 is any way.
	step time.Duration
	out  played
	made []*alert.Alert // for digests; nil if they are not expected
}

// stage has the rules of a configuration, compiled once for all of its tests.
type stage struct {
	config   *config.LoadedConfig
	pipeline *alert.Pipeline
	decoder  *decode.Decoder
	registry *prometheus.Registry
	counted  map[string]int // what the tests before have counted, by series
}

// Play plays a test, which remembers nothing of the others. The error is of the configuration.
func (t *LoadedTests) Play(ctx context.Context, c *ruleCase) (*played, error) {
	s := t.stage
	if s.pipeline == nil {
		s.registry, s.counted = prometheus.NewRegistry(), map[string]int{}
		s.decoder = s.config.Plan().Decoder(decode.NewBudget())
		var err error
		s.pipeline, err = s.config.Pipeline(alert.Deps{
			Stream: s.config.AssumedARN(), Log: zap.NewNop(), Registerer: s.registry,
		})
		if err != nil {
			return nil, err
		}
	}
	p := &player{test: c, config: s.config, evaluator: s.pipeline.Shard(c.Shard), step: stepOf(s.config)}
	p.out.outcomes, p.out.Alerts, p.out.written = map[string]int{}, []PlayedAlert{}, map[string]int{}
	p.take(p.evaluator.Elapse(p.start()))
	for i, e := range c.events() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		p.pass(e.at)
		if e.record.isTick() {
			continue
		}
		_ = s.decoder.Each(ctx, &alert.Record{
			Shard: c.Shard, PartitionKey: e.record.Key, SequenceNumber: strconv.Itoa(i + 1),
			Arrival: p.start().Add(e.at - e.record.Age), Data: e.record.payload,
		}, func(u *decode.UserRecord) error {
			var d alert.Decision
			if u.Undecidable() {
				d = u.Decide(alert.Poison)
			} else {
				d = p.evaluator.Evaluate(&u.Record)
			}
			p.out.outcomes[d.Outcome.String()]++
			p.take(d.Alerts)
			p.write(d.Outputs)
			return context.Cause(ctx)
		})
	}
	if c.Expect.Digests != nil {
		if err := p.digest(ctx); err != nil {
			return nil, err
		}
	}
	return &p.out, p.account(s.registry, s.counted)
}

func (p *player) start() time.Time { return time.Time(p.test.Start) }

// stepOf is the longest step in which nothing of the stream as a whole is passed over: it is looked at once a tick.
func stepOf(config *config.LoadedConfig) time.Duration {
	step := config.Watchdog.Interval
	shorter := func(d time.Duration) {
		if d > 0 && (step == 0 || d < step) {
			step = d
		}
	}
	for _, r := range config.Rules {
		if r.Absence.Of == alert.AbsenceOfStream {
			shorter(r.Absence.After)
			shorter(r.RepeatInterval)
		}
	}
	return step
}

// pass lets time pass.
func (p *player) pass(to time.Duration) {
	for p.now < to {
		next := to
		if p.step > 0 {
			next = min(to, p.now+p.step)
		}
		p.now = next
		p.take(p.evaluator.Elapse(p.start().Add(next)))
	}
}

// take renders alerts, as they are rendered when they are published, and has them checked.
func (p *player) take(alerts []*alert.Alert) {
	for _, a := range alerts {
		if p.test.Expect.Digests != nil {
			p.made = append(p.made, a)
		}
		m, err := a.Render()
		if err == nil {
			err = sns.Check(p.config.Topics[a.Topic].ARN, a, m)
		}
		got := PlayedAlert{
			At: offset(a.At.Sub(p.start())), Rule: a.Rule, Kind: string(a.Kind), Topic: a.Topic, Key: a.Key,
			Severity: a.Severity,
			Subject:  m.Subject, Message: m.Body, Bodies: m.Bodies, Group: m.Group, Suppressed: a.Suppressed,
		}
		for _, x := range m.Attributes {
			if got.Attributes == nil {
				got.Attributes = map[string]string{}
			}
			got.Attributes[x.Name] = x.Value
		}
		if err != nil {
			p.out.refused = append(p.out.refused, fmt.Sprintf("SNS refuses alert %d (%s): %v", len(p.out.Alerts)+1, got,
				err))
		}
		p.out.Alerts = append(p.out.Alerts, got)
	}
}

// String is the alert in a line.
func (a PlayedAlert) String() string {
	s := a.At.String()
	if a.Rule != "" {
		s += " " + a.Rule
	}
	s += " " + a.Kind + " to " + a.Topic
	if a.Key != "" {
		s += fmt.Sprintf(", key %q", a.Key)
	}
	return s
}

// account reads from the metrics what evaluation reports nowhere else. before is what had been counted, by series;
// account adds to it.
func (p *player) account(reg *prometheus.Registry, before map[string]int) error {
	families, err := reg.Gather()
	if err != nil {
		return err
	}
	p.out.suppressed = map[string]map[string]int{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels, series := map[string]string{}, f.GetName()
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
				series += "\x00" + l.GetValue()
			}
			n := int(m.GetCounter().GetValue()) - before[series]
			if n == 0 {
				continue
			}
			before[series] += n
			switch f.GetName() {
			case "kinesis_alerter_alerts_suppressed_total":
				if p.out.suppressed[labels["rule"]] == nil {
					p.out.suppressed[labels["rule"]] = map[string]int{}
				}
				p.out.suppressed[labels["rule"]][labels["reason"]] = n
			case "kinesis_alerter_template_failures_total":
				p.out.Notes = append(p.out.Notes, fmt.Sprintf("a template for the %s of rule %s failed %s: %s",
					labels["part"], labels["rule"], times(n), InsteadOf(labels["part"])))
			case "kinesis_alerter_panics_total":
				p.out.refused = append(p.out.refused,
					fmt.Sprintf("evaluation panicked %s, which is a bug of this program", times(n)))
			case "kinesis_alerter_state_evictions_total":
				p.out.Notes = append(p.out.Notes, fmt.Sprintf("state.max_keys is too small: rule %s forgot %d keys",
					labels["rule"], n))
			}
		}
	}
	return nil
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// counts writes counts in the order of their names: "alerted 1, suppressed 5".
func counts(m map[string]int) string {
	s := ""
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] == 0 {
			continue
		}
		if s != "" {
			s += ", "
		}
		s += fmt.Sprintf("%s %d", name, m[name])
	}
	return cmp.Or(s, "none")
}

// digest plays the alerts through the rates of their topics.
func (p *player) digest(ctx context.Context) error {
	sent, err := sns.Simulate(ctx, p.config.Parts().SNS, p.made)
	if err != nil {
		return err
	}
	for _, d := range sent {
		p.out.digests = append(p.out.digests, playedDigest{
			At: offset(d.At.Sub(p.start())), Topic: d.Topic, Count: d.Count, Subject: d.Subject, Message: d.Body,
		})
	}
	return nil
}
