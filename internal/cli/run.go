package cli

import (
	"cmp"
	"context"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
)

func runCommand(p *program) *cobra.Command {
	var from configFlags
	var o daemon.Options
	c := &cobra.Command{
		Use:     "run",
		Short:   "Read the stream and publish alerts until stopped: the daemon",
		GroupID: groupDaemon,
		Long: "Read the stream, judge its records by the rules, and publish alerts, until SIGINT or " +
			"SIGTERM. The first signal stops in order, the second one at once. SIGHUP, or POST /-/reload, " +
			"reads the configuration file again.",
		Example: "kinesis-alerter run --config kinesis-alerter.yaml\n" +
			"kinesis-alerter run --stream readings --topic-arn arn:aws:sns:us-east-1:123456789012:oncall " +
			"--when 'heartRate > 149'",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return p.run(c.Context(), &from, o) },
	}
	from.declare(c.Flags())
	c.Flags().BoolVar(&o.FailFast, "fail-fast", false,
		"exit with 1 when AWS says at the start that stream, topic or lease table is missing or may not be looked "+
			"at, instead of waiting; refused credentials, and asking for a stream by name, have a minute")
	c.Flags().BoolVar(&o.CreateTable, "create-table", false,
		"create the lease table again if it vanishes while running")
	return c
}

// run runs the daemon.
func (p *program) run(ctx context.Context, from *configFlags, o daemon.Options) error {
	// before the file is read: a change that is announced after that is not missed
	signals, release := daemon.ReloadSignals()
	defer release()
	from.debug = p.verbose
	loaded, err := from.Load(ctx, p)
	if err != nil {
		return err
	}
	// The daemon waits for credentials and for AWS, and says so.
	if o.AWS, err = p.load(ctx); err != nil {
		return config.FieldErrors{{Rule: err.Error()}}
	}
	if limit := daemon.MemoryLimit(os.DirFS("/"), p.env); limit > 0 {
		debug.SetMemoryLimit(limit)
		if value, set := p.env("GOGC"); !set || value == "" {
			debug.SetGCPercent(daemon.BoundedGCPercent)
		}
	}
	hostname, _ := os.Hostname()
	o.Host = cmp.Or(hostname, "worker")
	o.Reload = from.reload(p)
	o.Reloads = signals
	o.Output, o.Loaded = plain.NewWriter(p.output), loaded
	return daemon.Run(ctx, loaded.Config, o)
}
