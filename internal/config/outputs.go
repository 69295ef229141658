package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/arns"
)

// outputFaults returns what is wrong with the streams of the outputs.
func (c Config) outputFaults(outputs map[string]alert.OutputConfig) []error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		stream := outputs[name].Stream
		rule := wrongStream(stream)
		if rule == "" {
			rule = c.Stream.loop(stream)
		}
		if rule != "" {
			errs = append(errs, &FieldError{Field: "outputs." + name + ".stream", Value: stream, Rule: rule})
		}
	}
	return errs
}

// wrongStream returns why a text is neither the name nor the ARN of a stream, or an empty string.
func wrongStream(s string) string {
	const name = `[a-zA-Z0-9_.-]{1,128}$`
	switch {
	case s == "":
		return "required: the name of a stream, or its ARN"
	case !strings.HasPrefix(s, "arn:"):
		if !regexp.MustCompile("^" + name).MatchString(s) {
			return "must be 1 to 128 letters, digits, dots, dashes or underscores, or an ARN"
		}
		return ""
	case !regexp.MustCompile(`^arn:[a-z0-9-]+:kinesis:[a-z0-9-]+:\d{12}:stream/` + name).MatchString(s):
		return "must look like arn:aws:kinesis:us-east-1:123456789012:stream/NAME"
	}
	address, err := arn.Parse(s)
	if err != nil {
		return err.Error()
	}
	return arns.Check(address)
}

// loop returns why a stream cannot be an output of this one, or an empty string.
func (c StreamConfig) loop(output string) string {
	_, inputName, _ := strings.Cut(c.ARN, ":stream/")
	_, outputName, _ := strings.Cut(output, ":stream/")
	switch {
	case output == c.ARN, output == c.Name:
		return "is the stream that is read: every record that is written would be read again, without end; name " +
			"another stream"
	case c.ARN != "" && output == inputName:
		return fmt.Sprintf("is the name of the stream that is read, %s: every record that is written would be read "+
			"again, without end; name another stream, or, for one of the same name in another account or region, "+
			"give its ARN", c.ARN)
	case c.Name != "" && outputName == c.Name:
		return "has the name of the stream that is read: every record that is written would be read again, without " +
			"end; name another stream, or, for one of the same name in another account or region, give stream.arn " +
			"in place of stream.name"
	}
	return ""
}
