package checkpoint

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
)

func TestConfigFaults(t *testing.T) {
	good := Config{Application: "alerts", StreamName: "orders"}
	for name, c := range map[string]struct {
		change func(*Config)
		fields []string
	}{
		"good": {func(*Config) {}, nil},
		"arn instead": {func(c *Config) {
			c.StreamName, c.StreamARN = "", "arn:aws:kinesis:eu-west-1:123456789012:stream/orders"
		}, nil},
		"table too short": {func(c *Config) { c.Application = "a" }, []string{"stream.application"}},
		"table too long":  {func(c *Config) { c.Table = strings.Repeat("a", 250) }, []string{"stream.application"}},
		"longest table":   {func(c *Config) { c.Table = strings.Repeat("a", 249) }, nil},
		"frugal state":    {func(c *Config) { c.StateWriteUnits = 10 }, []string{"leases.state_write_units"}},
		"too many shards": {func(c *Config) { c.MaxShards = MostShards + 1 }, []string{"leases.max_shards"}},
		"fewer than none": {func(c *Config) { c.MaxShards = -1 }, []string{"leases.max_shards"}},
		"good tags": {func(c *Config) {
			c.NewTables.Tags = map[string]string{"team": "on call", "größe": "", "a:b/c=d+e-f@g.h_i": "x"}
		}, nil},
		"bad tags": {func(c *Config) {
			c.NewTables.Tags = map[string]string{
				"": "x", "AWS:x": "y", "long": strings.Repeat("ä", 257), "odd": "a*b",
			}
		}, []string{
			"leases.table.tags.", "leases.table.tags.AWS:x", "leases.table.tags.long", "leases.table.tags.odd",
		}},
		"no stream": {func(c *Config) { c.StreamName = "" }, []string{"stream.name"}},
		"bad arn":   {func(c *Config) { c.StreamARN = "orders" }, []string{"stream.arn"}},
		"short lease": {
			func(c *Config) { c.LeaseDuration = time.Second },
			[]string{"leases.duration", "processing.checkpoint_interval"},
		},
		"long lease": {func(c *Config) { c.LeaseDuration = time.Hour }, []string{"leases.duration"}},
		"lazy checkpoints": {
			func(c *Config) { c.CheckpointInterval = 5 * time.Second },
			[]string{"processing.checkpoint_interval"},
		},
		"eager checkpoints": {
			func(c *Config) { c.CheckpointInterval = time.Millisecond },
			[]string{"processing.checkpoint_interval"},
		},
		"time without time": {
			func(c *Config) { c.Start = table.Start{Kind: table.StartTime} },
			[]string{"stream.start"},
		},
		"several": {
			func(c *Config) { c.Application, c.StreamName = "", "" },
			[]string{"stream.application", "stream.name"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			if name == "short lease" {
				cfg.CheckpointInterval = time.Second
			}
			err := cfg.WithDefaults().Validate()
			var fields []string
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, e := range joined.Unwrap() {
					var ce *ConfigError
					require.ErrorAs(t, e, &ce)
					fields = append(fields, ce.ConfigField())
				}
			}
			require.Equal(t, c.fields, fields)
		})
	}
	require.Equal(t, "alerts", good.WithDefaults().Table)
	require.Empty(t, good.Table, "WithDefaults answers a copy")
}

func TestStartText(t *testing.T) {
	for text, want := range map[string]table.Start{
		"":                     {},
		"latest":               {},
		"trim_horizon":         {Kind: table.StartTrimHorizon},
		"2026-11-22T09:00:00Z": {Kind: table.StartTime, Time: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)},
	} {
		var s table.Start
		require.NoError(t, s.UnmarshalText([]byte(text)))
		require.Equal(t, want, s)
		again, err := s.MarshalText()
		require.NoError(t, err)
		var s2 table.Start
		require.NoError(t, s2.UnmarshalText(again))
		require.Equal(t, want, s2)
	}
	var s table.Start
	require.ErrorContains(t, s.UnmarshalText([]byte("yesterday")), "RFC 3339")
}
