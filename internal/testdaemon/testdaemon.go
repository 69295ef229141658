package testdaemon

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testkit"
)

// TestDaemon is a whole daemon inside a bubble.
type TestDaemon struct {
	fake *fakeaws.AWS
	Reg  *prometheus.Registry
	Log  *testkit.SyncBuffer
	Stop context.CancelFunc
	Done chan error
}

// StartDaemon runs a daemon that alerts for high heart rates.
func StartDaemon(t *testing.T, fake *fakeaws.AWS, change func(*config.Config, *daemon.Options)) *TestDaemon {
	t.Helper()
	d := &TestDaemon{fake: fake, Reg: prometheus.NewRegistry(), Log: &testkit.SyncBuffer{}, Done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	d.Stop = cancel
	c := config.Config{
		Stream: config.StreamConfig{
			Name: testkit.TestStream, Application: "heart-rate-alerts",
			Start: checkpoint.Start{Kind: checkpoint.StartTrimHorizon},
		},
		Rules:  []alert.RuleConfig{{Name: "high", When: "heartRate > 149", Topics: []string{"oncall"}}},
		Topics: map[string]alert.TopicConfig{"oncall": testkit.AnyRate(testkit.TestTopicARN)},
	}
	o := daemon.Options{
		AWS: testkit.Emulated(fake), Output: d.Log, Registry: d.Reg, Listener: testkit.NewDeafListener(),
		Host: "test",
	}
	if change != nil {
		change(&c, &o)
	}
	c = c.WithDefaults()
	require.NoError(t, c.Validate())
	go func() { d.Done <- daemon.Run(ctx, c, o) }()
	return d
}

// End stops the daemon and returns what Run returned.
func (d *TestDaemon) End() error {
	d.Stop()
	return <-d.Done
}

// Page is the page of a daemon in a bubble.
type Page struct{ *testkit.Pipes }

// NewPage returns the listener of a daemon whose page is to be read.
func NewPage() *Page { return &Page{testkit.NewPipes()} }

// Status reads the status of the daemon.
func (p *Page) Status(t *testing.T) *status.Status {
	t.Helper()
	var s status.Status
	require.NoError(t, json.Unmarshal([]byte(p.Get(t, "/api/v1/status", "*/*")), &s))
	return &s
}
