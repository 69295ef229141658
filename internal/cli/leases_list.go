package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func leasesListCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	return o.command(&cobra.Command{
		Use:   "list",
		Short: "Show each shard: state, owner, checkpoint",
		Long: "Show each shard: its state, owner, epoch, checkpoint, generation and parents, and how long " +
			"ago everything before that moment was resolved: the shard lags by no more than that.",
		Example: "kinesis-alerter leases list --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases list --table kinesis-alerter-readings --json",
		Args: noArguments,
	}, func(ctx context.Context, _ []string) error { return o.list(ctx) })
}

func (o *operator) list(ctx context.Context) error {
	a, err := o.admin(ctx, false)
	if err != nil {
		return err
	}
	done := o.program.during(ctx, "reading the lease table")
	t, err := a.Table(ctx)
	if err == nil {
		a.Check(ctx, &t)
	}
	done()
	if err != nil {
		return err
	}
	if o.json {
		return o.program.printJSON(tableJSON(t, o.program.now()))
	}
	return writeTable(o.program.results(), t, o.program.now())
}
