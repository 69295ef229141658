package system

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// simClock is how the wall clock of a worker's machine is wrong: from the start of the simulation, by so much more for
// each hour, and from a moment on. Its monotonic clock is right, as it is on a machine whose clock is set.
type simClock struct {
	Off    time.Duration `json:"off,omitempty"`
	Hourly time.Duration `json:"hourly,omitempty"`
	JumpAt time.Duration `json:"jumpAt,omitempty"`
	Jump   time.Duration `json:"jump,omitempty"`
}

// simClocks is how many machines there are; workers take them in turn.
const simClocks = 5

// drawSimClocks draws wrong clocks, up to ten minutes off.
func drawSimClocks(t *rapid.T) []simClock {
	off := rapid.SampledFrom([]int{-600, -61, -30, -3, 0, 0, 1, 15, 60, 300, 600})
	clocks := make([]simClock, simClocks)
	for i := range clocks {
		clocks[i] = simClock{
			Off:    time.Duration(off.Draw(t, "clock off")) * time.Second,
			Hourly: time.Duration(rapid.SampledFrom([]int{0, 0, -300, 20, 300}).Draw(t, "clock drifts")) * time.Second,
			JumpAt: time.Duration(rapid.SampledFrom([]int{5, 20, 45, 90}).Draw(t, "clock jumps at")) * time.Second,
			Jump:   time.Duration(off.Draw(t, "clock jumps")) * time.Second,
		}
	}
	return clocks
}

func (c simClock) String() string {
	return fmt.Sprintf("%s off, %s an hour, %s after %s", c.Off, c.Hourly, c.Jump, c.JumpAt)
}

// machine is such a clock. A nil one is right.
func (c *simClock) machine(began time.Time) func() time.Time {
	if c == nil {
		return nil
	}
	return func() time.Time {
		now := time.Now()
		since := now.Sub(began)
		off := c.Off + time.Duration(float64(c.Hourly)*since.Hours())
		if since >= c.JumpAt {
			off += c.Jump
		}
		return now.Add(off).Round(0)
	}
}

// simClockRules is one rule for each kind of alert that a timer causes.
func simClockRules(began time.Time) (rules []alert.RuleConfig, silences []alert.SilenceConfig) {
	second := time.Second
	clock := func(minutes int) string { return began.Add(time.Duration(minutes) * time.Minute).UTC().Format("15:04") }
	rules = []alert.RuleConfig{
		{
			Name: "held", When: "v > 3", For: alert.Stretch{Time: 15 * second},
			Resolve: alert.Stretch{Time: 20 * second}, RepeatInterval: 30 * second,
		},
		{Name: "absent", Absence: alert.AbsenceConfig{After: 20 * second}, RepeatInterval: 40 * second},
		{Name: "shard", Absence: alert.AbsenceConfig{After: 25 * second, Of: alert.AbsenceOfShard}},
		{
			Name: "stream", Absence: alert.AbsenceConfig{
				After: 30 * second, Of: alert.AbsenceOfStream,
			}, RepeatInterval: 30 * second,
		},
		{
			Name: "tumbling", When: "v > 0", Window: alert.WindowConfig{
				Length: 15 * second, Tumbling: true, Aggregate: "count", Is: "> 8",
			},
		},
		{
			Name: "below", When: "v > 0", Window: alert.WindowConfig{
				Length: 20 * second, Tumbling: true, Aggregate: "count", Is: "< 3",
			},
		},
		{
			Name: "quiet", When: "v > 3", Resolve: alert.Stretch{Time: 10 * second}, Quiet: []alert.QuietConfig{
				{From: clock(1), To: clock(2)},
			},
		},
		{Name: "silenced", When: "v > 3", Resolve: alert.Stretch{Time: 10 * second}},
	}
	for i := range rules {
		rules[i].Topics = []string{"oncall"}
		rules[i].Message = "{{ .Kind }} {{ .Rule }} {{ .Key }} {{ .At }} {{ .Suppressed }}"
	}
	silences = []alert.SilenceConfig{{
		Name: "work", Rules: []string{"silenced"}, From: began.Add(100 * second).UTC().Format(time.RFC3339),
		Until: began.Add(160 * second).UTC().Format(time.RFC3339),
	}}
	return rules, silences
}

