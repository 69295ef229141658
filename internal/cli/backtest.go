package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/rehearse"
)

// backtester carries out the command rules backtest.
type backtester struct {
	source configFlags

	against, from, to, svg string

	archive    []string
	every      time.Duration
	fast, json bool

	program *program
}

func backtestCommand(p *program) *cobra.Command {
	x := &backtester{program: p}
	c := &cobra.Command{
		Use:   "backtest --from TIME | --archive FILE...",
		Short: "Try rules on the records of a stream or of an archive",
		Long: "Try rules on the records that a stream retains or an archive has: alerts by rule, hour and " +
			"topic, messages after rates and digests. Nothing is published, and no lease is taken. A " +
			"stream is read at no more than 1 MB/s a shard, so that other readers are not starved; --fast " +
			"takes all. It needs kinesis:ListShards, GetShardIterator and GetRecords.",
		Example: "kinesis-alerter rules backtest --config kinesis-alerter.yaml --from -24h\n" +
			"kinesis-alerter rules backtest --config new.yaml --against old.yaml --from -2h --to -1h\n" +
			"kinesis-alerter rules backtest --config kinesis-alerter.yaml --archive monday.jsonl.gz tuesday.jsonl.gz",
		RunE: func(c *cobra.Command, args []string) error {
			if len(x.archive) > 0 {
				x.archive, args = append(x.archive, args...), nil
			}
			if len(args) > 0 {
				return usage(c, "unexpected argument %q; files with records follow --archive", args[0])
			}
			return x.Run(c.Context())
		},
	}
	x.declare(c.Flags())
	declareJSON(c, &x.json)
	return c
}

func (x *backtester) declare(fs *pflag.FlagSet) {
	x.source.declareSource(fs)
	fs.StringVar(&x.against, "against", "", "the configuration `FILE` with the rules to compare with")
	fs.StringVar(&x.from, "from", "",
		"read the stream from this `TIME` on ("+timeHelp+")")
	fs.StringVar(&x.to, "to", "", "read the stream up to this `TIME` (default now)")
	fs.StringArrayVar(&x.archive, "archive", nil,
		"instead of the stream: a `FILE` with a JSON record a line, .gz is unpacked; more may follow")
	fs.DurationVar(&x.every, "every", time.Second,
		"the `TIME` between records of an archive that do not carry their own")
	fs.BoolVar(&x.fast, "fast", false,
		"read 4 times a second and all that a shard gives, which slows other readers down")
	fs.StringVar(&x.svg, "svg", "",
		"write a plot of values and alerts over time to this `FILE`, whose name ends with .svg")
}

func (x *backtester) Run(ctx context.Context) error {
	from, to, err := x.check()
	if err != nil {
		return err
	}
	loaded, err := x.source.Load(ctx, x.program)
	if err != nil {
		return err
	}
	var against *config.LoadedConfig
	if x.against != "" {
		if against, err = x.program.loadFile(ctx, x.against); err != nil {
			return err
		}
	}
	b, err := rehearse.NewBacktest(loaded, against)
	if err != nil {
		return err
	}
	b.Report.Against = x.against
	source, err := x.records(ctx, loaded, from, to)
	if err != nil {
		return err
	}
	if x.svg != "" {
		if filepath.Ext(x.svg) != ".svg" { // a slip of the fingers must not replace the configuration
			return config.UsageError("rules backtest: --svg " + x.svg + ": want a name that ends with .svg")
		}
		file, err := config.CreateFile(x.svg, 0o644) // now: not to find out after hours of reading
		if err != nil {
			return config.UsageError(fmt.Sprintf("rules backtest: --svg %s: %v", x.svg, err))
		}
		defer file.Close() //nolint:errcheck // written and closed below; this is for ways out with another error
		b.Plot = rehearse.NewBacktestPlot(loaded)
		return x.finish(ctx, b, source, file)
	}
	return x.finish(ctx, b, source, nil)
}

