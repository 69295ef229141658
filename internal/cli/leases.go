package cli

import (
	"context"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/daemon"
)

// operator carries out one leases command.
type operator struct {
	config, table, stream string
	json, yes, force, all bool

	program *program
}

func leasesCommand(p *program) *cobra.Command {
	c := group(&cobra.Command{
		Use:     "leases",
		Short:   "Look at the lease table, and operate it beside the running workers",
		GroupID: groupOperate,
		Long: "Look at the lease table, and operate it beside the running workers, which notice a change within a " +
			"second. Every change is shown first, and made with --yes or when you type yes on a terminal. A shard " +
			"is named by its id, or by a suffix that no other has, as the status page shows it: 0002.",
		Example: "kinesis-alerter leases list --config kinesis-alerter.yaml\n" +
			"kinesis-alerter leases pause 0002 --config kinesis-alerter.yaml",
	})
	c.AddCommand(
		leasesListCommand(p),
		leasesPauseCommand(p),
		leasesResumeCommand(p),
		leasesRewindCommand(p),
		leasesReleaseCommand(p),
		leasesResetCommand(p),
		leasesExportCommand(p),
		leasesImportCommand(p),
	)
	return c
}

// command adds to a command on the lease table the flags that all of them have, what is wrong with these, and what
// runs. The flags that only some have are declared by them.
func (o *operator) command(c *cobra.Command, run func(context.Context, []string) error) *cobra.Command {
	fs := c.Flags()
	declareConfig(fs, &o.config)
	fs.StringVar(&o.table, "table", "", "without a file: the `NAME` of the lease table")
	fs.StringVar(&o.stream, "stream", "",
		"without a file: the stream's `NAME` or ARN (default the one that the table is about)")
	declareJSON(c, &o.json)
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		switch {
		case o.config != "" && o.table != "":
			return usage(c, "give either --config, or --table")
		case o.table == "" && o.stream != "":
			return usage(c, "the stream is in the file; give --stream with --table only")
		}
		if err := check(c, args); err != nil || o.table != "" {
			return err
		}
		var err error
		o.config, err = o.program.configFile(o.config, "--table NAME")
		return err
	}
	c.RunE = func(c *cobra.Command, args []string) error { return run(c.Context(), args) }
	return c
}

// declareYes declares the flag of every command that changes something.
func (o *operator) declareYes(c *cobra.Command) {
	c.Flags().BoolVar(&o.yes, "yes", false, "make the changes without asking")
}

func (o *operator) declareForce(c *cobra.Command, also string) {
	c.Flags().BoolVar(&o.force, "force", false, "also take shards from workers that are alive"+also)
}

func (o *operator) declareAll(c *cobra.Command) {
	c.Flags().BoolVar(&o.all, "all", false, "every shard")
}

// shards checks the arguments of a command on shards, some of which have --all instead.
func (o *operator) shards(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 && c.Flags().Lookup("all") == nil:
		return usage(c, "which shards?")
	case len(args) == 0 && !o.all:
		return usage(c, "which shards? name them, or give --all")
	case len(args) > 0 && o.all:
		return usage(c, "give either shards or --all")
	}
	return nil
}

// admin opens the table.
func (o *operator) admin(ctx context.Context, create bool) (*admin.Admin, error) {
	c, deps, err := o.parts(ctx)
	if err != nil {
		return nil, err
	}
	return checkpoint.NewAdmin(ctx, c, deps, create && (c.StreamName != "" || c.StreamARN != ""))
}

// Parts says which table of which stream it is, and by what it is reached.
func (o *operator) parts(ctx context.Context) (checkpoint.Config, checkpoint.Deps, error) {
	c := checkpoint.Config{Application: o.table, StreamName: o.stream}
	if strings.HasPrefix(o.stream, "arn:") {
		c.StreamName, c.StreamARN = "", o.stream
	}
	var role credentials.Role
	if o.config != "" {
		loaded, err := o.program.checkFile(ctx, o.config)
		if err != nil {
			return c, checkpoint.Deps{}, err
		}
		c, role = loaded.Parts().Checkpoint, loaded.StreamRole()
	}
	aws, err := o.program.loadAWS(ctx) // after the files: their faults need no AWS
	if err != nil {
		return c, checkpoint.Deps{}, err
	}
	reg := prometheus.NewRegistry()
	clients := daemon.NewClients(aws, reg, nil).Of(c.StreamARN, role)
	return c, checkpoint.Deps{
		DynamoDB: clients.DynamoDB, Stream: clients.Kinesis, Log: zap.NewNop(), Registerer: reg,
	}, nil
}
