package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/status"
)

// resetJSON is a reset as --json prints it. The names are stable.
type resetJSON struct {
	Table      string           `json:"table"`
	Old        string           `json:"old_stream_arn"`
	OldCreated time.Time        `json:"old_stream_created"`
	Stream     string           `json:"stream_arn"`
	Created    time.Time        `json:"stream_created"`
	To         checkpoint.Start `json:"to"`
	Shards     int              `json:"shards"`
	Gone       []string         `json:"gone"`
	Live       []string         `json:"live_workers"`
	Made       bool             `json:"made"`
}

func leasesResetCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	var to string
	c := o.command(&cobra.Command{
		Use:   "reset",
		Short: "Begin a stream that was deleted and created again",
		Long: "Begin a stream that was deleted and created again (the daemon ends with \"lease table " +
			"belongs to another stream\") at its first record, whatever stream.start says. Progress and " +
			"memory of the old stream are dropped. With --to latest or a time it says what is skipped. " +
			"Refused while workers are alive on the table.",
		Example: "kinesis-alerter leases reset --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases reset --to latest --config kinesis-alerter.yaml",
		Args: func(c *cobra.Command, args []string) error {
			if err := noArguments(c, args); err != nil {
				return err
			}
			_, err := o.resetTo(to)
			return err
		},
	}, func(ctx context.Context, _ []string) error {
		start, err := o.resetTo(to)
		if err != nil {
			return err
		}
		return o.reset(ctx, start)
	})
	c.Flags().StringVar(&to, "to", "trim_horizon", "begin at this `TIME` ("+timeHelp+"), trim_horizon, or latest")
	values(c, "to", "latest", "trim_horizon", "-5m", "-1h")
	o.declareYes(c)
	o.declareForce(c, "")
	return c
}

// resetTo is what --to says.
func (o *operator) resetTo(text string) (checkpoint.Start, error) {
	to, err := start(text, o.program.now())
	if err != nil {
		return to, config.UsageError(fmt.Sprintf("leases reset: --to %q: %v, or trim_horizon or latest", text, err))
	}
	return to, nil
}

// reset begins a stream that was deleted and created again.
func (o *operator) reset(ctx context.Context, to checkpoint.Start) error {
	c, deps, err := o.parts(ctx)
	if err != nil {
		return err
	}
	done := o.program.during(ctx, "looking at the table and the stream")
	r, err := checkpoint.NewReset(ctx, c, deps, to)
	done()
	if err != nil {
		return err
	}
	out := resetJSON{
		Table: r.Table, Old: r.Old, OldCreated: r.OldCreated, Stream: r.Stream, Created: r.Created, To: r.To,
		Shards: len(r.Changes),
		Gone:   append([]string{}, r.Gone...), Live: append([]string{}, r.Live...),
	}
	if !o.json {
		o.describeReset(r)
	}
	if err = o.confirm(ctx, len(r.Changes)+len(r.Gone)+1); err == nil {
		done = o.program.during(ctx, "looking which workers are alive, and making the changes")
		err = r.Apply(ctx, o.force)
		done()
	}
	out.Made = err == nil
	switch {
	case o.json:
		if printed := o.program.printJSON(out); err == nil {
			err = printed
		}
	case err == nil:
		_, err = plain.Fprintln(o.program.stdout, "reset; start the workers")
	}
	return err
}

// describeReset says what a reset does, and what it skips.
func (o *operator) describeReset(r *admin.Reset) {
	say := func(format string, args ...any) { _, _ = plain.Fprintf(o.program.stdout, format+"\n", args...) }
	say("table %s is about %s, created %s", r.Table, r.Old, r.OldCreated.Format(time.RFC3339))
	say("the stream is   %s, created %s", r.Stream, r.Created.Format(time.RFC3339))
	switch r.To.Kind {
	case checkpoint.StartLatest:
		say("it begins with what arrives from now on: every record that was put since %s is SKIPPED and makes no "+
			"alert; without --to latest they are read",
			r.Created.Format(time.RFC3339))
	case checkpoint.StartTime:
		say("it begins at %s; records that arrived before that are SKIPPED and make no alert", r.To)
	case checkpoint.StartTrimHorizon:
		say("it begins at its first record")
	}
	say("progress and memory of the old stream are dropped: %s of it, %s start again",
		status.Number(len(r.Gone), "shard"), status.Number(len(r.Changes), "row"))
	say("a key that fires now gets no end: close these incidents by hand")
	if len(r.Live) > 0 {
		say("workers are alive on the table: %s", strings.Join(r.Live, ", "))
	}
}
