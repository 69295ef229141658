package cli

import "github.com/spf13/cobra"

func rulesCommand(p *program) *cobra.Command {
	c := group(&cobra.Command{
		Use:     "rules",
		Short:   "Test rules, or try them on past records",
		GroupID: groupRules,
		Long: "Run the tests of rules, or try rules on the records that a stream retains or an archive has. Nothing " +
			"is published.",
		Example: "kinesis-alerter rules test rules.test.yaml\n" +
			"kinesis-alerter rules backtest --config kinesis-alerter.yaml --from -24h",
	})
	c.AddCommand(rulesTestCommand(p), backtestCommand(p))
	return c
}
