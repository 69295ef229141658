package system

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/reference"
	"kinesis-alerter/internal/testkit"
)

// The law of words: what subscribers receive about each key is what the reference model computes, whatever happens to
// workers, shards, calls and clocks. Nothing is sent twice except with the same id, and nothing before it is due.
const (
	// wordsGrid is what arrivals are multiples of, as the times of rules are.
	wordsGrid = 250 * time.Millisecond
	// wordsDelay is how long after its moment a word may come while all is well: two seconds for records that are under
	// way, a poll, the tick behind it, and a publish. Until it is known where the records of an inherited key go it may
	// be half a minute more.
	wordsDelay    = 5 * time.Second
	wordsInherits = 35 * time.Second
	// wordsSettled is how long after the last fault all is well again: a lease, and what is asked again every half a
	// minute.
	wordsSettled = time.Minute
	wordsTail    = 100 * time.Second
	// wordsAgreed is after what time the first worker has written the latest format of snapshots; before that a restart
	// would forget words.
	wordsAgreed = 200 * time.Second
)

// simWords is what a simulation of words adds to a world.
type simWords struct {
	rules    []reference.Rule
	silences []reference.Silence
	records  []reference.Record
	told     []simWord
	calm     time.Time
	split    bool
}

// simWord is what SNS accepted.
type simWord struct {
	reference.Word

	id, text string
	accepted time.Time
}

// wordsRules is a rule for each kind of memory, with conditions that the index takes and such that it does not.
func wordsRules() []reference.Rule {
	v := func(r reference.Record) int {
		x, _ := r.Fields["v"].(int)
		return x
	}
	when := func(is func(v int) bool) func(reference.Record) reference.Verdict {
		return func(r reference.Record) reference.Verdict {
			if is(v(r)) {
				return reference.Yes
			}
			return reference.No
		}
	}
	above := func(bound int) func(reference.Record) reference.Verdict {
		return when(func(v int) bool { return v > bound })
	}
	sum := func(r reference.Record) (float64, bool) { return float64(v(r)), true }
	grade := func(r reference.Record) string {
		switch {
		case v(r) > 8:
			return alert.SeverityCritical
		case v(r) > 6:
			return alert.SeverityWarning
		}
		return alert.SeverityInfo
	}
	const second = time.Second
	records, lasting := func(n int) alert.Stretch {
		return alert.Stretch{Records: n}
	}, func(d time.Duration) alert.Stretch { return alert.Stretch{Time: d} }
	return []reference.Rule{
		{RuleConfig: alert.RuleConfig{Name: "plain", When: "v > 9"}, Holds: above(9)},
		{RuleConfig: alert.RuleConfig{Name: "dedup", When: "v * 2 > 14", Dedup: 20 * second}, Holds: above(7)},
		{RuleConfig: alert.RuleConfig{
			Name: "grave", When: "v > 4", Dedup: 90 * second, Resolve: records(2),
			Severity: `v > 8 ? "critical" : v > 6 ? "warning" : "info"`,
		}, Holds: above(4), Grade: grade},
		{
			RuleConfig: alert.RuleConfig{
				Name: "lasting", When: "v > 3", For: lasting(4 * second), Resolve: lasting(9 * second),
				RepeatInterval: 15 * second,
			}, Holds: above(3),
		},
		{
			RuleConfig: alert.RuleConfig{
				Name: "often", When: "v != 3 && !(v < 3)", For: records(3), Resolve: records(1),
				InhibitedBy: []string{"grave"},
			}, Holds: above(3),
		},
		{RuleConfig: alert.RuleConfig{
			Name: "gone", When: "v % 2 == 0", Absence: alert.AbsenceConfig{
				After: 14 * second, GiveUp: 50 * second,
			}, RepeatInterval: 20 * second,
		}, Holds: when(func(v int) bool { return v%2 == 0 })},
		{RuleConfig: alert.RuleConfig{
			Name: "few", When: "v >= 0", Window: alert.WindowConfig{
				Length: 10 * second, Tumbling: true, Is: "< 2",
			}, Resolve: records(1), Dedup: 15 * second,
		}, Holds: above(-1)},
		{RuleConfig: alert.RuleConfig{
			Name: "much", When: "v > 1", Window: alert.WindowConfig{
				Length: 12 * second, Step: 2 * second, Aggregate: alert.AggregateSum, Of: "v", Is: "> 20",
			}, Resolve: lasting(6 * second),
		}, Holds: above(1), Of: sum},
	}
}

// Config puts the rules into a configuration. The words say what is compared.
func (s *simWords) Config(c *config.Config, label string) {
	c.Rules, c.Silences = nil, nil
	for _, r := range s.rules {
		r.Message = "{{ .Kind }} {{ .Rule }} {{ .Key }} {{ .Severity }} {{ .At }}|{{ .Unsure }}|{{ .Suppressed }}"
		r.Subject = "{{ .Kind }}"
		r.Topics, r.Labels = []string{"oncall"}, map[string]string{"version": label} // which is no matter of memory
		c.Rules = append(c.Rules, r.RuleConfig)
	}
	for i, x := range s.silences {
		c.Silences = append(c.Silences, alert.SilenceConfig{
			Name: fmt.Sprint("silence-", i), Rules: x.Rules, When: "v > 5", From: wordsTime(x.From),
			Until: wordsTime(x.Until),
		})
	}
}

