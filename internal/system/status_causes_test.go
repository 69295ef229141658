package system

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/consumer"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// When Kinesis denies every call from the start on, the page says so and with which code; it does not say that all is
// well.
func TestStatusOfReadsThatNeverSucceed(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"GetShardIterator", "GetRecords"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
				fake.Kinesis.Create(testkit.TestStream, 2)
				testkit.CreateTopic(t, fake)
				denied := fake.Faults.Add(fakeaws.Fault{
					Service: fakeaws.ServiceKinesis, Operation: operation, Err: &fakeaws.Error{
						Code: "AccessDeniedException", Status: 400,
					},
				})
				d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Listener = page })
				time.Sleep(45 * time.Second)
				s := page.Status(t)
				require.Regexp(t,
					`^Kinesis: no success for 4\d s for 2 shards \(AccessDeniedException\): shardId-000000000000, shardId-000000000001\.$`, s.Summary)
				require.Contains(t, about(s, "kinesis").Remedy, "kinesis:GetRecords")
				require.Equal(t, status.LevelWarning, s.Level)
				time.Sleep(4 * time.Minute)
				s = page.Status(t)
				require.Equal(t, status.LevelCritical, s.Level)
				require.Equal(t, "kinesis", s.Problems[0].Subject)
				require.NotContains(t, s.Summary, "more problem", "the lag is what it brings about")
				denied()
				time.Sleep(time.Minute)
				require.Equal(t, status.LevelOK, page.Status(t).Level)
				hang := fake.Faults.Add(fakeaws.Fault{
					Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.BlackHole,
				})
				time.Sleep(50 * time.Second)
				require.Regexp(t, `^Kinesis: no success for [45]\d s for 2 shards \(no answer\)`,
					page.Status(t).Summary)
				hang()
				require.NoError(t, d.End())
			})
		})
	}
}

// An outage of SNS fills the memory, so that shards without an alert are not read either. That is no outage of Kinesis.
func TestStatusOfMemoryThatAlertsHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 16)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener = page
			c.Processing.Memory = 1 << 20
			c.Processing.StopBudget = 10 * time.Second
		})
		time.Sleep(20 * time.Second)
		fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.BlackHole})
		large := fmt.Sprintf(`{"heartRate":180,"note":%q}`, strings.Repeat("x", 50_000))
		for i := range 200 {
			fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("patient-", i), []byte(large))
		}
		time.Sleep(2 * time.Minute)
		s := page.Status(t)
		require.Regexp(t, `^Topic oncall: SNS has failed for \d.*, \d+ alerts wait\.`, s.Summary)
		require.Empty(t, about(s, "kinesis"), "%v", s.Problems)
		memory, own := 0, 0
		for i := range s.Shards {
			switch s.Shards[i].Reading.WaitsFor {
			case read.WaitsForMemory:
				memory++
			case read.WaitsForAlerts:
				own++
			}
		}
		require.Positive(t, memory)
		texts := fmt.Sprint(s.Problems)
		require.Regexp(t, fmt.Sprintf(`%d shards? waits? for memory, because alerts wait for SNS: shardId-`, memory),
			texts)
		if own > 0 {
			require.Contains(t, texts, "to read further, because alerts wait for SNS")
		}
		require.Contains(t, page.Get(t, "/", "text/html"), "waits for memory")
		require.ErrorIs(t, d.End(), consumer.ErrNotDrained)
	})
}

// The other worker falls silent, and this one cannot take its shards: nothing is read, and the page does not say that
// it is.
func TestStatusOfShardsThatNobodyTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 4)
		testkit.CreateTopic(t, fake)
		as := func(name string) aws.Config {
			c := testkit.Emulated(fake)
			c.Credentials = credentials.NewStaticCredentialsProvider(name, "x", "")
			return c
		}
		// hands nothing over
		fake.Faults.Add(fakeaws.Fault{Client: "a", Operation: "UpdateItem", Match: func(r *fakeaws.Request) bool {
			return bytes.Contains(r.Body, []byte(`"b/`))
		}})
		first := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
			o.AWS, o.Host = as("a"), "a"
		})
		time.Sleep(10 * time.Second)
		onShards := func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`"shardId-`)) }
		refused := fakeaws.Throttle(fakeaws.ServiceDynamoDB, "UpdateItem")
		refused.Client, refused.Match = "b", onShards
		taking := fake.Faults.Add(refused)
		second := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) {
			o.Listener, o.AWS, o.Host = page, as("b"), "b"
		})
		time.Sleep(10 * time.Second)
		s := page.Status(t)
		require.Equal(t, 4, s.ShardCounts["foreign"])
		require.Equal(t,
			"This worker is well: it reads no shard and is ready to take over; the fleet: 2 workers, all 4 shards read.", s.Summary)
		gone := fake.Faults.Add(fakeaws.Fault{Client: "a", Kind: fakeaws.BlackHole})
		time.Sleep(16 * time.Second)
		s = page.Status(t)
		require.Regexp(t, `^4 shards wait for an owner; worker a/\w+ has been silent for 1\d s\.$`, s.Summary)
		require.Equal(t, status.LevelInfo, s.Level)
		time.Sleep(30 * time.Second)
		s = page.Status(t)
		require.Equal(t, status.LevelCritical, s.Level)
		require.Regexp(t,
			`^4 shards have had no reader for 3\d s: shardId-\d+, .*; worker a/\w+ has been silent for 4\d s\.$`,
			s.Summary)
		// Nor when the table is unavailable: no worker is known then.
		table := fake.Faults.Add(fakeaws.Fault{Client: "b", Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		time.Sleep(40 * time.Second)
		s = page.Status(t)
		require.Regexp(t,
			`^DynamoDB: no success for [34]\d s \(no answer\), trust in the leases has ended: .* And 1 more problem\.$`,
			s.Summary)
		require.Equal(t, status.LevelCritical, about(s, "owners").Level)
		table()
		taking()
		time.Sleep(time.Minute)
		s = page.Status(t)
		require.Equal(t, "All is well: 4 shards are read here, lag 0 s.", s.Summary)
		gone()
		require.NoError(t, first.End())
		require.NoError(t, second.End())
	})
}

