package alert

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/alert/condition"
)

// TestPanicIsOneInvalidRecord: a bug costs one record, is counted and logged with its place, and the shard continues.
func TestPanicIsOneInvalidRecord(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.ErrorLevel)
	p, err := NewOf(Config{
		Topics: map[string]TopicConfig{"a": {}},
		Rules: []RuleConfig{
			{Name: "bug", When: `s == "x" && age == duration("0s")`},
			{Name: "r", When: `s != nil && age >= duration("0s")`},
		},
	}, Deps{Stream: "arn", Log: zap.New(core), Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	p.current.Load().rules[0].metrics.matched = nil

	e := p.Shard("shardId-000000000000")
	at := time.Unix(1_700_000_000, 0)
	require.Equal(t, Alerted, e.Evaluate(&Record{SequenceNumber: "1", Arrival: at, Data: []byte(`{"s":1}`)}).Outcome)
	d := e.Evaluate(&Record{SequenceNumber: "2", Arrival: at.Add(time.Minute), Data: []byte(`{"s":"x"}`)})
	require.Equal(t, Poison(ReasonPanic), d)
	require.Equal(t, Alerted, e.Evaluate(&Record{SequenceNumber: "3", Arrival: at, Data: []byte(`{"s":2}`)}).Outcome)
	require.Equal(t, at.Add(time.Minute), e.clock.eventTime, "event time survives")

	require.InDelta(t, 1, testutil.ToFloat64(p.metrics.panics), 0)
	require.Equal(t, 1, logs.Len())
	require.Equal(t, "2", logs.All()[0].ContextMap()["sequence_number"])
}

// TestLargePayloadIsLetGo: an idle shard must not pin a large last record.
func TestLargePayloadIsLetGo(t *testing.T) {
	t.Parallel()
	p, err := NewOf(Config{
		Topics: map[string]TopicConfig{"a": {}},
		Rules:  []RuleConfig{{Name: "r", When: `s == "x"`}},
	}, Deps{Stream: "arn", Log: zap.NewNop(), Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	e := p.Shard("shardId-000000000000")
	payload := append(append([]byte(`{"s":"\n`), make([]byte, 0)...), make([]byte, maxRetained)...)
	for i := 8; i < len(payload); i++ {
		payload[i] = 'a'
	}
	payload = append(payload, `"}`...)
	decoder := e.in.decoder
	require.Equal(t, Unmatched, e.Evaluate(&Record{Data: payload}).Outcome)
	require.Equal(t, condition.Value{}, e.in.frame.Slots[condition.BuiltinSlots])
	require.NotSame(t, decoder, e.in.decoder, "nor the texts that were unescaped")
}

// TestPanicOfTimeEndsWithItsKey: a bug that shows when something falls due costs the memory of that key. It would
// otherwise fall due with every record and tick to come.
func TestPanicOfTimeEndsWithItsKey(t *testing.T) {
	t.Parallel()
	config := Config{
		Topics: map[string]TopicConfig{"a": {}},
		Rules: []RuleConfig{
			{Name: "bug", Absence: AbsenceConfig{After: 2 * time.Second}, Dedup: time.Hour},
			{Name: "r", Absence: AbsenceConfig{After: time.Second}},
		},
	}
	at := time.Unix(1_700_000_000, 0)
	begin := func() (*Pipeline, *Evaluator) {
		p, err := NewOf(config, Deps{Stream: "arn", Log: zap.NewNop(), Registerer: prometheus.NewRegistry()})
		require.NoError(t, err)
		e := p.Shard("shardId-000000000000")
		require.Equal(t, Unmatched, e.Evaluate(&Record{
			PartitionKey: "k", SequenceNumber: "1", Arrival: at,
			Data: []byte(`{}`),
		}).Outcome)
		p.current.Load().rules[0].metrics.suppressed = nil
		e.memory.rules[0].entries["k"].sent = at.UnixMilli() // within dedup, so that the map is used
		return p, e
	}
	p, e := begin()
	alerts := e.Tick(Tick{CaughtUp: at.Add(10 * time.Second)})
	require.Len(t, alerts, 1, "what was made before is remembered as sent")
	require.Equal(t, "r", alerts[0].Rule)
	require.Empty(t, e.Tick(Tick{CaughtUp: at.Add(20 * time.Second)}))
	require.InDelta(t, 1, testutil.ToFloat64(p.metrics.panics), 0)

	p, e = begin()
	d := e.Evaluate(&Record{
		PartitionKey: "j", SequenceNumber: "2", Arrival: at.Add(10 * time.Second),
		Data: []byte(`{}`),
	})
	require.Equal(t, []any{Invalid, ReasonPanic, 1}, []any{d.Outcome, d.Reason, len(d.Alerts)})
	d = e.Evaluate(&Record{
		PartitionKey: "j", SequenceNumber: "3", Arrival: at.Add(10 * time.Second),
		Data: []byte(`{}`),
	})
	require.Equal(t, Unmatched, d.Outcome)
	require.InDelta(t, 1, testutil.ToFloat64(p.metrics.panics), 0)
}
