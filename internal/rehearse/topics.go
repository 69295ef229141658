package rehearse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/sns"
)

// topicTally adds up what a topic would be given.
type topicTally struct {
	name   string
	config dispatch.Config
	topic  dispatch.TopicConfig
	out    TopicResult
	// seconds are alerts by the second, of the last minutes.
	seconds map[int64]int
	newest  int64
	// waiting are alerts for the simulation of digests, with their words and without their payloads.
	waiting []*alert.Alert
	bytes   int
	latest  time.Time
	err     error
}

func newTopicTally(name string, config dispatch.Config) *topicTally {
	t := &topicTally{name: name, config: config, topic: config.WithDefaults().Topics[name], seconds: map[int64]int{}}
	t.out.Topic = name
	return t
}

// Add takes an alert, renders it and has it checked, as if it were published.
func (t *topicTally) Add(ctx context.Context, a *alert.Alert) {
	m, err := a.Render()
	if err == nil {
		err = sns.Check(t.topic.ARN, a, m)
	}
	if err != nil {
		if t.out.Refused++; t.out.RefusedWhy == "" {
			t.out.RefusedWhy = fmt.Sprintf("%s %s at %s: %v", a.Rule, a.Kind, a.At.Format(time.RFC3339), err)
		}
		return
	}
	t.out.Alerts++
	at := a.Occurred()
	second := at.Unix()
	t.newest = max(t.newest, second)
	if t.seconds[second]++; t.seconds[second] > t.out.Busiest.Alerts {
		t.out.Busiest.Alerts, t.out.Busiest.At = t.seconds[second], at.Truncate(time.Second).UTC()
	}
	if len(t.seconds) > mostSeconds {
		for s := range t.seconds {
			if s < t.newest-oldSecond {
				delete(t.seconds, s)
			}
		}
	}
	if t.topic.Rate == 0 {
		return
	}
	full := len(t.waiting) >= mostWaiting || t.bytes >= mostWaitingBytes
	if full || len(t.waiting) > 0 && at.Sub(t.latest) > t.calm() {
		t.out.Cut = t.out.Cut || full
		if err := t.flush(ctx); err != nil && ctx.Err() == nil {
			t.err = err
		}
	}
	c := *a
	c.Record.Data = nil
	t.waiting = append(t.waiting, alert.NewAlert(c, m))
	t.bytes += len(m.Body) + len(m.Subject)
	for _, body := range m.Bodies {
		t.bytes += len(body)
	}
	if at.After(t.latest) {
		t.latest = at
	}
}

// calm is the time without alerts after which nothing waits and the rate is as unused as at the beginning.
func (t *topicTally) calm() time.Duration {
	return calmGap + 2*t.topic.Digest + time.Duration(calmMessages/t.topic.Rate*float64(time.Second))
}

// flush plays what waits through the topic's rate.
func (t *topicTally) flush(ctx context.Context) error {
	sent, err := sns.Simulate(ctx, t.config, t.waiting)
	if err = errors.Join(t.err, err); err != nil {
		return err
	}
	for _, d := range sent {
		t.out.Digests++
		t.out.Digested += d.Count
	}
	clear(t.waiting)
	t.waiting, t.bytes = t.waiting[:0], 0
	return nil
}

func (t *topicTally) result() TopicResult {
	t.out.Messages = t.out.Alerts - t.out.Digested + t.out.Digests
	return t.out
}

const (
	// mostWaiting and mostWaitingBytes bound what a simulation is made of, and with it the memory of a storm that
	// lasts.
	mostWaiting      = 50_000
	mostWaitingBytes = 64 << 20
	// calmGap and the time for calmMessages messages are, besides two digests, the time without alerts after which a
	// topic is as at the beginning.
	calmGap      = 10 * time.Minute
	calmMessages = 60
	// mostSeconds bounds the seconds that are counted, and oldSecond is how late an alert still counts.
	mostSeconds = 4096
	oldSecond   = 600
)
