package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"
)

// declareJSON declares the flag of every command that reads something.
func declareJSON(c *cobra.Command, value *bool) {
	c.Flags().BoolVar(value, "json", false, "print JSON, whose names are stable")
}

// printJSON prints what a program reads.
func (p *program) printJSON(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(append(text, '\n'))
	return err
}
