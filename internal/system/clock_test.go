package system

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// shifted moves the arrival times of all records, and the Date of answers, where that is wanted.
func shifted(by time.Duration, dates bool) func(*fakeaws.Answer) {
	return func(a *fakeaws.Answer) {
		if date, err := time.Parse(time.RFC1123, a.Header.Get("Date")); dates && err == nil {
			a.Header.Set("Date", date.Add(by).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
		}
		if a.Operation != "GetRecords" {
			return
		}
		var page map[string]any
		d := json.NewDecoder(bytes.NewReader(a.Body))
		d.UseNumber()
		if d.Decode(&page) != nil {
			return
		}
		records, _ := page["Records"].([]any)
		for _, r := range records {
			r, _ := r.(map[string]any)
			at, _ := r["ApproximateArrivalTimestamp"].(json.Number)
			seconds, _ := at.Float64()
			r["ApproximateArrivalTimestamp"] = seconds + by.Seconds()
		}
		a.Body, _ = json.Marshal(page)
	}
}

// TestClockThatIsOff: a worker's clock differs from the one by which records arrive. Two keys with a record a second,
// of which nothing is ever silent or over, make four messages, and then their silence is reported in time; whether only
// arrival times tell it, or the Dates of the answers as well.
func TestClockThatIsOff(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{
		15 * time.Second, 30 * time.Second, time.Minute, 4 * time.Minute, -time.Minute,
	} {
		for _, dates := range []bool{false, true} {
			t.Run(off.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := fakeaws.New(fakeaws.Options{})
					fake.Kinesis.Create(testkit.TestStream, 1)
					testkit.CreateTopic(t, fake)
					fake.Faults.Add(fakeaws.Fault{
						Service: fakeaws.ServiceKinesis, Kind: fakeaws.Changed, Rewrite: shifted(-off, dates),
					})
					d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
						second := time.Second
						c.Rules = []alert.RuleConfig{
							{Name: "silent", When: "true", Absence: alert.AbsenceConfig{After: 20 * second}},
							{Name: "hot", When: "v > 3", Resolve: alert.Stretch{Time: 20 * second}},
							{
								Name: "held", When: "v > 3", For: alert.Stretch{Time: 20 * second},
								Resolve: alert.Stretch{Time: 20 * second},
							},
						}
						for i := range c.Rules {
							c.Rules[i].Message = "{{ .Kind }} {{ .Rule }} {{ .Key }}"
							c.Rules[i].Topics = []string{"oncall"}
						}
					})
					told := func() (words []string) {
						for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
							words = append(words, m.Body)
						}
						return words
					}
					time.Sleep(3 * time.Second)
					for n := range 45 {
						for _, key := range []string{"a", "b"} {
							fake.Kinesis.Put(testkit.TestStream, key, []byte(`{"v":5}`))
						}
						time.Sleep(time.Second)
						if n == 15 {
							require.Len(t, told(), 2, "only what needs no time")
						}
					}
					require.ElementsMatch(t, []string{
						"firing hot a", "firing hot b", "firing held a", "firing held b",
					}, told())
					silent := func() int { return strings.Count(strings.Join(told(), "\n"), "firing silent") }
					time.Sleep(17 * time.Second)
					require.Zero(t, silent(), "too early")
					time.Sleep(6 * time.Second)
					require.Equal(t, 2, silent())
					require.NoError(t, d.End())
				})
			})
		}
	}
}

// TestMachineClockThatIsOffIsTold: the distance of the machine's clock is on the page and a metric, and no alert goes
// by it.
func TestMachineClockThatIsOffIsTold(t *testing.T) {
	t.Parallel()
	for off, level := range map[time.Duration]status.Level{
		0: "", time.Second: "", 5 * time.Second: status.LevelInfo, -10 * time.Minute: status.LevelWarning,
		10 * time.Minute: status.LevelWarning,
	} {
		t.Run(off.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				page := &simDaemon{page: testdaemon.NewPage()}
				d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
					o.Machine = func() time.Time { return time.Now().Add(off).Round(0) }
					o.Listener = page.page
				})
				time.Sleep(30 * time.Second)
				st, err := page.Status()
				require.NoError(t, err)
				require.NotNil(t, st.ClockAhead)
				require.InDelta(t, off.Seconds(), *st.ClockAhead, 0.1)
				var found status.Level
				for _, p := range st.Problems {
					if p.Code == "clock_off" {
						found = p.Level
					}
				}
				require.Equal(t, level, found)
				require.InDelta(t, off.Seconds(), testkit.Gauge(t, d.Reg, "kinesis_alerter_clock_offset_seconds"), 0.1)
				require.NoError(t, d.End())
			})
		})
	}
}
