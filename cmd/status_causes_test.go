package cmd

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/consumer"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/fakeaws"
)

// about finds the problem of a subject.
func (s *Status) about(subject string) Problem {
	for _, p := range s.Problems {
		if p.Subject == subject {
			return p
		}
	}
	return Problem{}
}

// When Kinesis denies every call from the start on, the page says so and with which code; it does not say that all is well.
func TestStatusOfReadsThatNeverSucceed(t *testing.T) {
	t.Parallel()
	for _, operation := range []string{"GetShardIterator", "GetRecords"} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
				fake.Kinesis.Create(testStream, 2)
				createTopic(t, fake)
				denied := fake.Faults.Add(fakeaws.Fault{
					Service: fakeaws.ServiceKinesis, Operation: operation, Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
				})
				d := startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener = page })
				time.Sleep(45 * time.Second)
				s := page.status(t)
				require.Regexp(t, `^Kinesis: no success for 4\d s for 2 shards \(AccessDeniedException\): shardId-000000000000, shardId-000000000001\.$`, s.Summary)
				require.Contains(t, s.about("kinesis").Remedy, "kinesis:GetRecords")
				require.Equal(t, LevelWarning, s.Level)
				time.Sleep(4 * time.Minute)
				s = page.status(t)
				require.Equal(t, LevelCritical, s.Level)
				require.Equal(t, "kinesis", s.Problems[0].Subject)
				require.NotContains(t, s.Summary, "more problem", "the lag is what it brings about")
				denied()
				time.Sleep(time.Minute)
				require.Equal(t, LevelOK, page.status(t).Level)
				hang := fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.BlackHole})
				time.Sleep(50 * time.Second)
				require.Regexp(t, `^Kinesis: no success for [45]\d s for 2 shards \(no answer\)`, page.status(t).Summary)
				hang()
				require.NoError(t, d.end())
			})
		})
	}
}

// An outage of SNS fills the memory, so that shards without an alert are not read either. That is no outage of Kinesis.
func TestStatusOfMemoryThatAlertsHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		fake.Kinesis.Create(testStream, 16)
		createTopic(t, fake)
		d := startDaemon(t, fake, func(c *Config, o *Options) {
			o.Listener = page
			c.Processing.Memory = 1 << 20
			c.Processing.StopBudget = 10 * time.Second
		})
		time.Sleep(20 * time.Second)
		fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.BlackHole})
		large := fmt.Sprintf(`{"heartRate":180,"note":%q}`, strings.Repeat("x", 50_000))
		for i := range 200 {
			fake.Kinesis.Put(testStream, fmt.Sprint("patient-", i), []byte(large))
		}
		time.Sleep(2 * time.Minute)
		s := page.status(t)
		require.Regexp(t, `^Topic oncall: SNS has failed for \d.*, \d+ alerts wait\.`, s.Summary)
		require.Empty(t, s.about("kinesis"), "%v", s.Problems)
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
		require.Regexp(t, fmt.Sprintf(`%d shards? waits? for memory, because alerts wait for SNS: shardId-`, memory), texts)
		if own > 0 {
			require.Contains(t, texts, "before reading on, because alerts wait for SNS")
		}
		require.Contains(t, page.get(t, "/", "text/html"), "waits for memory")
		require.ErrorIs(t, d.end(), consumer.ErrNotDrained)
	})
}

// The other worker falls silent, and this one cannot take its shards: nothing is read, and the page does not say that it is.
func TestStatusOfShardsThatNobodyTakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		fake.Kinesis.Create(testStream, 4)
		createTopic(t, fake)
		as := func(name string) aws.Config {
			c := emulated(fake)
			c.Credentials = credentials.NewStaticCredentialsProvider(name, "x", "")
			return c
		}
		fake.Faults.Add(fakeaws.Fault{Client: "a", Operation: "UpdateItem", Match: func(r *fakeaws.Request) bool { // hands nothing over
			return bytes.Contains(r.Body, []byte(`"b/`))
		}})
		first := startDaemon(t, fake, func(_ *Config, o *Options) { o.AWS, o.Host = as("a"), "a" })
		time.Sleep(10 * time.Second)
		onShards := func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`"shardId-`)) }
		refused := fakeaws.Throttle(fakeaws.ServiceDynamoDB, "UpdateItem")
		refused.Client, refused.Match = "b", onShards
		taking := fake.Faults.Add(refused)
		second := startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener, o.AWS, o.Host = page, as("b"), "b" })
		time.Sleep(10 * time.Second)
		s := page.status(t)
		require.Equal(t, 4, s.ShardCounts["foreign"])
		require.Equal(t, "This worker is well: it reads no shard and is ready to take over; the fleet: 2 workers, all 4 shards read.", s.Summary)
		gone := fake.Faults.Add(fakeaws.Fault{Client: "a", Kind: fakeaws.BlackHole})
		time.Sleep(16 * time.Second)
		s = page.status(t)
		require.Regexp(t, `^4 shards wait for an owner; worker a/\w+ has been silent for 1\d s\.$`, s.Summary)
		require.Equal(t, LevelInfo, s.Level)
		time.Sleep(30 * time.Second)
		s = page.status(t)
		require.Equal(t, LevelCritical, s.Level)
		require.Regexp(t, `^4 shards have been read by nobody for 3\d s: shardId-\d+, .*; worker a/\w+ has been silent for 4\d s\.$`, s.Summary)
		// Nor when the table is away altogether: it does not know of anybody then.
		table := fake.Faults.Add(fakeaws.Fault{Client: "b", Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		time.Sleep(40 * time.Second)
		s = page.status(t)
		require.Regexp(t, `^DynamoDB: no success for [34]\d s \(no answer\), trust in the leases has ended: .* And 1 more problem\.$`, s.Summary)
		require.Equal(t, LevelCritical, s.about("owners").Level)
		table()
		taking()
		time.Sleep(time.Minute)
		s = page.status(t)
		require.Equal(t, "All is well: 4 shards are read here, lag 0 s.", s.Summary)
		gone()
		require.NoError(t, first.end())
		require.NoError(t, second.end())
	})
}

