package system

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// Whatever keeps Kinesis from answering is on the page within ten seconds, with its code and its remedy, and gone soon
// after it is over. One failed call is nothing.
func TestStatusOfRefusedReads(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault        fakeaws.Fault
		code, remedy string
	}{
		"denied": {
			fakeaws.Fault{
				Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
			}, "(AccessDeniedException)", "kinesis:GetRecords",
		},
		"key": {
			fakeaws.Fault{
				Err: &fakeaws.Error{Code: "KMSDisabledException", Status: 400},
			}, "(KMSDisabledException)", "enable the KMS key",
		},
		"throttled": {
			fakeaws.Fault{
				Err: &fakeaws.Error{Code: "ProvisionedThroughputExceededException", Status: 400},
			}, "(ProvisionedThroughputExceededException)", "who else reads",
		},
		"failing":   {fakeaws.Fault{}, "(InternalFailure)", "health page"},
		"no answer": {fakeaws.Fault{Kind: fakeaws.BlackHole}, "for 1 shard", "network"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Listener = page })
				time.Sleep(20 * time.Second)
				c.fault.Service, c.fault.Operation = fakeaws.ServiceKinesis, "GetRecords"
				once := c.fault
				once.Times = 1
				if once.Kind != fakeaws.BlackHole {
					fake.Faults.Add(once)
					for range 10 {
						time.Sleep(time.Second)
						require.Empty(t, page.Status(t).Problems, "one failed call")
					}
				}
				over := fake.Faults.Add(c.fault)
				time.Sleep(10500 * time.Millisecond)
				p := page.Status(t)
				require.Equal(t, status.LevelWarning, coded(p, "reads_failing").Level, "%v", p.Problems)
				require.Contains(t, coded(p, "reads_failing").Text, c.code)
				require.Contains(t, coded(p, "reads_failing").Remedy, c.remedy)
				over()
				time.Sleep(30 * time.Second)
				require.Empty(t, page.Status(t).Problems)
				require.NoError(t, d.End())
			})
		})
	}
}

// A key of SNS that takes nine seconds for each call lets lag grow without a single failed call.
func TestStatusOfALagWithoutACause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Listener = page })
		time.Sleep(40 * time.Second)
		over := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.Delay, Delay: 9 * time.Second,
		})
		for i := range 60 {
			fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(fmt.Sprintf(`{"heartRate":180,"n":%d}`, i)))
			time.Sleep(time.Second)
		}
		s := page.Status(t)
		require.NotEqual(t, status.LevelOK, s.Level, "%v", s.Problems)
		require.NotEqual(t, status.LevelInfo, s.Level, "%v", s.Problems)
		require.NotContains(t, strings.ToLower(s.Summary), "is well")
		over()
		require.Eventually(t, func() bool {
			time.Sleep(10 * time.Second)
			return page.Status(t).Level == status.LevelOK
		}, 20*time.Minute, time.Second)
		require.NoError(t, d.End())
	})
}

