package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/screen"
	"kinesis-alerter/internal/status"
)

const (
	region     = "us-east-1"
	streamName = "ExampleInputStream"
	topicName  = "ExampleTopic"
	reader     = "oncall@example.com"
	shards     = 4
	// patience is how long something may take that takes seconds.
	patience = 30 * time.Second
	look     = 50 * time.Millisecond
)

// demo is one run of the demo. One goroutine tells the story; the hall reports beside it.
type demo struct {
	options
	screen   *screen.Screen
	emulator *fakeaws.AWS
	ledger   *ledger
	topicARN string
	leases   *admin.Admin
	hall     *hall
	workers  []worker
	killed   worker
	// show shows an e-mail; a chapter says how.
	show func(fakeaws.Email)

	mails, messages int // how many were looked at
	progressed      time.Time
	// began is when the story began, free when its last chapter ended.
	began, free time.Time
}

func newDemo(o options, s *screen.Screen) *demo {
	d := &demo{
		options: o, screen: s, ledger: newLedger(), emulator: fakeaws.New(fakeaws.Options{Region: region}),
	}
	d.emulator.History.CountOnly()
	d.show = func(fakeaws.Email) {}
	return d
}

// report shows that something is wrong.
func (d *demo) report(text string) { d.screen.Print(d.screen.Paint(screen.Red, "error: "+text)) }

// run lives until ctx is done or the limit is reached. It stops in the direction of the data: the hall first, then the
// workers, so that what was put has its outcome.
func (d *demo) run(ctx context.Context, stage stage) (err error) {
	d.screen.Print(d.screen.Paint(screen.Bold, "kinesis-alerter in a minute.") +
		" All of it is on this machine; AWS is emulated.\n")
	if err := d.provision(ctx, stage.aws()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stopWorkers()) }()
	for _, name := range []string{"worker-1", "worker-2"} {
		w, err := stage.start(ctx, name, d.topicARN)
		if err != nil {
			return err
		}
		d.workers = append(d.workers, w)
	}
	d.introduce(stage)

	reporting, stopHall := context.WithCancel(ctx)
	defer stopHall()
	reported := make(chan error, 1)
	go func() { reported <- d.hall.run(reporting) }()

	told, err := d.tell(ctx)
	stopHall()
	err = errors.Join(err, <-reported)
	if err == nil {
		err = d.drain(context.WithoutCancel(ctx))
	}
	d.screen.Progress("")
	d.conclude(told)
	return errors.Join(err, d.ledger.count(time.Time{}).fault())
}

// stopWorkers stops those that are alive, all at once.
func (d *demo) stopWorkers() error {
	ends := make(chan error)
	for _, w := range d.workers {
		go func() {
			if w == d.killed {
				ends <- nil
				return
			}
			ends <- w.stop()
		}()
	}
	var err error
	for range d.workers {
		err = errors.Join(err, <-ends)
	}
	return err
}

