package sns

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const testARN = "arn:aws:sns:us-east-1:000000000000:alerts"

func TestConfigNamesEveryMistakeAtOnce(t *testing.T) {
	err := Config{
		Topics: map[string]TopicConfig{
			"a": {ARN: ""},
			"b": {ARN: "arn:aws:sqs:us-east-1:000000000000:queue"},
			"c": {ARN: testARN + ":0e5b6c0d-7a2f-4a6e-9a1c-1b2c3d4e5f60"},
			"d": {ARN: "arn:aws:sns:us-east-1:000000000000:two words"},
			"e": {ARN: testARN + ".fifo"},
			"f": {ARN: "arn:aws-cn:sns:cn-north-1:000000000000:alerts"},
		},
		Linger: 2 * time.Second, AttemptTimeout: time.Millisecond, TrustMargin: time.Second, InFlight: 65, LatencyTarget: -1,
	}.Validate()
	const noARN = "must be the ARN of an SNS topic, arn:aws:sns:<region>:<account>:<name>"
	require.EqualError(t, err, "topics.a.arn: : "+noARN+
		"\ntopics.b.arn: arn:aws:sqs:us-east-1:000000000000:queue: "+noARN+
		"\ntopics.c.arn: "+testARN+":0e5b6c0d-7a2f-4a6e-9a1c-1b2c3d4e5f60: must be the ARN of a topic, not of a subscription"+
		"\ntopics.d.arn: arn:aws:sns:us-east-1:000000000000:two words: "+
		"a topic's name has 1 to 256 of A-Z a-z 0-9 _ -, and may end in .fifo"+
		"\nlinger: 2s: must be above 0 and at most 1s"+
		"\nattempt_timeout: 1ms: must be between 100ms and 1m"+
		"\ntrust_margin: 1s: must be above 0 and less than attempt_timeout"+
		"\nin_flight: 65: must be between 1 and 64"+
		"\nlatency_target: -1ns: must be above 0")
	configErr, ok := errors.AsType[*ConfigError](err)
	require.True(t, ok)
	require.Equal(t, "topics.a.arn", configErr.ConfigField())

	require.EqualError(t, Config{}.Validate(), "topics: 0: at least one topic is needed")
	require.NoError(t, Config{Topics: map[string]TopicConfig{"a": {ARN: testARN}}}.Validate())
	require.NoError(t, Config{Topics: map[string]TopicConfig{"a": {ARN: testARN}}, AttemptTimeout: 100 * time.Millisecond}.Validate())
}

func TestConfigOfRatesAndLimits(t *testing.T) {
	with := func(change func(*Config, *TopicConfig)) error {
		topic := TopicConfig{ARN: testARN}
		c := Config{}
		change(&c, &topic)
		c.Topics = map[string]TopicConfig{"a": topic}
		return c.Validate()
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
	_, err := New(Config{}, Deps{})
	require.Error(t, err)
	_, err = New(Config{Topics: map[string]TopicConfig{"a": {ARN: testARN}}}, Deps{})
	require.EqualError(t, err, "sns publisher needs a client")
}
