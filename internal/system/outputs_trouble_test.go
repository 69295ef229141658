package system

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// outputWorld is a stream, a topic, an output stream of two shards, and a daemon that alerts for each record and writes
// it.
type outputWorld struct {
	*outputLedger
	*testdaemon.TestDaemon

	t    *testing.T
	page *testdaemon.Page
}

func high(int) int { return 180 }

func newOutputWorld(t *testing.T, shards int) *outputWorld {
	t.Helper()
	fake := fakeaws.New(fakeaws.Options{})
	fake.Kinesis.Create(testkit.TestStream, shards)
	testkit.CreateTopic(t, fake)
	return &outputWorld{t: t, outputLedger: &outputLedger{fake: fake}}
}

// Start starts a daemon with one output of every record.
func (w *outputWorld) Start(change func(*config.Config, *daemon.Options)) {
	w.t.Helper()
	w.page = testdaemon.NewPage()
	w.TestDaemon = testdaemon.StartDaemon(w.t, w.fake, func(c *config.Config, o *daemon.Options) {
		c.Outputs = map[string]alert.OutputConfig{"scored": {Stream: outputStream}}
		o.Listener = w.page
		if change != nil {
			change(c, o)
		}
	})
}

// refuse has PutRecords fail until the returned function is called.
func (w *outputWorld) refuse(code string) func() {
	return w.fake.Faults.Add(fakeaws.Fault{
		Service: fakeaws.ServiceKinesis, Operation: "PutRecords", Err: &fakeaws.Error{
			Code: code, Message: "refused by the test",
		},
	})
}

// alerted wants an alert for each record that was put, once.
func (w *outputWorld) alerted() {
	w.t.Helper()
	require.Len(w.t, testkit.Messages(w.fake), len(w.put))
}

// problem wants a problem on the page.
func (w *outputWorld) problem(code string, level status.Level) {
	w.t.Helper()
	s := w.page.Status(w.t)
	for _, p := range s.Problems {
		if p.Code == code {
			require.Equal(w.t, level, p.Level, p.Text)
			require.Contains(w.t, p.Text, "scored")
			return
		}
	}
	require.Fail(w.t, "not on the page", "%s in %v", code, s.Problems)
}

// A stream that is missing, denied or throttled holds what is for it and no alert; the page says so, and when the fault
// has ended everything is written once, in order.
func TestOutputsThatAreRefusedDelayNoAlert(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		code, problem string
		level         status.Level
	}{
		"missing": {problem: "output_held", level: status.LevelCritical},
		"denied":  {code: "AccessDeniedException", problem: "output_held", level: status.LevelCritical},
		"key":     {code: "KMSDisabledException", problem: "output_held", level: status.LevelCritical},
		"throttled": {
			code: "ProvisionedThroughputExceededException", problem: "output_failing", level: status.LevelWarning,
		},
		"broken": {code: "InternalFailure", problem: "output_failing", level: status.LevelWarning},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newOutputWorld(t, 2)
				end := func() { w.fake.Kinesis.Create(outputStream, 2) }
				if test.code != "" {
					end()
					end = w.refuse(test.code)
				}
				w.Start(nil)
				time.Sleep(2 * time.Second)
				for range 30 {
					w.Put(10, 7, high)
					time.Sleep(2 * time.Second)
					w.alerted()
				}
				w.problem(test.problem, test.level)
				require.Empty(t, w.fake.Kinesis.Records(outputStream))
				end()
				time.Sleep(time.Minute)
				w.Check(t, outputStream, 1, every)
				require.Equal(t, status.LevelOK, w.page.Status(t).Level)
				require.NoError(t, w.End())
				w.alerted()
			})
		})
	}
}

