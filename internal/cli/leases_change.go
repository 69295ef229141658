package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
)

// planned plans a change, shows it, and makes it.
func (o *operator) planned(ctx context.Context, plan func(*admin.Admin) ([]admin.Change, error)) error {
	a, err := o.admin(ctx, false)
	if err != nil {
		return err
	}
	done := o.program.during(ctx, "looking which workers are alive")
	changes, err := plan(a)
	done()
	if err != nil {
		return err
	}
	return o.change(ctx, a, changes)
}

// change shows the changes, asks, and makes them.
func (o *operator) change(ctx context.Context, a *admin.Admin, changes []admin.Change) error {
	if len(changes) == 0 {
		if o.json {
			return o.program.printJSON(changesJSON(nil, nil))
		}
		_, err := plain.Fprintln(o.program.stdout, "nothing to change")
		return err
	}
	if !o.json {
		if err := writeChanges(o.program.results(), changes, o.force); err != nil {
			return err
		}
	}
	if live := slices.IndexFunc(changes, func(c admin.Change) bool { return c.Live }); live >= 0 && !o.force {
		return o.refused(changes, fmt.Errorf("nothing was changed: %w", changes[live].Refusal()))
	}
	if err := o.confirm(ctx, len(changes)); err != nil {
		return o.refused(changes, err)
	}
	done := o.program.during(ctx, "making the changes")
	made, err := a.Apply(ctx, changes, o.force)
	done()
	if o.json {
		return errors.Join(o.program.printJSON(changesJSON(changes, made)), err)
	}
	what := "changed"
	if changes[0].Verb == admin.VerbPause {
		what = "paused"
	}
	_, _ = plain.Fprintf(o.program.stdout, "%d of %d %s\n", len(made), len(changes), what)
	return err
}

// refused shows a program what it would have changed; people have seen it already.
func (o *operator) refused(changes []admin.Change, why error) error {
	if o.json {
		return errors.Join(o.program.printJSON(changesJSON(changes, nil)), why)
	}
	return why
}

// confirm asks the operator to type yes.
func (o *operator) confirm(ctx context.Context, n int) error {
	if o.yes {
		return nil
	}
	if o.program.answers == nil || o.json {
		return config.UsageError("leases: nothing was changed; repeat the command with --yes to make these changes")
	}
	_, _ = plain.Fprintf(o.program.stderr, "make %s? type yes: ",
		cmp.Or(map[int]string{1: "this change"}[n], fmt.Sprintf("these %d changes", n)))
	answer, err := typedLine(ctx, bufio.NewReader(o.program.answers))
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("leases: nothing was changed: %w", err)
	}
	if answer != "yes" {
		return config.UsageError("leases: not confirmed, nothing was changed; give --yes without a terminal")
	}
	return nil
}
