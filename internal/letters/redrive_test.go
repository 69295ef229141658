package letters

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

const (
	streamARN = "arn:aws:kinesis:us-east-1:000000000000:stream/readings"
	queueURL  = "https://sqs.us-east-1.amazonaws.com/000000000000/letters"
	fifo      = "arn:aws:sns:us-east-1:000000000000:oncall.fifo"
	standard  = "arn:aws:sns:us-east-1:000000000000:oncall"
	shard     = "shardId-000000000000"
)

// world has letters, and a topic to publish them to. It lives in a bubble.
type world struct {
	*fakeaws.AWS

	t     *testing.T
	arn   string
	sns   *awssns.Client
	sqs   *sqs.Client
	s3    *s3.Client
	file  string
	rules []alert.RuleConfig
	rate  float64
}

func newWorld(t *testing.T, arn string) *world {
	t.Helper()
	fake := fakeaws.New(fakeaws.Options{})
	cfg := testkit.Emulated(fake)
	cfg.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	cfg.APIOptions = append(cfg.APIOptions, answer.New(nil, nil).Install)
	w := &world{
		AWS: fake, t: t, arn: arn, sns: awssns.NewFromConfig(cfg), sqs: sqs.NewFromConfig(cfg), s3: s3.NewFromConfig(
			cfg, func(o *s3.Options) { o.UsePathStyle = true },
		),
		file: filepath.Join(t.TempDir(), "letters.json"),
		rules: []alert.RuleConfig{
			{Name: "hot", When: "value > 90", Topics: []string{"oncall"}},
			{Name: "often", When: "value > 90", Dedup: time.Hour, Topics: []string{"oncall"}},
		},
	}
	in := &awssns.CreateTopicInput{Name: new(arn[strings.LastIndexByte(arn, ':')+1:])}
	if arn == fifo {
		in.Attributes = map[string]string{"FifoTopic": "true"}
	}
	_, err := w.sns.CreateTopic(t.Context(), in)
	require.NoError(t, err)
	_, err = w.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: new("letters")})
	require.NoError(t, err)
	_, err = w.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: new("letters")})
	require.NoError(t, err)
	return w
}

// alertLetter is the letter of an alert.
func alertLetter(i int) *alert.Letter {
	return &alert.Letter{
		Record: alert.Record{
			Shard: shard, PartitionKey: fmt.Sprint("key-", i%50), SequenceNumber: fmt.Sprint(1_000_000 + i),
			Arrival: time.Now(), Data: []byte(`{"value":99}`),
		},
		Condition: alert.ConditionAge, Reason: "max_record_age", AlertID: fmt.Sprintf("%064d", i), Rule: "hot",
		Topic: "oncall", Kind: alert.KindFiring, Severity: "critical",
		Message: &alert.Message{
			Subject: "hot", Body: fmt.Sprint("alert ", i),
			Attributes: []alert.Attribute{{Name: "alert_id", Type: "String", Value: fmt.Sprintf("%064d", i)}},
		},
	}
}

// send sends letters as the daemon does.
func (w *world) send(cfg deadletter.Config, all ...*alert.Letter) {
	w.t.Helper()
	sender, err := deadletter.New(cfg, deadletter.Deps{
		Stream: streamARN, Application: "app", SQS: w.sqs, SNS: w.sns, S3: w.s3,
	})
	require.NoError(w.t, err)
	for _, l := range all {
		require.NoError(w.t, sender.Send(w.t.Context(), l))
	}
}

// source opens a kind of source anew, as another process does.
func (w *world) source(kind string) Source {
	w.t.Helper()
	var s Source
	var err error
	switch kind {
	case "queue":
		s = NewQueue(w.sqs, queueURL)
	case "bucket":
		s, err = NewBucket(w.s3, "s3://letters/mine")
	case "file":
		var text []byte
		text, err = os.ReadFile(w.file)
		require.NoError(w.t, err)
		s, err = NewFile(w.file, text)
	}
	require.NoError(w.t, err)
	return s
}

// left is how many letters lie in a source.
func (w *world) left(kind string) (n int) {
	w.t.Helper()
	switch kind {
	case "queue":
		return w.SQS.Len(queueURL)
	case "bucket":
		return len(w.S3.Keys("letters"))
	}
	f := w.source(kind).(*File) //nolint:forcetypeassert // of a file
	return len(f.letters)
}

func (w *world) config() alert.Config {
	return alert.Config{
		Rules: w.rules, Topics: map[string]alert.TopicConfig{"oncall": {ARN: w.arn}},
	}.WithDefaults()
}

// run redrives.
func (w *world) run(ctx context.Context, source Source, o Options) (results []Result, err error) {
	w.t.Helper()
	service, err := sns.New(w.sns, nil)
	require.NoError(w.t, err)
	publisher, err := dispatch.New(dispatch.Config{Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: w.arn}}},
		dispatch.Deps{Service: service})
	require.NoError(w.t, err)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- publisher.Run(work) }()
	defer func() {
		stop()
		require.NoError(w.t, <-ended)
	}()
	o.Publish, o.Rates = publisher, map[string]float64{"oncall": w.rate}
	o.Each = func(r Result) { results = append(results, r) }
	err = Run(ctx, source, NewJudge(w.config(), "readings"), o)
	return results, err
}

