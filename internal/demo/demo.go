package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/produce"
	"kinesis-alerter/internal/screen"
)

const (
	region      = "us-east-1"
	streamName  = "ExampleInputStream"
	topicName   = "ExampleTopic"
	reader      = "oncall@example.com"
	application = "heart-rate-alerts"
	// when is the demo's rule: what the forest finds, which does not know of rateType.
	when = "ANOMALY"
	// history is about how many records each shard has before the daemon starts, so that it does not have to learn
	// first: the automatic threshold has no opinion on the first 306.
	history = 500
)

// demo is one run of the demo.
type demo struct {
	options
	screen   *screen.Screen
	emails   int // how many were printed; used by one goroutine only
	log      *logTap
	emulator *fakeaws.AWS
	registry *prometheus.Registry
	put      atomic.Int64
}

func newDemo(o options, stdout, stderr io.Writer) *demo {
	d := &demo{
		options: o, screen: screen.New(stdout, os.LookupEnv),
		emulator: fakeaws.New(fakeaws.Options{Region: region}), registry: prometheus.NewRegistry(),
	}
	d.log = &logTap{warn: d.screen.Print}
	if o.verbose {
		d.log.all = stderr
	}
	d.emulator.History.CountOnly()
	return d
}

// run lives until ctx is done or the limit is reached. It stops in the direction of the data: the producer first, then
// the daemon, then the emulator, so that what was put has its outcome.
func (d *demo) run(ctx context.Context) error {
	began := time.Now()
	config, closeEmulator, err := d.serve(ctx)
	if err != nil {
		return err
	}
	defer closeEmulator()
	topicARN, err := d.provision(ctx, config)
	if err != nil {
		return err
	}
	admin, err := listenAdmin(ctx)
	if err != nil {
		return err
	}
	d.screen.Print(fmt.Sprintf("status     http://%s/", admin.Addr()))
	d.screen.Print(fmt.Sprintf("metrics    http://%s/metrics", admin.Addr()))
	d.screen.Print(fmt.Sprintf("rule       %s, by the score of RANDOM_CUT_FOREST  (one record in a hundred)", when))
	d.screen.Print(fmt.Sprintf("history    %d records first, for the scores to learn from; their alerts are silenced",
		history*d.shards))
	d.screen.Print("")

	if err := d.produce(ctx, config, history*d.shards, 0); err != nil {
		return err
	}
	learned := time.Now()
	running, stopDaemon := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDaemon()
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(running, daemonConfig(topicARN, learned), daemon.Options{
			AWS: config, Output: d.log, Registry: d.registry, Listener: admin, FailFast: true, Host: "demo",
		})
	}()

	producing, stopProducer := context.WithCancel(ctx)
	defer stopProducer()
	if d.limit > 0 {
		producing, stopProducer = context.WithTimeout(ctx, max(0, d.limit-time.Since(began)))
		defer stopProducer()
	}
	produced := make(chan error, 1)
	go func() { produced <- d.produce(producing, config, 0, d.rate) }()

	err = d.watch(topicARN, produced, ended)
	stopDaemon()
	err = errors.Join(err, await(ended))
	d.printEmails(topicARN)
	d.screen.Progress("")
	d.summary(topicARN, time.Since(began))
	return err
}

// await takes the end of the daemon, which the watching may have taken already.
func await(ended chan error) error {
	err := <-ended
	ended <- nil
	return err
}

// serve puts the emulator on a loopback port.
func (d *demo) serve(ctx context.Context) (aws.Config, func(), error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return aws.Config{}, nil, err
	}
	server := &http.Server{Handler: d.emulator, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	d.screen.Print(fmt.Sprintf("emulator   http://%s  (Kinesis, DynamoDB and SNS, in this process)", l.Addr()))
	return aws.Config{
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider("demo", "demo", ""),
		BaseEndpoint: aws.String("http://" + l.Addr().String()),
		HTTPClient:   fakeaws.LoopbackClient(),
	}, func() { _ = server.Close() }, nil
}

// provision makes the stream, and the topic with a person who reads its e-mails.
func (d *demo) provision(ctx context.Context, config aws.Config) (topicARN string, err error) {
	streams, topics := kinesis.NewFromConfig(config), sns.NewFromConfig(config)
	if _, err := streams.CreateStream(ctx, &kinesis.CreateStreamInput{
		StreamName: aws.String(streamName), ShardCount: aws.Int32(int32(d.shards)), //nolint:gosec // at most 100
	}); err != nil {
		return "", fmt.Errorf("create stream: %w", err)
	}
	exists := kinesis.NewStreamExistsWaiter(streams, func(o *kinesis.StreamExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	if err := exists.Wait(ctx, &kinesis.DescribeStreamInput{
		StreamName: aws.String(streamName),
	}, 10*time.Second); err != nil {
		return "", fmt.Errorf("create stream: %w", err)
	}
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(topicName)})
	if err != nil {
		return "", fmt.Errorf("create topic: %w", err)
	}
	arn := aws.ToString(topic.TopicArn)
	if _, err := topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("email"), Endpoint: aws.String(reader),
	}); err != nil {
		return "", fmt.Errorf("subscribe: %w", err)
	}
	if _, err := d.emulator.SNS.Confirm(arn, reader); err != nil {
		return "", fmt.Errorf("confirm the subscription: %w", err)
	}
	d.screen.Print(fmt.Sprintf("stream     %s, %d shards", streamName, d.shards))
	d.screen.Print(fmt.Sprintf("topic      %s, read by %s", arn, reader))
	return arn, nil
}