// One shard of the output stream that gets more than it takes holds its keys, and no other ones.
func TestASlowOutputShardHoldsItsKeysOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newOutputWorld(t, 2)
		w.fake.Kinesis.Create(outputStream, 2)
		slow := w.fake.Kinesis.OpenShards(outputStream)[0]
		w.fake.Kinesis.RefuseEntries(func(shard, _ string) *fakeaws.Error {
			if shard != slow {
				return nil
			}
			return &fakeaws.Error{Code: "ProvisionedThroughputExceededException", Message: "Rate exceeded"}
		})
		w.Start(nil)
		time.Sleep(2 * time.Second)
		for range 20 {
			w.Put(20, 20, high)
			time.Sleep(2 * time.Second)
			w.alerted()
		}
		seen := outputRecords(t, w.fake, outputStream)
		keys := map[string]int{}
		for _, r := range seen {
			require.NotEqual(t, slow, r.Record.ShardID)
			keys[r.Record.PartitionKey]++
		}
		require.NotEmpty(t, keys)
		for key, n := range keys {
			require.Equal(t, 20, n, "%s: all of its records are written, at once", key)
		}
		require.Less(t, len(keys), 20)
		w.problem("output_keys_failing", status.LevelWarning)
		w.fake.Kinesis.RefuseEntries(nil)
		time.Sleep(30 * time.Second)
		w.Check(t, outputStream, 1, every)
		require.NoError(t, w.End())
	})
}

// Without dead letters a full budget stops the reading. The page says so as critical before it comes to that, and every
// record that was read has its alert.
func TestAFullOutputStopsReadingAndSaysSoBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newOutputWorld(t, 1)
		w.fake.Kinesis.Create(outputStream, 2)
		end := w.refuse("InternalFailure")
		w.Start(func(c *config.Config, _ *daemon.Options) { c.Processing.Memory = 1 << 20 })
		time.Sleep(2 * time.Second)
		warned, full := false, false
		for range 200 {
			w.Put(10, 7, high)
			time.Sleep(2 * time.Second)
			s := w.page.Status(t)
			for _, p := range s.Problems {
				warned = warned || p.Code == "output_filling" && p.Level == status.LevelCritical
				full = full || p.Code == "output_full" && p.Level == status.LevelCritical
			}
			require.True(t, warned || !full, "it says so before")
			if full {
				break
			}
			w.alerted()
		}
		require.True(t, full)
		require.Greater(t, len(testkit.Messages(w.fake)), len(w.put)-20, "what was read has its alert")
		time.Sleep(time.Minute)
		for _, p := range w.page.Status(t).Problems {
			require.NotEqual(t, "evaluation_stuck", p.Code, "no rule is to blame")
		}
		end()
		time.Sleep(time.Minute)
		w.Check(t, outputStream, 1, every)
		w.alerted()
		require.NoError(t, w.End())
	})
}

// With dead letters what has failed longest goes there when the budget is full, and reading continues.
func TestAFullOutputMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newOutputWorld(t, 1)
		w.fake.Kinesis.Create(outputStream, 2)
		queue, err := sqs.NewFromConfig(testkit.Emulated(w.fake)).CreateQueue(t.Context(), &sqs.CreateQueueInput{
			QueueName: aws.String("dead"),
		})
		require.NoError(t, err)
		end := w.refuse("InternalFailure")
		w.Start(func(c *config.Config, _ *daemon.Options) {
			c.Processing.Memory = 1 << 20
			c.DeadLetter = config.DeadLetterConfig{SQS: aws.ToString(queue.QueueUrl)}
		})
		time.Sleep(2 * time.Second)
		for range 150 {
			w.Put(10, 7, high)
			time.Sleep(2 * time.Second)
		}
		time.Sleep(10 * time.Second)
		w.alerted()
		letters := map[int]bool{}
		for _, body := range w.fake.SQS.Bodies("dead") {
			letters[letterNumber(t, body)] = true
		}
		require.NotEmpty(t, letters)
		end()
		time.Sleep(time.Minute)
		w.Check(t, outputStream, 1, func(n int) bool { return !letters[n] })
		require.NoError(t, w.End())
		w.alerted()
	})
}

// letterNumber is the record of a dead letter of the output.
func letterNumber(t *testing.T, body string) int {
	t.Helper()
	var l struct {
		Payload        string
		KinesisAlerter struct{ Output, OutputKey string }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &l), body)
	var e struct {
		Records []struct{ Kinesis struct{ Data []byte } }
	}
	require.NoError(t, json.Unmarshal([]byte(l.Payload), &e), body)
	var seen outputSeen
	require.NoError(t, json.Unmarshal(e.Records[0].Kinesis.Data, &seen), body)
	require.Equal(t, "scored", l.KinesisAlerter.Output, body)
	require.Equal(t, fmt.Sprintf("patient-%d", seen.N%7), l.KinesisAlerter.OutputKey, body)
	return seen.N
}