// finish reads the source to its end, or as far as that is possible, and prints what was found.
func (x *backtester) finish(ctx context.Context, b *rehearse.Backtest, source rehearse.BacktestSource,
	svg *os.File,
) error {
	bar := rehearse.NewProgressBar(x.program.console, x.program.terminal, x.program.now)
	failed := source.Run(ctx, b, bar)
	bar.Clear()
	b.End(ctx, source, failed == nil)
	if err := b.Settle(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("rules backtest: %w", err)
	}
	switch {
	case failed == nil:
	case ctx.Err() != nil:
		b.Report.Incomplete = "interrupted"
	case b.Report.Records == 0 && b.Report.BadLines == 0: // there is nothing to report
		return fmt.Errorf("rules backtest: %w", failed)
	default:
		b.Report.Incomplete = failed.Error()
	}
	b.Report.Width = x.program.out.width
	if err := b.Report.Print(x.program.stdout, x.json); err != nil {
		return err
	}
	if svg != nil {
		err := b.Plot.Write(svg)
		if err = errors.Join(err, svg.Close()); err != nil {
			return fmt.Errorf("rules backtest: %w", err)
		}
	}
	switch {
	case failed == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("rules backtest: interrupted after %s", config.Plural(b.Report.Records, "record"))
	}
	return fmt.Errorf("rules backtest: %w", failed)
}

// check returns what is wrong with the command line, and from when to when the stream is to be read.
func (x *backtester) check() (from, to time.Time, err error) {
	bad := func(text string, values ...any) error {
		return config.UsageError("rules backtest: " + fmt.Sprintf(text, values...))
	}
	switch {
	case x.from == "" && len(x.archive) == 0:
		return from, to, bad("which records? give --from TIME, for what the stream retains, or --archive FILE")
	case x.from != "" && len(x.archive) > 0:
		return from, to, bad("give either --from, for the stream, or --archive")
	case len(x.archive) > 0 && (x.to != "" || x.fast):
		return from, to, bad("--to and --fast go with --from; an archive is read as a whole")
	case x.every <= 0:
		return from, to, bad("--every %s: want a duration above 0", x.every)
	case len(x.archive) > 0:
		return from, to, nil
	}
	now := x.program.now().UTC()
	to = now
	if from, err = instant(x.from, now); err != nil {
		return from, to, bad("--from %s: %v", x.from, err)
	}
	if x.to != "" {
		if to, err = instant(x.to, now); err != nil {
			return from, to, bad("--to %s: %v", x.to, err)
		}
	}
	switch {
	case from.After(now):
		return from, to, bad("--from %s: is in the future, and nothing was there yet", x.from)
	case !from.Before(to):
		return from, to, bad("--to %s: is not after --from %s", cmp.Or(x.to, "now"), x.from)
	}
	return from, to, nil
}

func (x *backtester) records(ctx context.Context, loaded *config.LoadedConfig, from,
	to time.Time,
) (rehearse.BacktestSource, error) {
	if len(x.archive) > 0 {
		parts := loaded.Parts()
		text := parts.Alert.Format == alert.FormatText || len(loaded.Rules) == 0
		return &rehearse.ArchiveSource{Files: x.archive, Every: x.every, Text: text}, nil
	}
	cfg, err := x.program.loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	s := &rehearse.StreamSource{
		Client: daemon.NewClients(cfg, prometheus.NewRegistry(), nil).
			Of(loaded.Stream.ARN, loaded.StreamRole()).Kinesis,
		Stream: loaded.Parts().Consumer, From: from, To: to,
		Interval: time.Second, BytesPerSecond: rehearse.ShardReadRate / 2,
		Trouble: x.program.reading("rules backtest"),
	}
	if x.fast {
		s.Interval, s.BytesPerSecond = time.Second/4, rehearse.ShardReadRate
	}
	return s, nil
}