// Progress that is not stored, and state that is not saved, while everything else works.
func TestStatusOfProgressThatIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener = page
			c.Rules[0].Dedup = time.Minute
		})
		time.Sleep(10 * time.Second)
		stored := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "UpdateItem", Err: &fakeaws.Error{
				Code: "AccessDeniedException", Status: 400,
			},
			Match: func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`"shardId-`)) },
		})
		saved := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "PutItem", Err: &fakeaws.Error{
				Code: "AccessDeniedException", Status: 400,
			},
			Match: func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`-state"`)) },
		})
		for range 80 {
			fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
			time.Sleep(5 * time.Second)
		}
		s := page.Status(t)
		require.Regexp(t,
			`^The checkpoint of 1 shard has not been stored for [67] m.*: shardId-000000000000\. And 1 more problem\.$`,
			s.Summary)
		require.Equal(t, status.LevelCritical, s.Level)
		require.Regexp(t, `^the state of 1 shard has not been saved for [4567] m.*: shardId-000000000000$`,
			s.Problems[1].Text)
		require.Equal(t, status.LevelWarning, s.Problems[1].Level)
		stored()
		saved()
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(2 * time.Minute)
		require.Equal(t, status.LevelOK, page.Status(t).Level)
		require.NoError(t, d.End())
	})
}

// What happened to the process is shown for 15 minutes: alerts that were dropped, dead letters, records that were
// missed.
func TestStatusOfWhatBefellTheProcess(t *testing.T) {
	t.Parallel()
	run := func(name string, change func(*testing.T, *fakeaws.AWS, *config.Config), befall func(*fakeaws.AWS),
		check func(*testing.T, *status.Status),
	) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
					o.Listener = page
					change(t, fake, c)
				})
				time.Sleep(10 * time.Second)
				befall(fake)
				check(t, page.Status(t))
				time.Sleep(16 * time.Minute)
				require.Equal(t, status.LevelOK, page.Status(t).Level)
				require.NoError(t, d.End())
			})
		})
	}
	rejects := func(fake *fakeaws.AWS) {
		remove := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Err: &fakeaws.Error{
				Code: "InvalidParameter", Message: "Invalid parameter: MessageBody", Status: 400,
			},
		})
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(10 * time.Second)
		remove()
		time.Sleep(30 * time.Second)
	}
	letters := func(t *testing.T, fake *fakeaws.AWS, c *config.Config) {
		t.Helper()
		queue, err := sqs.NewFromConfig(testkit.Emulated(fake)).CreateQueue(t.Context(),
			&sqs.CreateQueueInput{QueueName: aws.String("dlq")})
		require.NoError(t, err)
		c.DeadLetter = config.DeadLetterConfig{SQS: aws.ToString(queue.QueueUrl), Invalid: true}
	}
	run("skipped", func(_ *testing.T, _ *fakeaws.AWS, c *config.Config) {
		c.Processing.OnRejected = consumer.OnRejectedSkip
	}, rejects, func(t *testing.T, s *status.Status) {
		t.Helper()
		require.Equal(t, "Alerts dropped in the last 15 m: 1 alert rejected by SNS and skipped as configured.",
			s.Summary)
		require.Equal(t, status.LevelWarning, s.Level)
	})
	run("lettered", letters, rejects, func(t *testing.T, s *status.Status) {
		t.Helper()
		require.Equal(t, "Alerts became dead letters in the last 15 m: 1 letter.", s.Summary)
		require.Equal(t, status.LevelWarning, s.Level)
	})
	run("invalid", letters, func(fake *fakeaws.AWS) {
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":`))
		time.Sleep(5 * time.Second)
	}, func(t *testing.T, s *status.Status) {
		t.Helper()
		require.Equal(t, "All is well; records that cannot be read became dead letters in the last 15 m: 1 letter.",
			s.Summary)
	})
	run("given up", func(_ *testing.T, _ *fakeaws.AWS, c *config.Config) {
		c.Processing.MaxRecordAge = 5 * time.Second
	}, func(fake *fakeaws.AWS) {
		remove := fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "PublishBatch"})
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(20 * time.Second)
		remove()
		time.Sleep(30 * time.Second)
	}, func(t *testing.T, s *status.Status) {
		t.Helper()
		require.Equal(t, "Alerts dropped in the last 15 m: 1 alert given up at the limits of attempts or age.",
			s.Summary)
		require.Equal(t, status.LevelCritical, s.Level)
	})
}

