package cli

import (
	"context"

	"github.com/spf13/cobra"

	"kinesis-alerter/checkpoint/admin"
)

func leasesReleaseCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	c := o.command(&cobra.Command{
		Use:   "release SHARD...",
		Short: "Take the owner off shards, so that any worker takes them",
		Long: "Take the owner off shards; any worker takes them next. A shard of a worker that is alive is left " +
			"alone, unless --force is given.",
		Example: "kinesis-alerter leases release 0002 --config kinesis-alerter.yaml",
		Args:    o.shards,
	}, func(ctx context.Context, shards []string) error {
		return o.planned(ctx, func(a *admin.Admin) ([]admin.Change, error) { return a.Release(ctx, shards) })
	})
	o.declareYes(c)
	o.declareForce(c, "")
	return c
}