// killed is a source of a process that dies: nothing is given back.
type killed struct{ Source }

func (killed) Close(context.Context) error { return nil }

// Letters that are redriven, while the process dies again and again, reach the topic, each once where it is a FIFO
// topic; then nothing is left. Where the topic is not FIFO only what was in hand may come twice.
func TestSimRedriveIsKilledAndRepeated(t *testing.T) {
	for _, kind := range []string{"queue", "bucket", "file"} {
		for _, arn := range []string{fifo, standard} {
			t.Run(kind+" "+arn[strings.LastIndexByte(arn, ':')+1:], func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					// fewer are over before the last kill
					redriveKilled(t, kind, arn, max(800, testkit.Runs(10_000, 800)))
				})
			})
		}
	}
}

func redriveKilled(t *testing.T, kind, arn string, total int) {
	t.Helper()
	const kills = 5
	w := newWorld(t, arn)
	all := make([]*alert.Letter, total)
	for i := range all {
		all[i] = alertLetter(i)
	}
	switch kind {
	case "queue":
		w.send(deadletter.Config{SQS: queueURL}, all...)
	case "bucket":
		w.send(deadletter.Config{S3: "s3://letters/mine"}, all...)
	case "file":
		w.send(deadletter.Config{SQS: queueURL}, all...)
		require.NoError(t, os.WriteFile(w.file, []byte(strings.Join(w.SQS.Bodies(queueURL), "\n")), 0o600))
	}
	var accepted, killAt atomic.Int64
	kill := make(chan struct{}, 1)
	w.SNS.OnPublish(func(fakeaws.Published) {
		if accepted.Add(1) == killAt.Load() {
			kill <- struct{}{}
		}
	})
	for i := range kills {
		killAt.Store(accepted.Load() + int64(total/(2*kills)+7*i))
		ctx, die := context.WithCancel(t.Context())
		go func() {
			select {
			case <-kill:
			case <-t.Context().Done():
			}
			die()
		}()
		_, err := w.run(ctx, killed{w.source(kind)}, Options{})
		require.ErrorIs(t, err, context.Canceled)
		require.NotZero(t, w.left(kind), "the letters of what was not accepted are there")
	}
	killAt.Store(0)
	_, err := w.run(t.Context(), w.source(kind), Options{})
	require.NoError(t, err)
	require.Zero(t, w.left(kind))

	seen := map[string]int{}
	for _, m := range w.SNS.Messages(arn) {
		seen[m.Attributes["alert_id"].StringValue]++
		require.True(t, strings.HasPrefix(m.Body, "alert "), "published as it is: %s", m.Body)
	}
	require.Len(t, seen, total, "0 lost")
	repeats := len(w.SNS.Messages(arn)) - total
	if arn == fifo {
		require.Zero(t, repeats)
	}
	require.LessOrEqual(t, repeats, kills*inHand)
	t.Logf("%d letters, %d kills: 0 lost, %d repeats", total, kills, repeats)
}

// A letter whose alert is refused stays, and so does one whose topic is gone; the others go.
func TestOnlyWhatWasAcceptedIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		refused, elsewhere := alertLetter(2), alertLetter(3)
		refused.Message.Body = ""
		elsewhere.Topic = "gone"
		w.send(deadletter.Config{SQS: queueURL}, alertLetter(1), refused, elsewhere)
		got, err := w.run(t.Context(), w.source("queue"), Options{})
		require.NoError(t, err)
		require.Len(t, got, 3)
		require.Equal(t, 2, w.SQS.Len(queueURL))
		require.Len(t, w.SNS.Messages(standard), 1)
		kept := map[string]string{}
		for _, r := range got {
			kept[r.Saved.Letter.AlertID] = r.Kept
		}
		require.Empty(t, kept[alertLetter(1).AlertID])
		require.Contains(t, kept[refused.AlertID], "body")
		require.Contains(t, kept[elsewhere.AlertID], "no topic gone")
	})
}

// A letter with a record alone is judged by the rules that remember nothing, and the others are named. One that makes
// no alert stays.
func TestRecordsAreJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		record := func(n int, data string) *alert.Letter {
			return &alert.Letter{
				Record: alert.Record{
					Shard: shard, PartitionKey: "k", SequenceNumber: fmt.Sprint(n), Data: []byte(data),
					Arrival: time.Now(),
				},
				Condition: alert.ConditionRetries, Reason: alert.ReasonOverBudget,
			}
		}
		w.send(deadletter.Config{SQS: queueURL}, record(1, `{"value":99}`), record(2, `{"value":1}`), record(3, `{`))
		got, err := w.run(t.Context(), w.source("queue"), Options{Reason: alert.ReasonOverBudget})
		require.NoError(t, err)
		require.Len(t, got, 3)
		published := w.SNS.Messages(standard)
		require.Len(t, published, 1)
		require.Equal(t, "hot", published[0].Attributes["rule"].StringValue)
		require.Equal(t, 2, w.SQS.Len(queueURL))
		for _, r := range got {
			if r.Saved.Letter.Record.SequenceNumber == "3" {
				require.Empty(t, r.Undecided, "no rule can judge what is no JSON")
			} else {
				require.Equal(t, []string{"often"}, r.Undecided)
			}
			require.Equal(t, r.Saved.Letter.Record.SequenceNumber == "1", r.Published, r.Kept)
		}
		// Its id is the one that the daemon gives the same alert, so a repeat can be known.
		w.send(deadletter.Config{SQS: queueURL}, record(1, `{"value":99}`))
		_, err = w.run(t.Context(), w.source("queue"), Options{})
		require.NoError(t, err)
		published = w.SNS.Messages(standard)
		require.Len(t, published, 2)
		require.Equal(
			t, published[0].Attributes["alert_id"].StringValue, published[1].Attributes["alert_id"].StringValue,
		)
	})
}

