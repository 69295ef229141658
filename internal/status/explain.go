package status

import (
	"fmt"

	"kinesis-alerter/internal/plain"
)

// ExplainCommand is the command that shows what the rules make of the record of an alert. file is the configuration's;
// empty or "-" where it is not a file. sub is the record's place in an aggregate.
func ExplainCommand(file string, a *Alert, sub uint32) string {
	if file == "" || file == "-" {
		file = "FILE"
	}
	command := fmt.Sprintf("kinesis-alerter explain --config %s --shard %s --sequence %s", plain.ShellWord(file),
		plain.ShellWord(a.Shard), plain.ShellWord(a.Sequence))
	if sub > 0 {
		command += fmt.Sprintf(" --sub %d", sub)
	}
	return command
}