// listenAdmin opens the daemon's usual port, or any other when that is taken.
func listenAdmin(ctx context.Context) (net.Listener, error) {
	var lc net.ListenConfig
	if l, err := lc.Listen(ctx, "tcp", config.DefaultListen); err == nil {
		return l, nil
	}
	return lc.Listen(ctx, "tcp", "127.0.0.1:0")
}

func daemonConfig(topicARN string, learned time.Time) config.Config {
	return config.Config{
		Stream: config.StreamConfig{
			Name: streamName, Application: application,
			// The stream is as new as the application: no record is older than what should be read.
			Start: checkpoint.Start{Kind: checkpoint.StartTrimHorizon},
		},
		Score: []alert.ScoreConfig{{Fields: []string{"heartRate"}, Threshold: "auto"}},
		Rules: []alert.RuleConfig{{
			Name: "anomaly", When: when, Value: "ANOMALY_SCORE", Severity: "critical", Topics: []string{"oncall"},
			Subject: "Heart rate {{ .Fields.heartRate }}, anomaly score {{ round 1 .Value }}",
		}},
		// The time before is there to learn from, not for e-mails.
		Silences: []alert.SilenceConfig{{Name: "history", Until: learned.Format(time.RFC3339Nano)}},
		Topics:   map[string]alert.TopicConfig{"oncall": {ARN: topicARN}},
	}.WithDefaults()
}

// produce puts so many records, 0 for no end, at a rate, 0 for as fast as the stream takes them. It ends with ctx.
func (d *demo) produce(ctx context.Context, config aws.Config, count int, rate float64) error {
	sample, err := produce.NewSample("heart-rate",
		rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))) //nolint:gosec // sample data, not a secret
	if err != nil {
		return err
	}
	_, err = (&produce.Producer{
		Client: kinesis.NewFromConfig(config), Stream: streamName, Sample: sample, Count: count, Rate: rate,
		// AWS' script has one partition key, which would leave all shards but one idle.
		Keys:  16 * d.shards,
		OnPut: func(n int) { d.put.Add(int64(n)) },
	}).Run(ctx)
	return err
}

// watch shows what happens until the producer has ended and its records have their outcomes, or the daemon has ended.
func (d *demo) watch(topicARN string, produced, daemonEnd chan error) error {
	emails := make(chan struct{}, 1)
	d.emulator.SNS.OnPublish(func(fakeaws.Published) {
		select {
		case emails <- struct{}{}:
		default:
		}
	})
	const look = 50 * time.Millisecond // how often the end is looked for; the progress line comes less often
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	var result error
	drained := time.NewTimer(0)
	<-drained.C
	ended, shown := false, time.Now()
	meter := meter{at: time.Now()}
	for {
		select {
		case <-emails:
			d.printEmails(topicARN)
		case now := <-ticker.C:
			if !ended && now.Sub(shown) < d.screen.Interval() {
				continue
			}
			figures := d.figures()
			if now.Sub(shown) >= d.screen.Interval() {
				shown = now
				d.screen.Progress(meter.line(now, d.put.Load(), figures))
			}
			if ended && figures.resolved() >= d.put.Load() {
				return result
			}
		case result = <-produced:
			ended = true
			drained.Reset(3 * time.Second)
		case <-drained.C:
			return result
		case err := <-daemonEnd:
			daemonEnd <- nil
			return cmp.Or(err, errors.New("the daemon ended by itself"))
		}
	}
}

// printEmails prints the e-mails that came since it was last called.
func (d *demo) printEmails(topicARN string) {
	all := d.emulator.SNS.Emails(topicARN)
	for _, e := range all[d.emails:] {
		d.screen.Email(e)
	}
	d.emails = len(all)
}

func (d *demo) summary(topicARN string, took time.Duration) {
	f := d.figures()
	p50, p99 := d.log.latency(0.50), d.log.latency(0.99)
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteString("Summary\n")
	row("duration", "%s", took.Round(100*time.Millisecond))
	row("records", "%d put, %d with an outcome", d.put.Load(), f.resolved())
	row("outcomes", "%s", f.outcomeList())
	row("alerts", "%d published, %d e-mails", f.alerts, len(d.emulator.SNS.Emails(topicARN)))
	row("latency", "p50 %s, p99 %s, from a record's arrival in the stream to SNS' answer", round(p50), round(p99))
	row("checkpoints", "%d written", f.checkpoints)
	d.screen.Print(strings.TrimSuffix(b.String(), "\n"))
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
