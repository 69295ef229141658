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
	return append(out, partitionWarnings(c)...)
}

// partitionWarnings names the roles that belong to another partition than what they are for: no role reaches beyond its
// own.
func partitionWarnings(c *config.Config) []string {
	var out []string
	look := func(field, role string, addresses ...string) {
		for _, address := range addresses {
			if a, b := arns.Partition(role), arns.Partition(address); a != "" && b != "" && a != b {
				out = append(out, fmt.Sprintf(
					"%s.role_arn: %s: the role is in the partition %s, and %s in %s: AWS will refuse its credentials",
					field, role, a, address, b))
			}
		}
	}
	look("stream", c.Stream.RoleARN, c.Stream.ARN)
	for _, name := range slices.Sorted(maps.Keys(c.Topics)) {
		look("topics."+name, c.Topics[name].RoleARN, c.Topics[name].ARN)
	}
	look("dead_letter", c.DeadLetter.RoleARN, c.DeadLetter.SNS)
	return out
}
