package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// options are the demo's flags.
type options struct {
	limit   time.Duration
	rate    float64
	shards  int
	verbose bool
}

// Main runs the demo with these arguments and returns the exit code: 0, 1 for a failure, 2 for wrong usage.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.SetOutput(stderr)
	var o options
	fs.DurationVar(&o.limit, "for", 0, "end by itself after this `DURATION` (default at Ctrl-C)")
	fs.Float64Var(&o.rate, "rate", 100, "heart-rate `RECORDS` per second; one in a hundred alerts")
	fs.IntVar(&o.shards, "shards", 4, "`NUMBER` of shards of the stream")
	fs.BoolVar(&o.verbose, "verbose", false, "show the daemon's log on standard error")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() > 0 || o.rate <= 0 || o.rate > 900 || o.shards < 1 || o.shards > 100 || o.limit < 0:
		// One record in a hundred alerts, and SNS switches e-mail subscriptions off that get more than ten a second.
		_, _ = fmt.Fprintln(stderr, "demo: want no arguments, --rate up to 900, --shards from 1 to 100; see --help")
		return 2
	}
	if err := newDemo(o, stdout, stderr).run(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}