// provision makes the stream, the topic with a person who reads its e-mails, and the hall.
func (d *demo) provision(ctx context.Context, config aws.Config) error {
	streams, topics := kinesis.NewFromConfig(config), sns.NewFromConfig(config)
	d.emulator.Kinesis.Create(streamName, shards)
	about, err := streams.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{
		StreamName: aws.String(streamName),
	})
	if err != nil {
		return fmt.Errorf("create stream: %w", err)
	}
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String(topicName)})
	if err != nil {
		return fmt.Errorf("create topic: %w", err)
	}
	d.topicARN = aws.ToString(topic.TopicArn)
	if _, err := topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("email"), Endpoint: aws.String(reader),
	}); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if _, err := d.emulator.SNS.Confirm(d.topicARN, reader); err != nil {
		return fmt.Errorf("confirm the subscription: %w", err)
	}
	loaded, err := loadConfiguration(ctx, d.topicARN)
	if err != nil {
		return err
	}
	oracle, err := loaded.Pipeline(alert.Deps{
		Stream: aws.ToString(about.StreamDescriptionSummary.StreamARN), Log: zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	d.hall = newHall(streams, d.ledger, oracle)
	clients := daemon.NewClients(config, prometheus.NewRegistry(), nil)
	d.leases, err = checkpoint.NewAdmin(ctx, loaded.Parts().Checkpoint, checkpoint.Deps{
		DynamoDB: clients.DynamoDB, Stream: clients.Kinesis, Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
	}, true)
	return err
}

func (d *demo) introduce(stage stage) {
	row := func(name, text string) {
		d.screen.Print("  " + d.screen.Paint(screen.Cyan, fmt.Sprintf("%-9s", name)) + text)
	}
	row("records", fmt.Sprintf("%d servers report their temperature once a second", servers))
	row("rule", "celsius > 85, until 3 readings are not (internal/demo/alerter.yaml)")
	row("workers", fmt.Sprintf("2 processes share the stream's %d shards", shards))
	row("topic", "read by "+reader+"; 4 messages a second, the rest in digests")
	address, why := stage.page()
	row("page", address)
	if why != "" {
		row("", "(not the usual port: "+why+")")
	}
}

// owners are the names of the workers that read shards, with how many.
func (d *demo) owners(ctx context.Context) map[string]int {
	out := map[string]int{}
	table, err := d.leases.Table(ctx)
	if err != nil {
		return out // not made yet; asked again
	}
	for _, row := range table.Shards {
		if name, _, owned := strings.Cut(row.Owner, "/"); owned {
			out[name]++
		}
	}
	return out
}

// until continues the story until something is true. The error is that of ctx, or why it can never be true.
func (d *demo) until(ctx context.Context, what string, ok func() bool) error {
	limit := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(limit) {
			return fmt.Errorf("waited %s until %s; --verbose shows what the workers say", patience, what)
		}
		if err := d.pass(ctx, look); err != nil {
			return err
		}
	}
	return nil
}

// pass continues the story for a while: e-mails come, and the progress line moves.
func (d *demo) pass(ctx context.Context, span time.Duration) error {
	end := time.Now().Add(span)
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, w := range d.workers {
			select {
			case <-w.ended():
				if w != d.killed {
					return fmt.Errorf("%s ended by itself; see --verbose", w.name())
				}
			default:
			}
		}
		d.receive()
		d.progress()
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(min(left, look))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// receive takes what SNS accepted and what the person got since it was last called.
func (d *demo) receive() {
	messages := d.emulator.SNS.Messages(d.topicARN)
	for i := range messages[d.messages:] {
		d.ledger.published(&messages[d.messages+i])
	}
	d.messages = len(messages)
	mails := d.emulator.SNS.Emails(d.topicARN)
	for _, e := range mails[d.mails:] {
		d.show(e)
	}
	d.mails = len(mails)
}

func (d *demo) progress() {
	if now := time.Now(); now.Sub(d.progressed) >= d.screen.Interval() {
		d.progressed = now
		c := d.count()
		line := fmt.Sprintf("%3.0f s | records %s | alerts due %s, delivered %s | e-mails %s",
			now.Sub(d.began).Seconds(), status.Count(c.records), status.Count(c.due), status.Count(c.delivered),
			status.Count(c.messages))
		if d.began.IsZero() {
			line = "the workers start, and divide the stream and the topic's rate among them ..."
		}
		d.screen.Progress(d.screen.Paint(screen.Dim, line))
	}
}

// count is the ledger of the whole run.
func (d *demo) count() count { return d.ledger.count(time.Time{}) }

// drain waits for what is due of the records that were put. What does not come is lost, which the ledger says.
func (d *demo) drain(ctx context.Context) error {
	err := d.until(ctx, "every alert that is due was delivered", func() bool { return d.count().settled() })
	if err != nil && !d.count().settled() {
		return nil
	}
	return err
}
