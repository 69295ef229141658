package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/sleep"
)

func leasesPauseCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	var wait time.Duration
	c := o.command(&cobra.Command{
		Use:   "pause SHARD... | --all",
		Short: "Have shards drained, and read by no worker",
		Long: "The worker of each shard drains it and lets it go; nothing is repeated, and no worker takes it until " +
			"leases resume. The command ends when they have done so: then the shards can be rewound.",
		Example: "kinesis-alerter leases pause 0002 --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases pause --all --yes --config kinesis-alerter.yaml",
		Args: o.shards,
	}, func(ctx context.Context, shards []string) error {
		var table *admin.Admin
		err := o.planned(ctx, func(a *admin.Admin) ([]admin.Change, error) {
			table = a
			return a.Pause(ctx, shards)
		})
		if err != nil || wait <= 0 {
			return err
		}
		return o.drained(ctx, table, shards, wait)
	})
	c.Flags().DurationVar(&wait, "wait", 2*time.Minute, "wait so long until the shards are drained; 0 is not at all")
	o.declareAll(c)
	o.declareYes(c)
	return c
}

// drainLook is how often a pause looks whether the shards are drained, and drainWord how often it says that they are
// not.
const (
	drainLook = 500 * time.Millisecond
	drainWord = 2 * time.Second
)

// drained waits until the workers have let paused shards go, and says meanwhile what is left.
func (o *operator) drained(ctx context.Context, a *admin.Admin, shards []string, wait time.Duration) error {
	began, said := o.program.now(), o.program.now()
	for {
		left, err := a.Draining(ctx, shards)
		if err != nil {
			return fmt.Errorf("the shards are paused; whether they are drained is not known: %w", err)
		}
		now := o.program.now()
		if len(left) == 0 {
			if now.Sub(began) >= drainWord {
				_, _ = plain.Fprintf(o.program.stderr, "drained after %s\n", now.Sub(began).Round(time.Second))
			}
			if !o.json {
				_, _ = plain.Fprintln(o.program.stdout, "drained and released: leases rewind is possible now, and "+
					"leases resume continues")
			}
			return nil
		}
		held := make([]string, len(left))
		for i := range left {
			held[i] = fmt.Sprintf("%s by %s, caught up %s", left[i].Shard, left[i].Owner, age(now, left[i].CaughtUp))
		}
		if now.Sub(began) >= wait {
			return errors.New(config.Plural(len(left), "shard") + " paused and not drained after " + wait.String() +
				": " +
				strings.Join(held, "; ") + ". What was read is published first; the status page of the worker says " +
				"what " +
				"keeps it. The pause stays: repeat the command to wait on, or take the shard back with leases resume")
		}
		if now.Sub(said) >= drainWord {
			said = now
			_, _ = plain.Fprintf(o.program.stderr, "draining %s: %s\n", config.Plural(len(left), "shard"),
				strings.Join(held, "; "))
		}
		if !sleep.For(ctx, drainLook) {
			return fmt.Errorf("the shards are paused, and not drained yet: %w", context.Cause(ctx))
		}
	}
}
