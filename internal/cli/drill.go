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
			"kinesis-alerter drill --config kinesis-alerter.yaml --topic oncall",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return x.Run(c.Context()) },
	}
	x.from.declare(c.Flags())
	c.Flags().StringVar(&x.only, "topic", "",
		"the one topic to test, by its `NAME` in the configuration (default all)")
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
	topics, err := sns.New(clients.SNS, nil)
	if err != nil {
		return err
	}
	publisher, err := dispatch.New(config.SNS, dispatch.Deps{Service: topics})
	if err != nil {
		return err
	}
	running := make(chan error, 1)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() { running <- publisher.Run(work) }()
	for _, name := range names {
		err = errors.Join(err, p.drill(ctx, publisher, x.limit, config.Alert, loaded.StreamName(), name))
	}
	if trouble := status.CredentialsTrouble(clients.Credentials); err != nil && trouble != "" {
		err = fmt.Errorf("%s: %w", trouble, err)
	}
	stop()
	return errors.Join(err, <-running)
}

// drill sends one and says what came of it. Every topic has the time for itself: one that is missing takes none from
// others.
func (p *program) drill(ctx context.Context, publisher *dispatch.Publisher, limit time.Duration, c alert.Config, stream,
	topic string,
) error {
	a, err := c.Drill(stream, topic, time.Now().UTC(), rand.Text())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("SNS did not accept it within %s", limit))
	defer cancel()
	began := time.Now()
	id, err := publisher.PublishNow(ctx, a)
	if err != nil {
		for _, s := range publisher.Status() {
			if s.Name == topic && s.Fault != "" {
				err = fmt.Errorf("%w (%s): %s", err, s.Fault, s.Remedy)
			}
		}
		return fmt.Errorf("topic %s, %s: %w", topic, c.Topics[topic].ARN, err)
	}
	if _, err = plain.Fprintf(p.stdout, "%s: SNS accepted it after %s as message %s, alert_id %s\n",
		topic, time.Since(began).Round(time.Millisecond), id, a.ID); err != nil {
		return err
	}
	for _, s := range sns.Topics(publisher.Status()) {
		if s.Name == topic {
			return p.drillHeard(topic, c.Topics[topic].ARN, s.Subscriptions)
		}
	}
	return nil
}

// drillHeard says who gets the message: an accepted one without a subscription reaches no one.
func (p *program) drillHeard(topic, arn string, s sns.Subscriptions) error {
	switch {
	case !s.Known():
		_, err := plain.Fprintf(p.stdout, "%s: who hears it is not known: allow sns:GetTopicAttributes on the topic\n",
			topic)
		return err
	case s.Confirmed == 0:
		return fmt.Errorf("topic %s, %s: it reaches no one: %d subscriptions confirmed, %d pending; subscribe those "+
			"who are on call, and have the confirmation accepted",
			topic, arn, s.Confirmed, s.Pending)
	}
	_, err := plain.Fprintf(p.stdout, "%s: %s, %d pending\n", topic,
		status.Number(s.Confirmed, "confirmed subscription"), s.Pending)
	return err
}
