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
		if wait < 0 {
			return config.UsageError("leases: --wait " + wait.String() + ": cannot be negative; 0 is not to wait")
		}
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

// drained waits until the workers have let paused shards go, and says meanwhile what is left. A dead worker lets none
// go: that is no drain.
func (o *operator) drained(ctx context.Context, a *admin.Admin, shards []string, wait time.Duration) error {
	began, said := o.program.now(), o.program.now()
	for {
		owned, err := a.Draining(ctx, shards)
		if err != nil {
			return fmt.Errorf("the shards are paused; whether they are drained is not known: %w", err)
		}
		now := o.program.now()
		dead, left := parted(owned, func(r admin.LeaseRow) bool { return r.Silent })
		if len(left) == 0 || now.Sub(began) >= wait {
			return o.drainEnd(ctx, a, dead, left, now.Sub(began), wait)
		}
		if now.Sub(said) >= drainWord {
			said = now
			_, _ = plain.Fprintf(o.program.stderr, "draining %s: %s\n", config.Plural(len(left), "shard"),
				holders(left, now))
		}
		if !sleep.For(ctx, drainLook) {
			return fmt.Errorf("the shards are paused, and not drained yet: %w", context.Cause(ctx))
		}
	}
}

// drainEnd says how a pause ended: drained, not yet, or never, where the worker is dead.
func (o *operator) drainEnd(ctx context.Context, a *admin.Admin, dead, left []admin.LeaseRow,
	took, wait time.Duration,
) error {
	if len(left) > 0 {
		done := o.program.during(ctx, "looking which workers are alive")
		alive, err := a.Alive(ctx, left)
		done()
		if err != nil {
			return fmt.Errorf("the shards are paused, and not drained yet: %w", err)
		}
		var gone []admin.LeaseRow
		gone, left = parted(left, func(r admin.LeaseRow) bool { return !alive[r.Owner] })
		dead = append(dead, gone...)
	}
	now := o.program.now()
	var errs []error
	if len(dead) > 0 {
		errs = append(errs, errors.New(config.Plural(len(dead), "shard")+" paused and not drained, because the worker "+
			"is dead: "+holders(dead, now)+". Nobody reads them now. leases resume lets another worker read them from "+
			"their checkpoints: no record is lost, and those since the checkpoint are published again"))
	}
	if len(left) > 0 {
		errs = append(errs, errors.New(config.Plural(len(left), "shard")+" paused and not drained after "+
			wait.String()+": "+holders(left, now)+". What was read is published first; the status page of the worker "+
			"says what keeps it. The pause stays: repeat the command to wait on, or take the shard back with leases "+
			"resume"))
	}
	if errs == nil && took >= drainWord {
		_, _ = plain.Fprintf(o.program.stderr, "drained after %s\n", took.Round(time.Second))
	}
	if errs == nil && !o.json {
		_, _ = plain.Fprintln(o.program.stdout,
			"drained and released: leases rewind is possible now, and leases resume "+
				"continues")
	}
	return errors.Join(errs...)
}

// parted splits rows into those that match and the others.
func parted(rows []admin.LeaseRow, match func(admin.LeaseRow) bool) (yes, no []admin.LeaseRow) {
	for i := range rows {
		if match(rows[i]) {
			yes = append(yes, rows[i])
		} else {
			no = append(no, rows[i])
		}
	}
	return yes, no
}

// holders names shards with their workers.
func holders(rows []admin.LeaseRow, now time.Time) string {
	held := make([]string, len(rows))
	for i := range rows {
		held[i] = fmt.Sprintf("%s by %s, caught up %s", rows[i].Shard, rows[i].Owner, age(now, rows[i].CaughtUp))
	}
	return strings.Join(held, "; ")
}
