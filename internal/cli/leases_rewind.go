package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/config"
)

func leasesRewindCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	var to string
	c := o.command(&cobra.Command{
		Use:   "rewind SHARD... | --all --to TIME",
		Short: "Read shards again from a time, and publish again",
		Long: "Read shards again from a time, and publish again what the rules make of their records. The " +
			"generation of each shard goes up, so the alerts have new ids, and a FIFO topic does not take " +
			"them for repetitions. With --to latest, or a time that a shard has not reached, records are skipped: it " +
			"says how many hours of each shard, before it asks. The rules of the shards start with an empty " +
			"memory: a key " +
			"that fires gets its end soon, unless it fires again before. The gentle way is pause, " +
			"rewind, resume: a shard of a worker that is " +
			"alive is left alone, unless --force is given.",
		Example: "kinesis-alerter leases rewind 0002 --to -2h --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases rewind shardId-000000000002 --to 2026-11-22T09:00:00Z " +
			"--config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases rewind --all --to trim_horizon --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases rewind --all --to latest --config kinesis-alerter.yaml",
		Args: func(c *cobra.Command, args []string) error {
			if err := o.shards(c, args); err != nil {
				return err
			}
			_, err := o.rewindTo(to)
			return err
		},
	}, func(ctx context.Context, shards []string) error {
		start, err := o.rewindTo(to)
		if err != nil {
			return err
		}
		return o.planned(ctx, func(a *admin.Admin) ([]admin.Change, error) { return a.Rewind(ctx, shards, start) })
	})
	c.Flags().StringVar(&to, "to", "", "to this `TIME` ("+timeHelp+"), trim_horizon, or latest; required")
	values(c, "to", "latest", "trim_horizon", "-5m", "-1h")
	o.declareAll(c)
	o.declareYes(c)
	o.declareForce(c, "")
	return c
}

// rewindTo is what --to says. Latest is the present: a row without a time would begin where the application does.
func (o *operator) rewindTo(text string) (checkpoint.Start, error) {
	to, err := start(text, o.program.now())
	switch {
	case err != nil:
		return to, config.UsageError(fmt.Sprintf("leases rewind: --to %q: %v, or trim_horizon or latest", text,
			errTime))
	case to.Kind == checkpoint.StartLatest:
		return checkpoint.Start{Kind: checkpoint.StartTime, Time: o.program.now().Truncate(time.Second)}, nil
	case to.Kind == checkpoint.StartTime && to.Time.After(o.program.now()):
		return to, config.UsageError(fmt.Sprintf("leases rewind: --to %s: is in the future, and nothing was there yet",
			text))
	}
	return to, nil
}
