package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/status"
)

// driller carries out the command drill.
type driller struct {
	from    configFlags
	only    string
	limit   time.Duration
	json    bool
	program *program
}

// drillCommand sends a marked test alert to every topic, as alerts are sent: rendered, checked, through
// PublishBatch. It holds no lease and counts against no worker's share of a topic's rate: it is one message.
func drillCommand(p *program) *cobra.Command {
	x := &driller{program: p}
	c := &cobra.Command{
		Use:     "drill",
		Short:   "Send a marked test alert to the topics",
		GroupID: groupOperate,
		Long: "Send a marked test alert to the topics, as alerts are sent, with the id that SNS gives it " +
			"and how many subscriptions get it. It ends with 1 where a topic does not accept it, or " +
			"reaches nobody.",
		Example: "kinesis-alerter drill --config kinesis-alerter.yaml\n" +
			"kinesis-alerter drill --config kinesis-alerter.yaml --topic oncall\n" +
			"kinesis-alerter drill --config kinesis-alerter.yaml --json",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return x.Run(c.Context()) },
	}
	x.from.declare(c.Flags())
	c.Flags().StringVar(&x.only, "topic", "",
		"the one topic to test, by its `NAME` in the configuration (default all)")
	declareJSON(c, &x.json)
	p.namesOf(c, "topic", &x.from.file, topicNames)
	c.Flags().DurationVar(&x.limit, "timeout", 30*time.Second, "`DURATION` that SNS has to accept a message")
	return c
}

func (x *driller) Run(ctx context.Context) error {
	p := x.program
	loaded, err := x.from.Load(ctx, p)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(loaded.Topics))
	if x.only != "" {
		if _, ok := loaded.Topics[x.only]; !ok {
			return config.UsageError(fmt.Sprintf("drill: no topic %q is configured", x.only))
		}
		names = []string{x.only}
	}
	cfg, err := p.loadAWS(ctx)
	if err != nil {
		return err
	}
	config := loaded.Parts()
	clients := daemon.NewClients(cfg, prometheus.NewRegistry(), nil)
	topics := daemon.NewTopicClients(clients, &loaded.Config)
	publisher, err := dispatch.New(config.SNS, dispatch.Deps{Service: sns.NewOf(topics.Of, nil)})
	if err != nil {
		return err
	}
	running := make(chan error, 1)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() { running <- publisher.Run(work) }()
	var all []drillJSON
	for _, name := range names {
		one, failed := x.drill(ctx, publisher, config.Alert, loaded.StreamName(), name)
		all, err = append(all, one), errors.Join(err, failed)
	}
	if trouble := status.CredentialsTrouble(clients.Credentials); err != nil && trouble != "" {
		err = fmt.Errorf("%s: %w", trouble, err)
	}
	stop()
	if x.json {
		err = errors.Join(p.printJSON(struct {
			Topics []drillJSON `json:"topics"`
		}{all}), err)
	}
	return errors.Join(err, <-running)
}

// drillJSON is what came of one topic, as --json prints it. The names are stable.
type drillJSON struct {
	Topic     string  `json:"topic"`
	ARN       string  `json:"arn"`
	Accepted  bool    `json:"accepted"`
	Seconds   float64 `json:"seconds,omitempty"`
	MessageID string  `json:"message_id,omitempty"`
	AlertID   string  `json:"alert_id"`
	// Confirmed and Pending count subscriptions; missing where they are not known.
	Confirmed *int   `json:"subscriptions_confirmed,omitempty"`
	Pending   *int   `json:"subscriptions_pending,omitempty"`
	Error     string `json:"error,omitempty"`
}

// drill sends one and says what came of it. Every topic has the time for itself: one that is missing takes none from
// others.
func (x *driller) drill(ctx context.Context, publisher *dispatch.Publisher, c alert.Config, stream, topic string) (
	out drillJSON, err error,
) {
	out = drillJSON{Topic: topic, ARN: c.Topics[topic].ARN}
	defer func() {
		if err != nil {
			out.Error = err.Error()
		}
	}()
	a, err := c.Drill(stream, topic, x.program.now().UTC(), rand.Text())
	if err != nil {
		return out, err
	}
	out.AlertID = a.ID
	ctx, cancel := context.WithTimeoutCause(ctx, x.limit, fmt.Errorf("SNS did not accept it within %s", x.limit))
	defer cancel()
	began := x.program.now()
	done := x.program.during(ctx, "waiting for SNS to accept the test of "+topic)
	id, err := publisher.PublishNow(ctx, a)
	done()
	if err != nil {
		for _, s := range publisher.Status() {
			switch {
			case s.Name != topic:
			case s.Fault != "":
				err = fmt.Errorf("%w (%s): %s", err, s.Fault, s.Remedy)
			case s.Error != "":
				err = fmt.Errorf("%w; the last call failed: %s", err, s.Error)
			}
		}
		return out, fmt.Errorf("topic %s, %s: %w", topic, out.ARN, err)
	}
	took := x.program.now().Sub(began).Round(time.Millisecond)
	out.Accepted, out.MessageID, out.Seconds = true, id, took.Seconds()
	x.say("%s: SNS accepted it after %s as message %s, alert_id %s\n", topic, took, id, a.ID)
	for _, s := range sns.Topics(publisher.Status()) {
		if s.Name == topic {
			return out, x.heard(&out, s.Subscriptions)
		}
	}
	return out, nil
}

// say tells people; programs get JSON.
func (x *driller) say(format string, args ...any) {
	if !x.json {
		_, _ = plain.Fprintf(x.program.stdout, format, args...)
	}
}

// heard says who gets the message: an accepted one without a subscription reaches no one.
func (x *driller) heard(out *drillJSON, s sns.Subscriptions) error {
	if !s.Known() {
		x.say("%s: its subscriptions are not known: allow sns:GetTopicAttributes on the topic\n", out.Topic)
		return nil
	}
	out.Confirmed, out.Pending = &s.Confirmed, &s.Pending
	if s.Confirmed == 0 {
		return fmt.Errorf("topic %s, %s: it reaches no one: %d subscriptions confirmed, %d pending; subscribe those "+
			"who are on call, and have the confirmation accepted",
			out.Topic, out.ARN, s.Confirmed, s.Pending)
	}
	x.say("%s: %s, %d pending\n", out.Topic, status.Number(s.Confirmed, "confirmed subscription"), s.Pending)
	return nil
}
