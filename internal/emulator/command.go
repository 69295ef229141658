package emulator

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// DefaultListen is where emulators of AWS are expected.
const DefaultListen = "127.0.0.1:4566"

// options are the emulator's flags.
type options struct {
	listen  string
	stream  string
	shards  int
	topic   string
	email   string
	limits  bool
	limit   time.Duration
	envFile string
}

// Main runs the emulator with these arguments and returns the exit code: 0, 1 for a failure, 2 for wrong usage.
func Main(
	ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer,
) int {
	fs := flag.NewFlagSet("demo --serve", flag.ContinueOnError)
	fs.SetOutput(stderr)
	var o options
	fs.StringVar(&o.listen, "listen", DefaultListen, "`ADDRESS` to serve on")
	fs.StringVar(&o.stream, "stream", "records", "`NAME` of the stream that is ready")
	fs.IntVar(&o.shards, "shards", 1, "`NUMBER` of its shards")
	fs.StringVar(&o.topic, "topic", "alerts", "`NAME` of the topic that is ready")
	fs.StringVar(&o.email, "email", "you@example.com", "`ADDRESS` that reads the topic; nothing is sent to it")
	fs.BoolVar(&o.limits, "limits", false,
		"limit each shard as AWS does: 5 reads, 2 MiB read, 1,000 records and 1 MiB put a second")
	fs.DurationVar(&o.limit, "for", 0, "end by itself after this `DURATION` (default at Ctrl-C)")
	fs.StringVar(&o.envFile, "env-file", besideProgram("emulator.env"),
		"`FILE` that is written, for a shell to read with the command \".\"; empty for none")
	fs.Usage = func() {
		_, _ = fmt.Fprint(stderr, "Emulated Kinesis, DynamoDB, SNS, SQS and S3 on one address, with a page that shows "+
			"what subscribers get.\n\nUsage: make emulator ARGS=\"...\", or demo --serve ...\n\n")
		fs.PrintDefaults()
	}
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case o.shards < 1 || o.shards > 500:
		err = errors.New("--shards: want 1 to 500")
	case o.limit < 0:
		err = errors.New("--for cannot be negative")
	default:
		if _, _, malformed := net.SplitHostPort(o.listen); malformed != nil {
			err = fmt.Errorf("--listen %s: want HOST:PORT, as in %s", o.listen, DefaultListen)
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "emulator: %v; see make emulator ARGS=--help\n", err)
		return 2
	}
	if err := newEmulator(o, env, stdout).run(ctx); err != nil {
		_, _ = fmt.Fprintln(stderr, "emulator:", err)
		return 1
	}
	return 0
}

// besideProgram is a file in the folder of this binary, as the user would write it from here.
func besideProgram(name string) string {
	program, err := os.Executable()
	if err != nil {
		return name
	}
	file := filepath.Join(filepath.Dir(program), name)
	here, _ := os.Getwd()
	if relative, err := filepath.Rel(here, file); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return cmp.Or(file, name)
}