// Progress that is not stored, and state that is not saved, while everything else works.
func TestStatusOfProgressThatIsNotStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		fake.Kinesis.Create(testStream, 1)
		createTopic(t, fake)
		d := startDaemon(t, fake, func(c *Config, o *Options) {
			o.Listener = page
			c.Rules[0].Dedup = time.Minute
		})
		time.Sleep(10 * time.Second)
		stored := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "UpdateItem", Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
			Match: func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`"shardId-`)) },
		})
		saved := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "PutItem", Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
			Match: func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`-state"`)) },
		})
		for range 80 {
			fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":180}`))
			time.Sleep(5 * time.Second)
		}
		s := page.status(t)
		require.Regexp(t, `^The checkpoint of 1 shard has not been stored for [67] m.*: shardId-000000000000\. And 1 more problem\.$`, s.Summary)
		require.Equal(t, LevelCritical, s.Level)
		require.Regexp(t, `^the state of 1 shard has not been saved for [4567] m.*: shardId-000000000000$`, s.Problems[1].Text)
		require.Equal(t, LevelWarning, s.Problems[1].Level)
		stored()
		saved()
		fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(2 * time.Minute)
		require.Equal(t, LevelOK, page.status(t).Level)
		require.NoError(t, d.end())
	})
}

// What befell the process is told for 15 minutes: alerts that were dropped, dead letters, records that were missed.
func TestStatusOfWhatBefellTheProcess(t *testing.T) {
	t.Parallel()
	run := func(name string, change func(*testing.T, *fakeaws.AWS, *Config), befall func(*fakeaws.AWS), check func(*testing.T, *Status)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
				fake.Kinesis.Create(testStream, 1)
				createTopic(t, fake)
				d := startDaemon(t, fake, func(c *Config, o *Options) {
					o.Listener = page
					change(t, fake, c)
				})
				time.Sleep(10 * time.Second)
				befall(fake)
				check(t, page.status(t))
				time.Sleep(16 * time.Minute)
				require.Equal(t, LevelOK, page.status(t).Level)
				require.NoError(t, d.end())
			})
		})
	}
	rejects := func(fake *fakeaws.AWS) {
		remove := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Err: &fakeaws.Error{Code: "InvalidParameter", Message: "Invalid parameter: MessageBody", Status: 400},
		})
		fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(10 * time.Second)
		remove()
		time.Sleep(30 * time.Second)
	}
	letters := func(t *testing.T, fake *fakeaws.AWS, c *Config) {
		t.Helper()
		queue, err := sqs.NewFromConfig(emulated(fake)).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("dlq")})
		require.NoError(t, err)
		c.DeadLetter = DeadLetterConfig{SQS: aws.ToString(queue.QueueUrl), Invalid: true}
	}
	run("skipped", func(_ *testing.T, _ *fakeaws.AWS, c *Config) { c.Processing.OnRejected = consumer.OnRejectedSkip }, rejects, func(t *testing.T, s *Status) {
		t.Helper()
		require.Equal(t, "Alerts dropped in the last 15 m: 1 alert rejected by SNS and skipped as configured.", s.Summary)
		require.Equal(t, LevelWarning, s.Level)
	})
	run("lettered", letters, rejects, func(t *testing.T, s *Status) {
		t.Helper()
		require.Equal(t, "Alerts became dead letters in the last 15 m: 1 letter.", s.Summary)
		require.Equal(t, LevelWarning, s.Level)
	})
	run("invalid", letters, func(fake *fakeaws.AWS) {
		fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":`))
		time.Sleep(5 * time.Second)
	}, func(t *testing.T, s *Status) {
		t.Helper()
		require.Equal(t, "All is well; records that cannot be read became dead letters in the last 15 m: 1 letter.", s.Summary)
	})
	run("given up", func(_ *testing.T, _ *fakeaws.AWS, c *Config) { c.Processing.MaxRecordAge = 5 * time.Second }, func(fake *fakeaws.AWS) {
		remove := fake.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "PublishBatch"})
		fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(20 * time.Second)
		remove()
		time.Sleep(30 * time.Second)
	}, func(t *testing.T, s *Status) {
		t.Helper()
		require.Equal(t, "Alerts dropped in the last 15 m: 1 alert given up at the limits of attempts or age.", s.Summary)
		require.Equal(t, LevelCritical, s.Level)
	})
}

