package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
)

func leasesImportCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	var from string
	var wait time.Duration
	c := o.command(&cobra.Command{
		Use:   "import FILE | --from TABLE",
		Short: "Begin where an export, or another library, stopped",
		Long: "Begin where an export stopped, or the table of vmware-go-kcl or of a KCL for Java 1 to 3. That table " +
			"is read twice, --wait apart, and refused if a lease moved. Rows that cannot be read are named, and " +
			"nothing is changed; --force leaves them out and imports the others, and ends with 1.",
		Example: "kinesis-alerter leases import progress.json --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases import --from old-table --wait 30s --config kinesis-alerter.yaml",
		Args: func(c *cobra.Command, args []string) error {
			if (from == "") == (len(args) == 0) {
				return usage(c, "what? a FILE that leases export wrote, or --from TABLE")
			}
			return mostOne(c, args)
		},
	}, func(ctx context.Context, args []string) error {
		if from != "" {
			if wait <= 0 { // a lease that moves would not be seen
				return config.UsageError("leases: --wait " + wait.String() +
					": want more than the lease duration of that table")
			}
			return o.importTable(ctx, from, wait)
		}
		return o.importFile(ctx, args[0])
	})
	c.Flags().StringVar(&from, "from", "", "the `TABLE` of vmware-go-kcl or of a KCL for Java")
	c.Flags().DurationVar(&wait, "wait", 10*time.Second,
		"with --from: how long that table must not move; more than its lease `DURATION`")
	o.declareYes(c)
	o.declareForce(c, ", and leave out rows that cannot be read")
	return c
}

// importFile imports what leases export wrote.
func (o *operator) importFile(ctx context.Context, file string) error {
	var from admin.Export
	text, err := config.ReadFile(ctx, file, config.MostExport)
	if err != nil {
		return fmt.Errorf("leases import: %s: %w", file, err)
	}
	if bytes.Count(text, []byte("{")) > config.MostExportRows { // three bytes would make a row of two hundred
		return fmt.Errorf("leases import: %s has more than %d rows, which no application has", file,
			config.MostExportRows)
	}
	if err := json.Unmarshal(text, &from); err != nil {
		return fmt.Errorf("leases import: %s is no file that leases export wrote: %w", file, err)
	}
	a, err := o.admin(ctx, true)
	if err != nil {
		return err
	}
	plan, err := a.Import(ctx, from)
	if err != nil {
		return err
	}
	return o.changeByPlan(ctx, a, plan)
}

// importTable imports the progress of another library.
func (o *operator) importTable(ctx context.Context, from string, wait time.Duration) error {
	a, err := o.admin(ctx, true)
	if err != nil {
		return err
	}
	if !o.program.terminal {
		_, _ = plain.Fprintf(o.program.stderr, "watching table %s for %s\n", from, wait)
	}
	done := o.program.during(ctx, fmt.Sprintf("watching table %s for %s", from, wait))
	plan, err := a.ImportTable(ctx, from, wait)
	done()
	if err != nil {
		return err
	}
	return o.changeByPlan(ctx, a, plan)
}

// changeByPlan makes an import. With rows that cannot be imported it refuses, or leaves them out if it is forced.
func (o *operator) changeByPlan(ctx context.Context, a *admin.Admin, plan admin.ImportPlan) error {
	to := o.program.stdout
	if o.json {
		to = o.program.stderr
	}
	for _, note := range plan.Notes {
		_, _ = plain.Fprintln(to, note)
	}
	if len(plan.Faults) == 0 {
		return o.change(ctx, a, plan.Changes)
	}
	if !o.force {
		return o.refused(plan.Changes, &admin.ImportError{Faults: plan.Faults})
	}
	return errors.Join(o.change(ctx, a, plan.Changes), &admin.ImportError{Faults: plan.Faults, LeftOut: true})
}