func wordsTime(at int64) string { return time.UnixMilli(at).UTC().Format(time.RFC3339Nano) }

// put puts records, each at the same moment as the one before.
func (s *simWords) put(w *simWorld, first, count int) {
	if late := time.Since(w.history.began) % wordsGrid; late > 0 {
		time.Sleep(wordsGrid - late)
	}
	for i := range min(count, 8) {
		n := w.records
		w.records++
		rec := reference.Record{
			Key: fmt.Sprintf("patient-%d", (first+i)%w.plan.Keys), At: time.Now().UnixMilli(),
			Fields: map[string]any{"v": (n*7919 + n/5*31) % 11},
		}
		s.records = append(s.records, rec)
		shard, sequence := w.fake.Kinesis.Put(testkit.TestStream, rec.Key,
			fmt.Appendf(nil, `{"v":%d}`, rec.Fields["v"]))
		w.history.Add(simEvent{
			Kind: simPut, N: []int{n}, Shard: shard, Sequence: sequence, Key: rec.Key, Arrival: rec.At,
		})
	}
}

// published notes a word. A body says all of it but where it came from.
func (s *simWords) published(w *simWorld, p fakeaws.Published) {
	said, rest, _ := strings.Cut(p.Body, "|")
	unsure, _, _ := strings.Cut(rest, "|")
	// How many were suppressed may differ where a repetition was overdue the second time.
	x := simWord{id: p.Attributes["alert_id"].StringValue, text: said, accepted: p.At}
	var day, clock, zone, name string
	_, err := fmt.Sscan(said, &x.Kind, &x.Rule, &x.Key, &x.Severity, &day, &clock, &zone, &name)
	at, fault := time.Parse("2006-01-02 15:04:05.999", day+" "+clock)
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	if x.At = at.UnixMilli(); err != nil || fault != nil || unsure != "" {
		x.Rule, x.At = fmt.Sprintf("a unreadable: %q", p.Body), p.At.UnixMilli()
	}
	s.told = append(s.told, x)
}

// TestSimWords runs whole daemons with rules that remember through schedules of joins, stops, crashes, stalls,
// handoffs, reshards, reloads and faults, with clocks that are wrong, and compares what was sent with the reference
// model.
func TestSimWords(t *testing.T) { //nolint:paralleltest // the number of schedules is a flag of rapid's
	simChecks(t, 6, 1)
	rapid.Check(t, func(t *rapid.T) {
		p := drawSimPlan(t)
		p.Latest, p.Keys = false, min(p.Keys, 8)
		if rapid.Bool().Draw(t, "clocks are wrong") {
			p.Clocks = drawSimClocks(t)
		}
		split := false
		p.Steps = slices.DeleteFunc(p.Steps, func(s simStep) bool {
			split = split || s.Do == "split"
			switch s.Do {
			case "trim", "forget row", "drop table": // memory is lost with them
				return true
			case "merge": // what waits to hear of a key is not said if its shard is merged meanwhile
				return split
			}
			return false
		})
		rapid.SyncTest(t, func(t *rapid.T) { simulateWords(t, p) })
	})
}

func simulateWords(t *rapid.T, p simPlan) {
	w := &simWorld{
		T: t, plan: p, fake: fakeaws.New(fakeaws.Options{}), history: &simHistory{
			began: time.Now(), published: map[int]bool{},
		},
		words: &simWords{rules: wordsRules()},
	}
	s, began := w.words, w.history.began.Add(wordsAgreed)
	s.silences = []reference.Silence{{
		Rules: []string{"lasting", "dedup"}, From: began.Add(20 * time.Second).UnixMilli(),
		Until: began.Add(50 * time.Second).UnixMilli(),
		When: func(r reference.Record) reference.Verdict {
			if v, _ := r.Fields["v"].(int); v > 5 {
				return reference.Yes
			}
			return reference.No
		},
	}}
	w.fake.SNS.OnPublish(func(p fakeaws.Published) { s.published(w, p) })
	w.fake.Kinesis.Create(testkit.TestStream, p.Shards)
	client := sns.NewFromConfig(testkit.Emulated(w.fake))
	_, err := client.CreateTopic(context.Background(), &sns.CreateTopicInput{Name: aws.String(testkit.TestTopic)})
	require.NoError(t, err)
	require.NoError(t, testkit.Subscribe(context.Background(), client, testkit.TestTopicARN))
	w.join()
	time.Sleep(wordsAgreed / 2)
	for i := range 32 { // so that each shard saves what it remembers in the latest format
		w.fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("nobody-", i), []byte(`{"v":null}`))
	}
	time.Sleep(wordsAgreed / 2)
	w.put(0, 5)
	for i, step := range p.Steps {
		s.split = s.split || step.Do == "split"
		w.step(step)
		w.put(step.Which, step.Count/4)
		if i%3 == 0 && len(w.live) > 0 {
			w.note("a reload of %s", w.live[i%len(w.live)].name)
			select {
			case w.live[i%len(w.live)].reloads <- syscall.SIGHUP:
			default:
			}
		}
		time.Sleep(step.Pause)
	}
	for time.Since(began) < simLeast {
		if len(w.live) == 0 {
			w.join()
		}
		w.put(w.records, 3)
		time.Sleep(5 * time.Second)
	}
	w.fake.Faults.Clear()
	w.fake.Kinesis.EmptyPages(0)
	for _, d := range w.all {
		d.wire.wake()
	}
	w.others.Wait()
	if len(w.live) == 0 {
		w.join()
	}
	s.calm = time.Now()
	w.put(0, 2*p.Keys)
	for time.Since(s.calm) < wordsSettled+wordsTail {
		time.Sleep(7 * time.Second)
		w.put(w.records, 2)
	}
	until := time.Now().Add(-10 * time.Second) // of what is due in the last seconds a part may be told
	for len(w.live) > 0 {
		w.stop(0)
	}
	w.others.Wait()
	for _, d := range w.all {
		<-d.gone
	}
	if broken := s.check(until); broken != "" {
		w.tell(simRules{Lease: p.Lease}, []string{broken})
	}
}