// A daemon that was away for longer than the stream keeps its records says that it missed some.
func TestStatusOfMissedRecords(t *testing.T) {
	t.Parallel()
	for _, how := range fakeaws.TrimmedAnswers() {
		t.Run(how.String(), func(t *testing.T) {
			t.Parallel()
			statusOfMissedRecords(t, how)
		})
	}
}

func statusOfMissedRecords(t *testing.T, how fakeaws.Trimmed) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		fake.Kinesis.Create(testStream, 1)
		createTopic(t, fake)
		d := startDaemon(t, fake, nil)
		fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":60}`))
		time.Sleep(5 * time.Second)
		require.NoError(t, d.end())
		fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":60}`))
		time.Sleep(25 * time.Hour)
		fake.Kinesis.AnswerTrimmed(how)
		fake.Kinesis.Trim(testStream, time.Now())
		d = startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener = page })
		time.Sleep(time.Minute)
		s := page.status(t)
		require.Equal(t, "Records may have been missed in the last 15 m: 1 checkpoint had left the stream.", s.Summary)
		require.Equal(t, LevelCritical, s.Level)
		time.Sleep(16 * time.Minute)
		require.Equal(t, LevelOK, page.status(t).Level)
		require.NoError(t, d.end())
	})
}

// A start says what it waits for and since when, also when the stream is named by ARN and the lease table finds it missing.
func TestStatusOfAStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		createTopic(t, fake)
		denied := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "DescribeTable", Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
		})
		const arn = "arn:aws:kinesis:us-east-1:000000000000:stream/" + testStream
		d := startDaemon(t, fake, func(c *Config, o *Options) {
			o.Listener = page
			c.Stream.Name, c.Stream.ARN = "", arn
		})
		time.Sleep(30 * time.Second)
		require.Equal(t, "Starting; waits for the lease table heart-rate-alerts in DynamoDB (AccessDeniedException), for 30 s so far.", page.status(t).Summary)
		denied()
		time.Sleep(25 * time.Second)
		require.Regexp(t, `^Starting; waits for the stream `+arn+` in Kinesis \(ResourceNotFoundException\), for 2\d s so far\.$`, page.status(t).Summary)
		time.Sleep(5 * time.Minute)
		require.Equal(t, LevelCritical, page.status(t).Level)
		joining := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "PutItem", Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
			Match: func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`"#worker`)) },
		})
		fake.Kinesis.Create(testStream, 1)
		time.Sleep(40 * time.Second)
		require.Regexp(t, `^Starting; waits for the lease table heart-rate-alerts in DynamoDB \(AccessDeniedException\), for \d\d s so far\. And 1 more problem\.$`, page.status(t).Summary)
		joining()
		time.Sleep(30 * time.Second)
		require.Equal(t, "All is well: 1 shard is read here, lag 0 s.", page.status(t).Summary)
		require.NoError(t, d.end())
	})
}

// A worker that cannot list the stream reads nothing, and does not say that all is well.
func TestStatusWithoutAListOfTheShards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		fake.Kinesis.Create(testStream, 2)
		createTopic(t, fake)
		rows := fake.Faults.Add(fakeaws.Fault{ // a worker that came no further than the row about the application
			Service: fakeaws.ServiceDynamoDB, Match: func(r *fakeaws.Request) bool { return bytes.Contains(r.Body, []byte(`"leaseKey":{"S":"shardId-`)) },
		})
		first := startDaemon(t, fake, nil)
		time.Sleep(10 * time.Second)
		require.NoError(t, first.end())
		rows()
		listing := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "ListShards", Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
		})
		d := startDaemon(t, fake, func(_ *Config, o *Options) { o.Listener = page })
		time.Sleep(20 * time.Second)
		s := page.status(t)
		require.Regexp(t, `^Starting; waits for the list of the shards of the stream ExampleOutputStream in Kinesis, for \d\d s so far\.$`, s.Summary)
		require.Equal(t, LevelWarning, s.Level)
		listing()
		time.Sleep(30 * time.Second)
		require.Equal(t, LevelOK, page.status(t).Level)
		require.NoError(t, d.end())
	})
}