// A stop while the output is held ends in time and well, as with a held topic. The next daemon writes what was left.
func TestStopWhileAnOutputIsHeld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newOutputWorld(t, 2)
		w.fake.Kinesis.Create(outputStream, 2)
		end := w.refuse("AccessDeniedException")
		w.Start(nil)
		time.Sleep(2 * time.Second)
		w.Put(50, 7, high)
		time.Sleep(20 * time.Second)
		began := time.Now()
		require.NoError(t, w.End())
		require.Less(t, time.Since(began), 5*time.Second)
		left := w.Log.Entries(t, "records are left to the next worker, because their topic or output refuses them")
		require.Empty(t, w.fake.Kinesis.Records(outputStream), "what was dropped is not written")
		end()
		w.Start(nil)
		time.Sleep(20 * time.Second)
		w.Check(t, outputStream, 1, every)
		require.NotEmpty(t, left)
		require.NoError(t, w.End())
	})
}

// A stop while the output stream fails is reported, and nothing of it is lost.
func TestStopWhileAnOutputFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newOutputWorld(t, 2)
		w.fake.Kinesis.Create(outputStream, 2)
		end := w.refuse("InternalFailure")
		w.Start(nil)
		time.Sleep(2 * time.Second)
		w.Put(50, 7, high)
		time.Sleep(20 * time.Second)
		began := time.Now()
		require.ErrorContains(t, w.End(), "stop shards: ")
		require.LessOrEqual(t, time.Since(began), config.DefaultStopBudget)
		end()
		time.Sleep(15 * time.Second)
		w.Start(nil)
		time.Sleep(20 * time.Second)
		w.Check(t, outputStream, 1, every)
		require.NoError(t, w.End())
	})
}

// While an output fails, a shard that is closed does not end and its children are not read; nothing of them is lost or
// out of order when the output takes records again. With dead letters it ends, since these take what fails.
func TestAShardEndsWhileItsOutputFails(t *testing.T) {
	t.Parallel()
	for _, letters := range []bool{false, true} {
		t.Run(fmt.Sprintf("dead letters %t", letters), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newOutputWorld(t, 1)
				w.fake.Kinesis.Create(outputStream, 2)
				end := w.refuse("InternalFailure")
				queue, err := sqs.NewFromConfig(testkit.Emulated(w.fake)).CreateQueue(t.Context(),
					&sqs.CreateQueueInput{QueueName: aws.String("dead")})
				require.NoError(t, err)
				w.Start(func(c *config.Config, _ *daemon.Options) {
					if letters {
						c.DeadLetter.SQS = aws.ToString(queue.QueueUrl)
					}
				})
				time.Sleep(2 * time.Second)
				w.Put(30, 7, high)
				time.Sleep(2 * time.Second)
				w.fake.Kinesis.Split(testkit.TestStream, w.fake.Kinesis.OpenShards(testkit.TestStream)[0])
				w.Put(30, 7, high)
				time.Sleep(2 * time.Minute)
				gone := map[int]bool{}
				for _, body := range w.fake.SQS.Bodies("dead") {
					gone[letterNumber(t, body)] = true
				}
				if letters {
					w.alerted()
				} else {
					require.Len(t, testkit.Messages(w.fake), 30)
					require.NotEqual(t, status.LevelOK, w.page.Status(t).Level)
				}
				end()
				time.Sleep(time.Minute)
				w.alerted()
				w.Check(t, outputStream, 1, func(n int) bool { return !gone[n] })
				require.NoError(t, w.End())
			})
		})
	}
}

