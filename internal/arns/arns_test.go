package arns

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	for s, want := range map[string]string{
		"arn:aws:sns:us-east-1:000000000000:t":             "",
		"arn:aws:sns:nowhere-9:000000000000:t":             "",
		"arn:aws:sns:eu-west-99:000000000000:t":            "",
		"arn:aws-cn:sns:cn-north-1:000000000000:t":         "",
		"arn:aws-us-gov:sns:us-gov-west-1:000000000000:t":  "",
		"arn:aws-eusc:sns:eusc-de-east-1:000000000000:t":   "",
		"arn:aws-iso-b:sns:us-isob-east-1:000000000000:t":  "",
		"arn:aws-iso-b:sns:us-isob-north-2:000000000000:t": "",
		"arn:nowhere:sns:us-east-1:000000000000:t":         "no partition",
		"arn::sns:us-east-1:000000000000:t":                "no partition",
		"arn:aws-cn:sns:us-east-1:000000000000:t": "the region us-east-1 is in the partition aws, not in " +
			"aws-cn",
		"arn:aws:sns:cn-north-1:000000000000:t": "the region cn-north-1 is in the partition aws-cn, not " +
			"in aws",
		"arn:aws:sns:us-gov-east-1:000000000000:t":    "in the partition aws-us-gov",
		"arn:aws-us-gov:sns:us-east-1:000000000000:t": "in the partition aws",
		"arn:aws:sns:us-iso-east-1:000000000000:t":    "in the partition aws-iso",
		"arn:aws:sns:US-EAST-1:000000000000:t":        "no region",
		"arn:aws:sns::000000000000:t":                 "no region",
		"arn:aws:sns:us-east-1:1:t":                   "no account",
		"arn:aws:sns:us-east-1:00000000000a:t":        "no account",
		"arn:aws:sns:us-east-1::t":                    "no account",
		"arn:aws:sns:us-east-1:0000000000000:t":       "no account",
	} {
		a, err := arn.Parse(s)
		require.NoError(t, err)
		if got := Check(a); want == "" {
			require.Empty(t, got, s)
		} else {
			require.Contains(t, got, want, s)
		}
	}
}

func TestRegion(t *testing.T) {
	for s, want := range map[string]string{
		"arn:aws:sns:eu-west-1:000000000000:t":                          "eu-west-1",
		"https://sqs.eu-west-1.amazonaws.com/000000000000/q":            "eu-west-1",
		"https://sqs-fips.us-gov-west-1.amazonaws.com/000000000000/q":   "us-gov-west-1",
		"https://sqs.cn-north-1.amazonaws.com.cn/000000000000/q":        "cn-north-1",
		"https://eu-west-1.queue.amazonaws.com/000000000000/q":          "eu-west-1",
		"http://localhost:4566/000000000000/q":                          "",
		"http://sqs.us-east-1.localhost.localstack.cloud:4566/000000/q": "",
		"my-bucket": "", "s3://my-bucket/prefix": "", "": "",
	} {
		require.Equal(t, want, Region(s), s)
	}
}

func TestUnknown(t *testing.T) {
	for s, want := range map[string]bool{
		"arn:aws:sns:eu-west-1:000000000000:t": false, "arn:aws:sns:eu-west-9:000000000000:t": true,
		"arn:aws:sns:nowhere-9:000000000000:t": true, "http://localhost/000000000000/q": false,
	} {
		_, unknown := Unknown(s)
		require.Equal(t, want, unknown, s)
	}
}