// simClockPlan is what happens to a fleet of two to three workers, second by second.
type simClockPlan struct {
	puts   [][]int // for each second, the keys that have a record
	values []int   // of each key in turn
	joins  int     // when a third worker joins, and the first one leaves
	leaves int
	// lie is when there is a record whose arrival time is minutes ahead; 0 is never. Another one of its key follows.
	lie int
}

const simClockSeconds = 240

func drawSimClockPlan(t *rapid.T) simClockPlan {
	p := simClockPlan{
		joins: rapid.IntRange(20, 100).Draw(t, "joins"), leaves: rapid.IntRange(110, 180).Draw(t, "leaves"),
	}
	if rapid.Bool().Draw(t, "lies") {
		p.lie = rapid.IntRange(30, 200).Draw(t, "lie")
	}
	silent := make([][2]int, 5)
	for k := range silent {
		from := rapid.IntRange(10, 180).Draw(t, "silent from")
		silent[k] = [2]int{from, from + rapid.SampledFrom([]int{0, 15, 30, 60, 230}).Draw(t, "silent for")}
	}
	every := rapid.SampledFrom([]int{1, 2, 5}).Draw(t, "a record every")
	for s := range simClockSeconds {
		var keys []int
		for k := range silent {
			if (s+k)%every == 0 && (s < silent[k][0] || s >= silent[k][1]) {
				keys = append(keys, k)
			}
		}
		p.puts = append(p.puts, keys)
	}
	p.values = rapid.SliceOfN(rapid.SampledFrom([]int{5, 5, 9, 1}), 5, 20).Draw(t, "values")
	return p
}

// simTold is one message: what it says, and when it was accepted first, since the start.
type simTold struct {
	words string
	at    time.Duration
}

// simLiar is the key of a record that lies about its arrival.
const simLiar = "liar"

// simLie puts the arrival time of the record that lies into the future, for every reader.
func simLie(a *fakeaws.Answer) {
	var page map[string]any
	d := json.NewDecoder(bytes.NewReader(a.Body))
	d.UseNumber()
	if a.Operation != "GetRecords" || d.Decode(&page) != nil {
		return
	}
	records, _ := page["Records"].([]any)
	for _, r := range records {
		r, _ := r.(map[string]any)
		if r["Data"] != base64.StdEncoding.EncodeToString([]byte(simLiar)) {
			continue
		}
		at, _ := r["ApproximateArrivalTimestamp"].(json.Number)
		seconds, _ := at.Float64()
		r["ApproximateArrivalTimestamp"] = seconds + 200
		a.Body, _ = json.Marshal(page)
	}
}

