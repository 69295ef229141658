package cli

import (
	"github.com/spf13/cobra"

	"kinesis-alerter/internal/daemon"
)

func versionCommand(p *program) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Show what this binary was built from",
		Example: "kinesis-alerter version\nkinesis-alerter version --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return p.printJSON(daemon.CurrentBuild())
			}
			return printVersion(p)
		},
	}
	declareJSON(c, &asJSON)
	return c
}

func printVersion(p *program) error {
	daemon.CurrentBuild().Print(p.stdout)
	return nil
}