// What SNS said is in the problem, whether it refuses the topic, fails each call, fails one alert, or will never take
// it.
func TestStatusTellsWhatSNSSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail func(*fakeaws.AWS) (over func())
		code string
		want []string
	}{
		"held": {func(fake *fakeaws.AWS) func() {
			return fake.Faults.Add(fakeaws.Fault{
				Service: fakeaws.ServiceSNS, Operation: "PublishBatch",
				Err: &fakeaws.Error{
					Code: "AuthorizationError", Message: "User x is not authorized to perform: SNS:Publish",
					Status: 403,
				},
			})
		}, "topic_held", []string{
			"access denied (AuthorizationError: User x is not authorized to perform: SNS:Publish), ",
		}},
		"failing": {func(fake *fakeaws.AWS) func() {
			return fake.Faults.Add(fakeaws.Fault{
				Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Err: &fakeaws.Error{
					Code: "InternalError", Message: "try later", Status: 500,
				},
			})
		}, "topic_failing", []string{"SNS has failed for ", " (InternalError: try later), "}},
		"one alert": {func(fake *fakeaws.AWS) func() {
			return fake.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
				if strings.Contains(e.Body, "181") {
					return &fakeaws.EntryFailure{Code: "InternalError", Message: "not this one"}
				}
				return nil
			})
		}, "topic_failing", []string{"one alert for ", " while it accepts others (InternalError: not this one), "}},
		"never": {func(fake *fakeaws.AWS) func() {
			return fake.SNS.FailEntries(func(fakeaws.BatchEntry) *fakeaws.EntryFailure {
				return &fakeaws.EntryFailure{
					Code: "InvalidParameter", Message: "Invalid parameter: Subject", SenderFault: true,
				}
			})
		}, "keys_held", []string{
			"2 partition keys are held, because SNS will never accept an alert (InvalidParameter: Invalid " +
				"parameter: Subject): shardId-",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Listener = page })
				time.Sleep(5 * time.Second)
				over := c.fail(fake)
				fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
				fake.Kinesis.Put(testkit.TestStream, "patient-2", []byte(`{"heartRate":181}`))
				time.Sleep(10 * time.Second)
				s := page.Status(t)
				for _, want := range c.want {
					require.Contains(t, coded(s, c.code).Text, want, "%v", s.Problems)
				}
				over()
				if c.code == "keys_held" { // until a restart
					require.ErrorIs(t, d.End(), consumer.ErrNotDrained)
					return
				}
				time.Sleep(time.Minute)
				require.Empty(t, page.Status(t).Problems)
				require.NoError(t, d.End())
			})
		})
	}
}

// A refused reload says where the file is wrong, and one that does not come to an end says that.
func TestStatusOfReloads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		reload, file := make(chan os.Signal), make(chan error)
		d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
			o.Listener, o.Reloads = page, reload
			o.Reload = func(context.Context) (*config.LoadedConfig, error) { return nil, <-file }
		})
		time.Sleep(20 * time.Second)
		reload <- os.Interrupt
		time.Sleep(4 * time.Second)
		require.Empty(t, page.Status(t).Problems)
		time.Sleep(2 * time.Second)
		s := page.Status(t)
		require.Equal(t, "A reload has not finished for 6.0 s, the old configuration stays active.", s.Summary)
		require.Equal(t, status.LevelWarning, s.Level)
		file <- config.FieldErrors{
			{File: "f.yaml", Line: 12, Column: 3, Field: "rules[0].when", Value: "SECRET", Rule: "is wrong"},
		}
		time.Sleep(time.Second)
		s = page.Status(t)
		require.Equal(t,
			"The last reload was refused 1.0 s ago, the old configuration stays active: line 12: rules[0].when.",
			s.Summary)
		require.NoError(t, d.End())
	})
}

// A fleet that stays 400 s behind has no watchdog's message, however often an interval passes by the records' time.
func TestWatchdogOfADaemonThatIsBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
			c.Watchdog = alert.WatchdogConfig{Interval: 30 * time.Second, Topics: []string{"oncall"}}
		})
		spoken := func(d time.Duration) int {
			before := len(testkit.Messages(fake))
			time.Sleep(d)
			return len(testkit.Messages(fake)) - before
		}
		time.Sleep(time.Minute)
		require.Equal(t, 4, spoken(2*time.Minute))
		over := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.Changed,
			Rewrite: func(a *fakeaws.Answer) {
				a.Body = regexp.MustCompile(`"MillisBehindLatest":\d+`).ReplaceAll(a.Body,
					[]byte(`"MillisBehindLatest":400000`))
			},
		})
		time.Sleep(time.Minute)
		require.Zero(t, spoken(15*time.Minute)) // more than 400 s: the records' time passes ends that were not said yet
		over()
		time.Sleep(time.Minute)
		require.Equal(t, 4, spoken(2*time.Minute))
		require.NoError(t, d.End())
	})
}
