package daemon

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// ARNs that cannot exist are refused before a call waits for an answer. An unknown region may be new.
func TestCheckOfARNs(t *testing.T) {
	t.Parallel()
	topics := map[string]string{ // each with a word of why; empty where it passes
		"arn:aws:sns:us-east-1:000000000000:ExampleTopic": "", "arn:aws:sns:nowhere-9:000000000000:ExampleTopic": "",
		"arn:aws-cn:sns:cn-north-1:000000000000:ExampleTopic":        "",
		"arn:aws-us-gov:sns:us-gov-west-1:000000000000:ExampleTopic": "",
		"arn:aws:sns:us-east-1:1:ExampleTopic":                       "account",
		"arn:aws:sns:us-east-1:00000000000a:ExampleTopic":            "account",
		"arn:nowhere:sns:us-east-1:000000000000:ExampleTopic":        "partition",
		"arn:aws-cn:sns:us-east-1:000000000000:ExampleTopic":         "partition",
		"arn:aws:sns:cn-north-1:000000000000:ExampleTopic":           "partition",
		"arn:aws:sns:US-EAST-1:000000000000:ExampleTopic":            "region",
		"ARN:aws:sns:us-east-1:000000000000:ExampleTopic":            "must be the ARN",
		"arn:aws:sns:us-east-1:000000000000:.fifo":                   "name",
	}
	for arn, want := range topics {
		c := config.Config{
			Stream: config.StreamConfig{Name: testkit.TestStream},
			Topics: map[string]alert.TopicConfig{"t": {ARN: arn}},
			Rules:  []alert.RuleConfig{{Name: "a", When: "x > 3"}},
		}.WithDefaults()
		if err := c.Validate(); want == "" {
			require.NoError(t, err, arn)
		} else {
			require.ErrorContains(t, err, want, arn)
			require.ErrorContains(t, err, "topics.t.arn", arn)
		}
	}
	for arn, want := range map[string]string{
		"arn:aws:kinesis:eu-west-1:000000000000:stream/ex": "", "arn:aws:kinesis:nowhere-9:000000000000:stream/ex": "",
		"arn:aws:kinesis:cn-north-1:000000000000:stream/ex":    "partition",
		"arn:nowhere:kinesis:us-east-1:000000000000:stream/ex": "partition",
		"arn:aws:kinesis:us-east-1:0:stream/ex":                "must look like",
	} {
		c := config.Config{
			Stream: config.StreamConfig{ARN: arn}, Topics: map[string]alert.TopicConfig{
				"t": {ARN: testkit.TestTopicARN},
			},
		}.WithDefaults()
		if err := c.Validate(); want == "" {
			require.NoError(t, err, arn)
		} else {
			require.ErrorContains(t, err, want, arn)
		}
	}
	c := config.Config{
		Stream: config.StreamConfig{ARN: "arn:aws:kinesis:eu-west-1:000000000000:stream/ex"},
		Topics: map[string]alert.TopicConfig{
			"near": {ARN: testkit.TestTopicARN}, "odd": {ARN: "arn:aws:sns:eu-west-9:000000000000:t"},
		},
	}
	require.Len(t, RegionWarnings(&c), 1)
	require.Contains(t, RegionWarnings(&c)[0],
		"topics.odd.arn: arn:aws:sns:eu-west-9:000000000000:t: the region eu-west-9 is not known")
}

// A role that cannot be one is refused before STS is asked; one of another partition is doubted.
func TestCheckOfRoles(t *testing.T) {
	t.Parallel()
	const topic = testkit.TestTopicARN
	of := func(role, external string) config.Config {
		return config.Config{
			Stream:     config.StreamConfig{Name: testkit.TestStream, RoleARN: role, ExternalID: external},
			Topics:     map[string]alert.TopicConfig{"t": {ARN: topic, RoleARN: role, ExternalID: external}},
			DeadLetter: config.DeadLetterConfig{SNS: topic, RoleARN: role, ExternalID: external},
		}.WithDefaults()
	}
	for role, want := range map[string]string{
		"arn:aws:iam::000000000000:role/alerts": "", "arn:aws:iam::000000000000:role/team/alerts": "",
		"arn:aws-cn:iam::000000000000:role/alerts": "", "arn:aws:iam::000000000000:user/alerts": "an IAM role",
		"arn:aws:sts::000000000000:assumed-role/alerts/x": "an IAM role", "alerts": "an IAM role",
		"arn:aws:iam::000000000000:role/": "an IAM role", "arn:aws:iam::000000000000:role/*": "an IAM role",
		"arn:aws:iam:us-east-1:000000000000:role/alerts": "an IAM role",
		"arn:aws:iam::1:role/alerts":                     "account",
		"arn:nowhere:iam::000000000000:role/alerts":      "partition",
	} {
		err := of(role, "ab").Validate()
		if want == "" {
			require.NoError(t, err, role)
			continue
		}
		for _, section := range []string{"stream", "topics.t", "dead_letter"} {
			require.ErrorContains(t, err, section+".role_arn", role)
		}
		require.ErrorContains(t, err, want, role)
	}
	require.ErrorContains(t, of("", "ab").Validate(), "topics.t.external_id")
	require.ErrorContains(t, of("arn:aws:iam::000000000000:role/alerts", "a b").Validate(), "dead_letter.external_id")
	c := of("arn:aws-cn:iam::000000000000:role/alerts", "")
	require.Len(t, RegionWarnings(&c), 2)
	require.Contains(t, RegionWarnings(&c)[0],
		"topics.t.role_arn: arn:aws-cn:iam::000000000000:role/alerts: the role is in the partition aws-cn")
	c = of("arn:aws:iam::000000000000:role/alerts", "")
	require.Empty(t, RegionWarnings(&c))
}
