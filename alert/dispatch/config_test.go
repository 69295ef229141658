package dispatch

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestARN is the address of a topic.
const TestARN = "arn:aws:sns:us-east-1:000000000000:alerts"

func anyAddress(string) string { return "" }

func TestConfigNamesEveryMistakeAtOnce(t *testing.T) {
	err := Config{
		Topics: map[string]TopicConfig{
			"a": {ARN: TestARN},
			"b": {ARN: "elsewhere"},
		},
		Linger: 2 * time.Second, AttemptTimeout: time.Millisecond, TrustMargin: time.Second, InFlight: 65,
		LatencyTarget: -1,
	}.Validate(func(address string) string {
		if address != TestARN {
			return "must be here"
		}
		return ""
	})
	require.EqualError(t, err, "topics.b.arn: elsewhere: must be here"+
		"\nlinger: 2s: must be above 0 and at most 1s"+
		"\nattempt_timeout: 1ms: must be between 100ms and 1m"+
		"\ntrust_margin: 1s: must be above 0 and less than attempt_timeout"+
		"\nin_flight: 65: must be between 1 and 64"+
		"\nlatency_target: -1ns: must be above 0")
	configErr, ok := errors.AsType[*ConfigError](err)
	require.True(t, ok)
	require.Equal(t, "topics.b.arn", configErr.ConfigField())

	require.EqualError(t, Config{}.Validate(anyAddress), "topics: 0: at least one topic is needed")
	require.NoError(t, Config{Topics: map[string]TopicConfig{"a": {ARN: TestARN}}}.Validate(anyAddress))
	require.NoError(t, Config{
		Topics: map[string]TopicConfig{"a": {ARN: TestARN}}, AttemptTimeout: 100 * time.Millisecond,
	}.Validate(anyAddress))
}

func TestConfigOfRatesAndLimits(t *testing.T) {
	with := func(change func(*Config, *TopicConfig)) error {
		topic := TopicConfig{ARN: TestARN}
		c := Config{}
		change(&c, &topic)
		c.Topics = map[string]TopicConfig{"a": topic}
		return c.Validate(anyAddress)
	}
	for _, rate := range []float64{0, 1.0 / 86400, 8, 30_000} {
		require.NoError(t, with(func(_ *Config, t *TopicConfig) { t.Rate = rate }))
	}
	for _, rate := range []float64{-1, 1e-9, 30_001, math.NaN(), math.Inf(1)} {
		require.ErrorContains(t, with(func(_ *Config, t *TopicConfig) { t.Rate = rate }), "topics.a.rate: ")
	}
	for _, digest := range []time.Duration{time.Millisecond, 11 * time.Minute, -1} {
		require.ErrorContains(t, with(func(_ *Config, t *TopicConfig) { t.Digest = digest }), "topics.a.digest: ")
	}
	require.ErrorContains(t, with(func(c *Config, _ *TopicConfig) { c.MaxAttempts = -2 }), "max_attempts: -2")
	require.ErrorContains(t, with(func(c *Config, _ *TopicConfig) { c.MaxRecordAge = -1 }), "max_record_age: -1ns")
	require.NoError(t, with(func(c *Config, _ *TopicConfig) { c.MaxAttempts, c.MaxRecordAge = -1, time.Hour }))
	require.Equal(t, DefaultDigest, Config{Topics: map[string]TopicConfig{"a": {}}}.WithDefaults().Topics["a"].Digest)
}

func TestNewRefuses(t *testing.T) {
	_, err := New(Config{Topics: map[string]TopicConfig{"a": {ARN: TestARN}}}, Deps{})
	require.EqualError(t, err, "publisher needs a service")
}
