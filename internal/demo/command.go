package demo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"kinesis-alerter/internal/screen"
)

// options are the demo's flags.
type options struct {
	limit   time.Duration
	verbose bool
	outputs bool
}

const usage = `What the daemon does, as a story of about a minute.

Usage: make demo ARGS="...", or demo ...

  --for DURATION   end after so much of the story, with the chapters that fit, and
                   say which were left out; until Ctrl-C if left out
  --outputs        have every record written to a second stream, and count that, too
  --verbose        show the log of both workers on standard error
  --serve          no story: the emulator alone, see demo --serve --help

It ends with 1 if an alert, or a record of the second stream, was lost.
`

// Main runs the demo with these arguments and returns the exit code: 0, 1 for a failure or a lost alert, 2 for wrong
// usage.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == workerCommand {
		return runWorker(ctx, os.Stdin, stdout, stderr)
	}
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { _, _ = fmt.Fprint(stderr, usage) }
	var o options
	fs.DurationVar(&o.limit, "for", 0, "")
	fs.BoolVar(&o.outputs, "outputs", false, "")
	fs.BoolVar(&o.verbose, "verbose", false, "")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() > 0 || o.limit < 0:
		_, _ = fmt.Fprintln(stderr, "demo: want no arguments, and --for 0s or longer; see --help")
		return 2
	}
	d := newDemo(o, screen.New(stdout, os.LookupEnv))
	if o.outputs {
		d.withOutputs()
	}
	stage, err := newProcesses(ctx, d, stderr)
	if err == nil {
		err = errors.Join(d.run(ctx, stage), stage.close())
	}
	if o.outputs {
		concludeOutputs(d.screen, d.ledger.outputs.count())
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "demo:", err)
		return 1
	}
	return 0
}
