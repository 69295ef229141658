package alert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/alert/payload"
)

// Where every record is bad, few are looked at closely; each input is logged once, and a look that panics costs nothing
// but itself.
func TestUnreadRecordsAreLookedAtNowAndThen(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	p, err := NewOf(Config{
		Rules:  []RuleConfig{{Name: "r", When: "n > 1"}},
		Topics: map[string]TopicConfig{"t": {ARN: "arn:aws:sns:us-east-1:000000000000:t"}},
	}, Deps{
		Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/s", Log: zap.New(core),
		Registerer: prometheus.NewRegistry(),
	})
	require.NoError(t, err)
	looked := 0
	unread := func(hint func() *payload.Hint) {
		p.Unread("shardId-000000000000", "7", []byte("x"), func(data []byte) *payload.Hint {
			require.Equal(t, "x", string(data))
			looked++
			return hint()
		})
	}
	input := func(name string) func() *payload.Hint {
		return func() *payload.Hint { return &payload.Hint{Looks: []string{"gzip data"}, Input: name} }
	}
	for range 1000 {
		unread(input("cloudwatch_logs"))
	}
	require.Equal(t, 16+15, looked)
	require.Equal(t, map[string]uint64{"cloudwatch_logs": 31}, p.Inputs())
	require.Equal(t, 1, logs.Len())
	require.Equal(t, map[string]any{
		"looks_like": "gzip data", "input": "cloudwatch_logs", "shard": "shardId-000000000000", "sequence_number": "7",
	}, logs.All()[0].ContextMap())

	for range 64 {
		unread(func() *payload.Hint { panic("boom") })
	}
	for range 64 {
		unread(func() *payload.Hint { return nil })
	}
	require.Equal(t, map[string]uint64{"cloudwatch_logs": 31, "": 2}, p.Inputs())
	require.Equal(t, uint64(1), p.Panics())

	for i := range 64 * 2 * mostInputs {
		unread(input(fmt.Sprint(i)))
	}
	require.Len(t, p.Inputs(), mostInputs, "bytes of a record do not make the process grow")
	require.Less(t, strings.Count(fmt.Sprint(logs.All()), "another input"), 2*mostInputs)
}