// Whoever is paged about one process and looks at its page finds the reason there.
func TestEveryPageHasAProblem(t *testing.T) {
	t.Parallel()
	const fleet = "it is about the fleet: a process that is not there shows nothing"
	const slow = "it looks back over hours at alerts that went out in the end; the page shows what makes them late now, as topic, lag or digests"
	reading := func(change func(*StatusReading)) func(*Status) {
		return func(s *Status) { change(s.Shards[0].Reading) }
	}
	pages := map[string]struct {
		change func(*Status)
		want   string
		none   string // why there is no problem to find
	}{
		"KinesisAlerterDown":            {none: fleet},
		"KinesisAlerterProblemCritical": {none: "it is made of the problems"},
		"KinesisAlerterCrashLooping":    {none: fleet},
		"KinesisAlerterSLOBurnFast":     {none: slow}, "KinesisAlerterSLOBurnMedium": {none: slow},
		"KinesisAlerterNothingRead": {change: func(s *Status) {
			s.State, s.WaitingFor, s.WaitingSince = "starting", "the stream x in Kinesis", moment(s.At.Add(-5*time.Minute))
		}, want: "waits for the stream x in Kinesis"},
		"KinesisAlerterShardUnread": {change: func(s *Status) {
			s.Shards[0] = StatusShard{ID: "a", State: "unread", UnreadSince: moment(s.At.Add(-3 * time.Minute))}
		}, want: "read by nobody for 3 m"},
		"KinesisAlerterShardLagHigh":     {change: reading(func(r *StatusReading) { r.Lag = 301 }), want: "lag 5 m 1 s"},
		"KinesisAlerterDataLossImminent": {change: reading(func(r *StatusReading) { r.Lag = 13 * 3600 }), want: "more than half of the stream's retention"},
		"KinesisAlerterRecordsMissed":    {change: func(s *Status) { s.Recent.Missed = 1 }, want: "records may have been missed"},
		"KinesisAlerterCheckpointStuck": {change: func(s *Status) {
			s.Shards[0].Reading.Checkpoint = moment(s.At.Add(-301 * time.Second))
		}, want: "the checkpoint of 1 shard has not been stored"},
		"KinesisAlerterTopicFault": {change: func(s *Status) { s.Topics = []StatusTopic{{Name: "oncall", Fault: "not_authorized"}} }, want: "access denied"},
		"KinesisAlerterPublishFailing": {change: func(s *Status) {
			s.Topics = []StatusTopic{{Name: "oncall", Waiting: 1, Failures: 9, FailingSince: moment(s.At.Add(-3 * time.Minute))}}
		}, want: "SNS has failed for 3 m"},
		"KinesisAlerterDeadLetterFault": {change: func(s *Status) { s.DeadLetters = &StatusDeadLetters{Kind: "sqs", Fault: "not_authorized"} }, want: "dead letters: access denied"},
		"KinesisAlerterKeysHeld":        {change: reading(func(r *StatusReading) { r.HeldKeys = 1 }), want: "1 partition key is held"},
	}
	text, err := os.ReadFile("../deploy/prometheus/rules.yaml")
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert  string            `yaml:"alert"`
				Labels map[string]string `yaml:"labels"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	require.NoError(t, yaml.Unmarshal(text, &rules))
	seen := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Labels["severity"] != "page" {
				continue
			}
			seen++
			page, known := pages[r.Alert]
			require.True(t, known, "%s pages somebody: say here with which problem the status page explains it, or why it does not", r.Alert)
			if page.none != "" {
				continue
			}
			at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
			s := Status{
				At: at, State: "running", Worker: StatusWorker{LeaseSeconds: 10, Heartbeat: &at, TrustedUntil: moment(at.Add(9 * time.Second))},
				Stream: StatusStream{Retention: 86400}, ShardCounts: map[string]int{}, Recent: StatusRecent{Window: 900},
				Shards: []StatusShard{{ID: "a", State: "held", Reading: &StatusReading{Phase: "reading", LastFetch: &at, Checkpoint: &at}}},
			}
			require.Empty(t, problems(&s, false))
			page.change(&s)
			found := problems(&s, false)
			require.NotEmpty(t, found, r.Alert)
			require.Equal(t, LevelCritical, found[0].Level, r.Alert)
			require.Contains(t, found[0].Text, page.want, r.Alert)
		}
	}
	require.Equal(t, len(pages), seen, "an alert of this table is no longer there, or does not page")
}
