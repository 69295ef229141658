package status

import (
	"fmt"
	"strings"
)

// ExplainCommand is the command that shows what the rules make of the record of an alert. file is the configuration's;
// empty or "-" where it is not a file. sub is the record's place in an aggregate.
func ExplainCommand(file string, a *Alert, sub uint32) string {
	if file == "" || file == "-" {
		file = "FILE"
	}
	command := fmt.Sprintf("kinesis-alerter explain --config %s --shard %s --sequence %s", quoted(file),
		quoted(a.Shard),
		quoted(a.Sequence))
	if sub > 0 {
		command += fmt.Sprintf(" --sub %d", sub)
	}
	return command
}

// quoted is a word as a shell reads it.
func quoted(word string) string {
	plain := !strings.ContainsFunc(word, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
			!strings.ContainsRune("_./:@%+=-", c)
	})
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
