package daemon

import (
	"fmt"
	"maps"
	"slices"

	"kinesis-alerter/internal/arns"
	"kinesis-alerter/internal/config"
)

// RegionWarnings names the regions of the configuration that are not known: mistyped, or newer than this program.
func RegionWarnings(c *config.Config) []string {
	var out []string
	look := func(field, address string) {
		if region, unknown := arns.Unknown(address); unknown {
			out = append(out,
				fmt.Sprintf("%s: %s: the region %s is not known here; if it is mistyped, nothing will answer", field,
					address, region))
		}
	}
	look("stream.arn", c.Stream.ARN)
	for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
		look("topics."+name+".arn", c.Topics[name].ARN)
	}
	look("dead_letter.sqs", c.DeadLetter.SQS)
	look("dead_letter.sns", c.DeadLetter.SNS)
	return out
}
