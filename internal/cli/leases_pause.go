package cli

import (
	"context"

	"github.com/spf13/cobra"

	"kinesis-alerter/checkpoint/admin"
)

func leasesPauseCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	c := o.command(&cobra.Command{
		Use:   "pause SHARD... | --all",
		Short: "Have shards drained, and read by no worker",
		Long:  "The worker of each shard drains it and lets it go; nothing is repeated, and no worker takes it until leases resume.",
		Example: "kinesis-alerter leases pause 0002 --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases pause --all --yes --config kinesis-alerter.yaml",
		Args: o.shards,
	}, func(ctx context.Context, shards []string) error {
		return o.planned(ctx, func(a *admin.Admin) ([]admin.Change, error) { return a.Pause(ctx, shards) })
	})
	o.declareAll(c)
	o.declareYes(c)
	return c
}
