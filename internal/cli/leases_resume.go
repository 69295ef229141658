package cli

import (
	"context"

	"github.com/spf13/cobra"

	"kinesis-alerter/checkpoint/admin"
)

func leasesResumeCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	c := o.command(&cobra.Command{
		Use:   "resume SHARD... | --all",
		Short: "Let paused shards be read again",
		Long:  "Let paused shards be read again: any worker takes them, and continues where they stopped.",
		Example: "kinesis-alerter leases resume 0002 --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases resume --all --yes --config kinesis-alerter.yaml",
		Args: o.shards,
	}, func(ctx context.Context, shards []string) error {
		return o.planned(ctx, func(a *admin.Admin) ([]admin.Change, error) { return a.Resume(ctx, shards) })
	})
	o.declareAll(c)
	o.declareYes(c)
	return c
}