// A daemon that was away for longer than the stream keeps its records says that it missed some.
func TestStatusOfMissedRecords(t *testing.T) {
	t.Parallel()
	for how := range testkit.Cases(fakeaws.TrimmedAnswers(), 1) {
		t.Run(how.String(), func(t *testing.T) {
			t.Parallel()
			statusOfMissedRecords(t, how)
		})
	}
}

func statusOfMissedRecords(t *testing.T, how fakeaws.Trimmed) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, nil)
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":60}`))
		time.Sleep(5 * time.Second)
		require.NoError(t, d.End())
		fake.Kinesis.Put(testkit.TestStream, "patient-1", []byte(`{"heartRate":60}`))
		time.Sleep(25 * time.Hour)
		fake.Kinesis.AnswerTrimmed(how)
		fake.Kinesis.Trim(testkit.TestStream, time.Now())
		d = testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Listener = page })
		time.Sleep(time.Minute)
		s := page.Status(t)
		require.Equal(t, "Records may have been missed in the last 15 m: 1 checkpoint had left the stream.", s.Summary)
		require.Equal(t, status.LevelCritical, s.Level)
		time.Sleep(16 * time.Minute)
		require.Equal(t, status.LevelOK, page.Status(t).Level)
		require.NoError(t, d.End())
	})
}

// A start says what it waits for and since when, also when the stream is named by ARN and the lease table finds it
// missing.
func TestStatusOfAStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		testkit.CreateTopic(t, fake)
		denied := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "DescribeTable", Err: &fakeaws.Error{
				Code: "AccessDeniedException", Status: 400,
			},
		})
		const arn = "arn:aws:kinesis:us-east-1:000000000000:stream/" + testkit.TestStream
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener = page
			c.Stream.Name, c.Stream.ARN = "", arn
		})
		time.Sleep(30 * time.Second)
		require.Equal(t,
			"Starting; waits for the lease table heart-rate-alerts in DynamoDB (AccessDeniedException), for "+
				"30 s so far.", page.Status(t).Summary)
		denied()
		time.Sleep(25 * time.Second)
		require.Regexp(t, `^Starting; waits for the stream `+arn+
			` in Kinesis \(ResourceNotFoundException\), for 2\d s so far\.$`, page.Status(t).Summary)
		time.Sleep(5 * time.Minute)
		require.Equal(t, status.LevelCritical, page.Status(t).Level)
		joining := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "PutItem", Err: &fakeaws.Error{
				Code: "AccessDeniedException", Status: 400,
			},
			Match: func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`"#worker`)) },
		})
		fake.Kinesis.Create(testkit.TestStream, 1)
		time.Sleep(40 * time.Second)
		require.Regexp(t,
			`^Starting; waits for the lease table heart-rate-alerts in DynamoDB \(AccessDeniedException\), for \d\d s so far\. And 1 more problem\.$`, page.Status(t).Summary)
		joining()
		time.Sleep(30 * time.Second)
		require.Equal(t, "All is well: 1 shard is read here, lag 0 s.", page.Status(t).Summary)
		require.NoError(t, d.End())
	})
}

// A worker that cannot list the stream reads nothing, and does not say that all is well.
func TestStatusWithoutAListOfTheShards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		rows := fake.Faults.Add(fakeaws.Fault{ // a worker that came no further than the row about the application
			Service: fakeaws.ServiceDynamoDB, Match: func(r *fakeaws.Request) bool {
				return bytes.Contains(r.Body, []byte(`"leaseKey":{"S":"shardId-`))
			},
		})
		first := testdaemon.StartDaemon(t, fake, nil)
		time.Sleep(10 * time.Second)
		require.NoError(t, first.End())
		rows()
		listing := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "ListShards", Err: &fakeaws.Error{
				Code: "AccessDeniedException", Status: 400,
			},
		})
		d := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Listener = page })
		time.Sleep(20 * time.Second)
		s := page.Status(t)
		require.Regexp(t,
			`^Starting; waits for the list of the shards of the stream ExampleOutputStream in Kinesis, for \d\d s so far\.$`, s.Summary)
		require.Equal(t, status.LevelWarning, s.Level)
		listing()
		time.Sleep(30 * time.Second)
		require.Equal(t, status.LevelOK, page.Status(t).Level)
		require.NoError(t, d.End())
	})
}
