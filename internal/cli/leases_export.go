package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"kinesis-alerter/internal/plain"
)

func leasesExportCommand(p *program) *cobra.Command {
	o := &operator{program: p}
	return o.command(&cobra.Command{
		Use:   "export [FILE]",
		Short: "Write the progress of the application as JSON",
		Long: "Write the progress of the application as JSON, to a new file or to standard output. leases " +
			"import reads it into the same table, or another one for the same stream.",
		Example: "kinesis-alerter leases export progress.json --config kinesis-alerter.yaml",
		Args: func(c *cobra.Command, args []string) error {
			if o.table != "" {
				return usage(c, "needs --config: where shards without a checkpoint start is not in the table")
			}
			return mostOne(c, args)
		},
	}, o.export)
}

// mostOne refuses more than one argument.
func mostOne(c *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return usage(c, "unexpected argument %q", args[1])
}

func (o *operator) export(ctx context.Context, args []string) error {
	a, err := o.admin(ctx, false)
	if err != nil {
		return err
	}
	out, err := a.Export(ctx, o.program.now())
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return o.program.printJSON(out)
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	// An export is what saves an application, so it never replaces one.
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("leases export: %w; export does not overwrite a file", err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("leases export: %w", err)
	}
	_, err = plain.Fprintf(o.program.stdout, "%d shards of table %s exported to %s\n", len(out.Shards), out.Table,
		args[0])
	return err
}