// Play plays a plan with machines whose clocks are these, and returns what was sent, by id. A liar lies where clocks
// are wrong.
func (p simClockPlan) play(t *rapid.T, clocks []simClock) map[string]simTold {
	told := map[string]simTold{}
	rapid.SyncTest(t, func(t *rapid.T) {
		began := time.Now()
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		_, err := sns.NewFromConfig(testkit.Emulated(fake)).CreateTopic(t.Context(), &sns.CreateTopicInput{
			Name: aws.String(testkit.TestTopic),
		})
		require.NoError(t, err)
		if len(clocks) > 0 {
			fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceKinesis, Kind: fakeaws.Changed, Rewrite: simLie})
		}
		var fleet []*simDaemon
		join := func() {
			d := &simDaemon{
				name: fmt.Sprintf("w%d", len(fleet)+1), log: &testkit.SyncBuffer{}, gone: make(chan struct{}),
				page: testdaemon.NewPage(),
			}
			c := config.Config{
				Stream: config.StreamConfig{
					Name: testkit.TestStream, Application: simTable, Start: checkpoint.Start{
						Kind: checkpoint.StartTrimHorizon,
					},
				},
				Leases: config.LeasesConfig{Duration: 5 * time.Second}, Topics: map[string]alert.TopicConfig{
					"oncall": testkit.AnyRate(testkit.TestTopicARN),
				},
				Watchdog: alert.WatchdogConfig{Interval: 30 * time.Second, Topics: []string{"oncall"}},
			}
			c.Rules, c.Silences = simClockRules(began)
			c = c.WithDefaults()
			require.NoError(t, c.Validate())
			o := daemon.Options{
				AWS: aws.Config{
					Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(d.name, "x", ""),
					HTTPClient: &http.Client{Transport: fake},
				},
				Output: d.log, Listener: d.page, Host: d.name, CreateTable: true,
			}
			if len(clocks) > 0 {
				o.Machine = clocks[len(fleet)%len(clocks)].machine(began)
			}
			ctx, leave := context.WithCancel(t.Context())
			d.leave = leave
			fleet = append(fleet, d)
			go func() {
				defer close(d.gone)
				_ = daemon.Run(ctx, c, o)
			}()
		}
		join()
		join()
		time.Sleep(10 * time.Second)
		start, n := time.Now(), 0
		for s, keys := range p.puts {
			switch s {
			case p.joins:
				join()
			case p.leaves:
				fleet[0].leave()
			}
			if p.lie > 0 && s == p.lie {
				fake.Kinesis.Put(testkit.TestStream, simLiar, []byte(simLiar))
			} else if p.lie > 0 && s == p.lie+1 {
				fake.Kinesis.Put(testkit.TestStream, simLiar, []byte(`{"v":0}`))
			}
			for _, k := range keys {
				n++
				fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("key-%d", k),
					fmt.Appendf(nil, `{"v":%d}`, p.values[n%len(p.values)]))
			}
			time.Sleep(time.Until(start.Add(time.Duration(s+1) * time.Second)))
		}
		time.Sleep(time.Minute)
		for _, d := range fleet {
			d.leave()
			<-d.gone
		}
		for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
			id := m.Attributes["alert_id"].StringValue
			if was, again := told[id]; again {
				require.Equal(t, was.words, m.Body, "a repetition with other words")
				continue
			}
			if !strings.Contains(m.Body, simLiar) { // its own times are not known
				told[id] = simTold{m.Body, m.At.Sub(began)}
			}
		}
	})
	return told
}

// TestSimClocks: a fleet whose machines have clocks that are up to ten minutes off, drift and jump tells the same as
// one whose clocks are right, no more than two seconds earlier or later.
func TestSimClocks(t *testing.T) { //nolint:paralleltest // the number of schedules is a flag of rapid's
	simChecks(t, 8, 1)
	rapid.Check(t, func(t *rapid.T) {
		p, clocks := drawSimClockPlan(t), drawSimClocks(t)
		right := p.play(t, nil)
		require.NotEmpty(t, right)
		wrong := p.play(t, clocks)
		// What is due as the fleet leaves may be told by one run only.
		const last = (simClockSeconds + 70 - 5) * time.Second
		for id, was := range right {
			if was.at > last {
				continue
			}
			require.Contains(t, wrong, id, "not told: %s (at %s)\nclocks: %v", was.words, was.at, clocks)
			require.Equal(t, was.words, wrong[id].words)
			require.InDelta(t, was.at.Seconds(), wrong[id].at.Seconds(), 2, "%s\nclocks: %v", was.words, clocks)
		}
		for id, is := range wrong {
			if is.at > last {
				continue
			}
			require.Contains(t, right, id, "told for nothing: %s (at %s)\nclocks: %v", is.words, is.at, clocks)
		}
	})
}
