package cmd

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/fakeaws"
)

// testDaemon is a whole daemon inside a bubble.
type testDaemon struct {
	fake *fakeaws.AWS
	reg  *prometheus.Registry
	log  *syncBuffer
	stop context.CancelFunc
	done chan error
}

// startDaemon runs a daemon that alerts for high heart rates.
func startDaemon(t *testing.T, fake *fakeaws.AWS, change func(*Config, *Options)) *testDaemon {
	t.Helper()
	d := &testDaemon{fake: fake, reg: prometheus.NewRegistry(), log: &syncBuffer{}, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	d.stop = cancel
	c := Config{
		Stream: StreamConfig{Name: testStream, Application: "heart-rate-alerts", Start: checkpoint.Start{Kind: checkpoint.StartTrimHorizon}},
		Rules:  []alert.RuleConfig{{Name: "high", When: "heartRate > 149", Topics: []string{"oncall"}}},
		Topics: map[string]alert.TopicConfig{"oncall": anyRate(testTopicARN)},
	}
	o := Options{AWS: emulated(fake), Output: d.log, Registry: d.reg, Listener: newDeafListener(), Host: "test"}
	if change != nil {
		change(&c, &o)
	}
	c = c.WithDefaults()
	require.NoError(t, c.Validate())
	go func() { d.done <- Run(ctx, c, o) }()
	return d
}

// end stops the daemon and returns what Run returned.
func (d *testDaemon) end() error {
	d.stop()
	return <-d.done
}

// page is the page of a daemon in a bubble.
type page struct{ *pipes }

func newPage() *page { return &page{newPipes()} }

func (p *page) status(t *testing.T) *Status {
	t.Helper()
	var s Status
	require.NoError(t, json.Unmarshal([]byte(p.get(t, "/api/v1/status", "*/*")), &s))
	return &s
}