// A handoff that is asked for while an output fails is called off, and done when it takes records again; alerts flow
// all the time.
func TestHandoffWhileAnOutputFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newOutputWorld(t, 4)
		w.fake.Kinesis.Create(outputStream, 2)
		end := w.refuse("InternalFailure")
		w.Start(nil)
		time.Sleep(2 * time.Second)
		w.Put(30, 7, high)
		time.Sleep(5 * time.Second)
		first := w.TestDaemon
		w.Start(func(_ *config.Config, o *daemon.Options) { o.Host = "second" })
		for range 30 {
			w.Put(10, 7, high)
			time.Sleep(handoffPause)
			w.alerted()
		}
		end()
		for range 90 {
			w.Put(5, 7, high)
			time.Sleep(time.Second)
		}
		held := func(d *testdaemon.TestDaemon) float64 { return testkit.Gauge(t, d.Reg, "kinesis_alerter_leases_held") }
		require.InDelta(t, 2, held(first), 0)
		require.InDelta(t, 2, held(w.TestDaemon), 0)
		w.Check(t, outputStream, 1, every)
		w.alerted()
		require.NoError(t, first.End())
		require.NoError(t, w.End())
	})
}

// handoffPause is longer than a shard drains for a handoff that is called off.
const handoffPause = 7 * time.Second

// A reload adds an output, moves one to another stream and removes one; what waited for the old stream is still written
// there, and the order of keys holds in each.
func TestReloadOfOutputs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newOutputWorld(t, 2)
		for _, name := range []string{"a", "b", "c"} {
			w.fake.Kinesis.Create(name, 2)
		}
		reloads := make(chan os.Signal)
		var next config.Config
		w.Start(func(c *config.Config, o *daemon.Options) {
			c.Outputs = map[string]alert.OutputConfig{"scored": {Stream: "a"}}
			o.Reloads = reloads
			next = *c
			o.Reload = func(context.Context) (*config.LoadedConfig, error) {
				return &config.LoadedConfig{Config: next.WithDefaults(), Doc: &config.Document{}}, nil
			}
		})
		time.Sleep(2 * time.Second)
		reload := func(outputs map[string]alert.OutputConfig) {
			next.Outputs = outputs
			reloads <- syscall.SIGHUP
			time.Sleep(2 * time.Second)
		}
		within := func(from, to int) func(int) bool { return func(n int) bool { return from <= n && n < to } }
		w.Put(40, 7, high)
		time.Sleep(2 * time.Second)
		// One is added, while the first fails.
		end := w.fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "PutRecords", Match: func(r *fakeaws.Request) bool {
				return strings.Contains(string(r.Body), `"StreamName":"a"`)
			},
		})
		reload(map[string]alert.OutputConfig{"scored": {Stream: "a"}, "new": {Stream: "c", When: "heartRate > 149"}})
		w.Put(40, 7, high)
		time.Sleep(2 * time.Second)
		w.Check(t, "a", 1, within(0, 40))
		w.Check(t, "c", 1, within(40, 80))
		// The first moves.
		reload(map[string]alert.OutputConfig{"scored": {Stream: "b"}, "new": {Stream: "c"}})
		w.Put(40, 7, high)
		time.Sleep(2 * time.Second)
		w.Check(t, "b", 1, within(80, 120))
		end()
		time.Sleep(20 * time.Second)
		w.Check(t, "a", 1, within(0, 80))
		// All leave.
		reload(nil)
		w.Put(40, 7, high)
		time.Sleep(2 * time.Second)
		w.Check(t, "b", 1, within(80, 120))
		w.Check(t, "c", 1, within(40, 120))
		w.alerted()
		require.NoError(t, w.End())
	})
}

// With format text the line is the member data of what is written.
func TestOutputsOfTexts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newOutputWorld(t, 1)
		w.fake.Kinesis.Create(outputStream, 1)
		w.Start(func(c *config.Config, _ *daemon.Options) {
			c.Format = alert.FormatText
			c.Rules = []alert.RuleConfig{{Name: "errors", When: `data contains "ERROR"`, Topics: []string{"oncall"}}}
		})
		time.Sleep(2 * time.Second)
		shard, sequence := w.fake.Kinesis.Put(testkit.TestStream, "host-1", []byte(`ERROR "disk" full`))
		time.Sleep(2 * time.Second)
		seen := outputRecords(t, w.fake, outputStream)
		require.Len(t, seen, 1)
		require.JSONEq(t, fmt.Sprintf(`{"data":"ERROR \"disk\" full","sourcePosition":{"stream":%q,"shardId":%q,`+
			`"sequenceNumber":%q,"subSequenceNumber":0}}`, seen[0].Position.Stream, shard, sequence),
			string(seen[0].Record.Data))
		require.NoError(t, w.End())
	})
}