// Letters of versions that wrote no message are made again by their rule, with their id, or stay where it remembers.
func TestLettersWithoutMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		old, remembers := alertLetter(1), alertLetter(2)
		old.Message, remembers.Message, remembers.Rule = nil, nil, "often"
		w.send(deadletter.Config{SQS: queueURL}, old, remembers)
		got, err := w.run(t.Context(), w.source("queue"), Options{})
		require.NoError(t, err)
		require.Len(t, got, 2)
		published := w.SNS.Messages(standard)
		require.Len(t, published, 1)
		require.Equal(t, old.AlertID, published[0].Attributes["alert_id"].StringValue)
		require.Equal(t, 1, w.SQS.Len(queueURL))
	})
}

// A redrive says what it would do and changes nothing, and the letters are there at once.
func TestDryRunChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		w.send(deadletter.Config{SQS: queueURL}, alertLetter(1), alertLetter(2))
		for range 2 {
			n, began := 0, time.Now()
			err := Run(t.Context(), w.source("queue"), NewJudge(w.config(), "readings"), Options{
				Rates: map[string]float64{"oncall": 0}, Each: func(r Result) {
					n++
					require.Empty(t, r.Kept)
					require.False(t, r.Published)
				},
			})
			require.NoError(t, err)
			require.Equal(t, 2, n)
			require.Less(t, time.Since(began), invisible, "the letters were given back")
		}
		require.Empty(t, w.SNS.Messages(standard))
		require.Equal(t, 2, w.SQS.Len(queueURL))
	})
}

// A topic gets no more than its rate in any second, and every letter alone.
func TestRedriveKeepsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		w.rate = 5
		var all []*alert.Letter
		for i := range 40 {
			all = append(all, alertLetter(i))
		}
		w.send(deadletter.Config{S3: "s3://letters/mine"}, all...)
		var at []time.Time
		w.SNS.OnPublish(func(fakeaws.Published) { at = append(at, time.Now()) })
		_, err := w.run(t.Context(), w.source("bucket"), Options{})
		require.NoError(t, err)
		require.Len(t, at, 40)
		for i := range at[5:] {
			require.GreaterOrEqual(t, at[i+5].Sub(at[i]), time.Second)
		}
	})
}

// A topic that is held ends the run within seconds. Its letters stay, and the reason is said.
func TestHeldTopicKeepsItsLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		w.send(deadletter.Config{SQS: queueURL}, alertLetter(1), alertLetter(2))
		_, err := w.sns.DeleteTopic(t.Context(), &awssns.DeleteTopicInput{TopicArn: new(standard)})
		require.NoError(t, err)
		began := time.Now()
		got, err := w.run(t.Context(), w.source("queue"), Options{})
		require.NoError(t, err)
		require.Less(t, time.Since(began), time.Minute)
		require.Len(t, got, 2)
		require.Contains(t, got[0].Kept, "topic oncall accepts nothing")
		require.Equal(t, 2, w.SQS.Len(queueURL))
	})
}

// So does one that fails otherwise for a minute.
func TestFailingTopicKeepsItsLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		w.send(deadletter.Config{SQS: queueURL}, alertLetter(1), alertLetter(2))
		w.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceSNS, Operation: "PublishBatch"})
		began := time.Now()
		got, err := w.run(t.Context(), w.source("queue"), Options{})
		require.NoError(t, err)
		require.Less(t, time.Since(began), 5*time.Minute)
		require.Len(t, got, 2)
		require.Contains(t, got[0].Kept, "topic oncall has")
		require.Contains(t, got[1].Kept, "topic oncall has")
		require.Equal(t, 2, w.SQS.Len(queueURL))
	})
}

// A source that does not answer ends the run with what and where.
func TestMissingSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, standard)
		_, err := w.run(t.Context(), NewQueue(w.sqs, queueURL+"-gone"), Options{})
		require.ErrorContains(t, err, queueURL+"-gone does not exist in this region and account (sqs:ReceiveMessage)")
		bucket, err := NewBucket(w.s3, "s3://gone")
		require.NoError(t, err)
		_, err = w.run(t.Context(), bucket, Options{})
		require.ErrorContains(t, err, "gone does not exist in this region and account (s3:ListBucket)")
	})
}
