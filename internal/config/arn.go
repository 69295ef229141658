package config

import (
	"cmp"
)

// AssumedARN is the stream's ARN, made up where the configuration has its name only.
func (c Config) AssumedARN() string {
	return cmp.Or(c.Stream.ARN, "arn:aws:kinesis:us-east-1:000000000000:stream/"+c.Stream.Name)
}