// check compares what was sent up to some moment with the reference.
func (s *simWords) check(until time.Time) string {
	world := reference.World{Rules: s.rules, Silences: s.silences, Every: wordsGrid.Milliseconds()}
	world.Pass(s.records[0].At)
	for _, rec := range s.records {
		world.Record(rec)
	}
	world.Pass(until.UnixMilli())
	wanted, found := map[string][]reference.Word{}, map[string][]simWord{}
	for _, x := range world.Words() {
		if x.At < until.UnixMilli() {
			wanted[x.Rule+" "+x.Key] = append(wanted[x.Rule+" "+x.Key], x)
		}
	}
	told := slices.Clone(s.told)
	if s.split { // what waited for another shard may come after what did not
		slices.SortStableFunc(told, func(a, b simWord) int { return cmp.Compare(a.At, b.At) })
	}
	due := map[reference.Word]int{}
	for _, x := range world.Words() {
		due[x]++
	}
	seen, broken := map[string]string{}, []string{}
	for i := range told {
		x := &told[i]
		if was, again := seen[x.id]; again {
			if was != x.text {
				broken = append(broken, fmt.Sprintf("%s was told as %q and as %q", x.id, was, x.text))
			}
			continue
		}
		seen[x.id] = x.text
		// Who takes over a closed shard from one that crashed does not know how far its ticks had come: what they told
		// is then due in a child, which tells it again with an id of its own.
		if left, wanted := due[x.Word]; s.split && wanted && left == 0 {
			continue
		}
		due[x.Word]--
		moment := time.UnixMilli(x.At)
		if x.accepted.Before(moment) {
			broken = append(broken, fmt.Sprintf("%s was told %s before it was due", x.Word, moment.Sub(x.accepted)))
		}
		delay := wordsDelay
		if s.split {
			delay += wordsInherits
		}
		if late := x.accepted.Sub(moment); moment.After(s.calm.Add(wordsSettled)) && late > delay {
			broken = append(broken, fmt.Sprintf("%s was told %s late though all was well", x.Word, late))
		}
		if of := x.Rule + " " + x.Key; x.At < until.UnixMilli() {
			found[of] = append(found[of], *x)
		}
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(wanted)), maps.Keys(found))
	slices.Sort(keys)
	for _, of := range slices.Compact(keys) {
		want, told := s.withoutOverdue(wanted[of], found[of]), []string{}
		for i := range found[of] {
			told = append(told, found[of][i].String())
		}
		if !slices.Equal(want, told) {
			broken = append(broken, fmt.Sprintf("%s\nof the reference:\n %s\ntold:\n %s", of, strings.Join(want, "\n "),
				strings.Join(told, "\n ")))
		}
	}
	return strings.Join(broken[:min(len(broken), 3)], "\n")
}

// withoutOverdue leaves out the repetitions that were overdue when they could have been told: another one was due by
// then.
func (s *simWords) withoutOverdue(wanted []reference.Word, told []simWord) []string {
	var out []string
	for _, x := range wanted {
		switch {
		case len(told) > 0 && told[0].Word == x:
			told = told[1:]
		case x.Kind == alert.KindRepeat && len(told) > 0:
			i := slices.IndexFunc(s.rules, func(r reference.Rule) bool { return r.Name == x.Rule })
			if next := time.UnixMilli(x.At).Add(s.rules[i].RepeatInterval); !told[0].accepted.Before(next) {
				continue
			}
		}
		out = append(out, x.String())
	}
	return out
}

// reload is a daemon's configuration as a file would give it the next time: the same but for words.
func (s *simWords) reload(c config.Config) func(context.Context) (*config.LoadedConfig, error) {
	reloads := 0
	return func(context.Context) (*config.LoadedConfig, error) {
		reloads++
		s.Config(&c, fmt.Sprint(reloads))
		return &config.LoadedConfig{Config: c.WithDefaults(), Doc: &config.Document{}}, nil
	}
}
