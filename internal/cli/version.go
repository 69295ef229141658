package cli

import (
	"github.com/spf13/cobra"

	"kinesis-alerter/internal/daemon"
)

func versionCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show what this binary was built from",
		Example: "kinesis-alerter version",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return printVersion(p) },
	}
}

func printVersion(p *program) error {
	daemon.CurrentBuild().Print(p.stdout)
	return nil
}
