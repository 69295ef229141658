package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
)

// program is one invocation of the command line, and what its commands reach the world by.
type program struct {
	env            func(string) (string, bool)
	stdout, stderr io.Writer // pass on what is printable, and escape the rest
	// output and console are stdout and stderr as they came, for the lines of the daemon's own writer, and to draw on.
	output, console io.Writer
	// out and errs are the same for what people read; without a terminal they need not be set.
	out, errs screen
	stdin     io.Reader
	stdinRead bool
	// verbose asks to be told what is done.
	verbose bool
	// answers is where a confirmation is typed, or nil without a terminal.
	answers io.Reader
	// terminal reports whether console is one.
	terminal bool
	now      func() time.Time
	// load says how to reach AWS; only commands that call it ask.
	load func(context.Context) (aws.Config, error)
}

// Main runs the command line args, without the program's name, and returns the exit code: 0 clean, 1 failed while
// running, 2 wrong usage or configuration. env looks environment variables up; the AWS SDK reads its own by itself.
// The daemon stops in order when ctx is done.
func Main(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	out, errs := plain.NewWriter(stdout), plain.NewWriter(stderr)
	defer func() { _, _ = out.Flush(), errs.Flush() }()
	p := &program{
		env: env, stdout: out, stderr: errs, output: stdout, console: stderr, stdin: os.Stdin,
		out: newScreen(stdout, env), errs: newScreen(stderr, env),
		terminal: plain.IsTerminal(stderr), now: time.Now, load: daemon.LoadAWS,
	}
	if plain.IsTerminal(os.Stdin) {
		p.answers = os.Stdin
	}
	err := p.Run(ctx, args)
	var usage config.UsageError
	var problems config.FieldErrors
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &usage):
		writeError(p.complaints(), err)
		return ExitUsage
	case errors.As(err, &problems):
		for _, line := range problems.Lines() {
			_, _ = plain.Fprintln(errs, line)
		}
		return ExitUsage
	default:
		writeError(p.complaints(), withCredentials(err))
		return ExitFailed
	}
}

// Run runs a command line.
func (p *program) Run(ctx context.Context, args []string) error {
	root := p.tree() //nolint:contextcheck // each command has the context of ExecuteContext

	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) { // a shell asks, and parses for itself
		root.SetArgs(args)
		return root.ExecuteContext(ctx)
	}
	args, err := resolve(root, args)
	if err != nil {
		return err
	}
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// loadAWS says how to reach AWS, for a command that somebody waits for: what is missing is said before the first call.
// What is wrong with it is a fault of the configuration.
func (p *program) loadAWS(ctx context.Context) (aws.Config, error) {
	cfg, err := p.load(ctx)
	if err == nil {
		err = credentials.Need(ctx, cfg, p.env)
	}
	if err == nil {
		err = daemon.Reach(ctx, cfg, p.env)
	}
	if err != nil {
		return cfg, config.FieldErrors{{Rule: err.Error()}}
	}
	p.note("uses region %s", cfg.Region)
	return cfg, nil
}

// writeError writes an error, the second and later lines of it set back: a text from elsewhere cannot look like a line
// of ours.
func writeError(s screen, err error) {
	lead := s.text(bad, "kinesis-alerter:") + " "
	for _, line := range plain.Lines(err) {
		_, _ = plain.Fprintf(s.w, lead+"%s\n", line)
		lead = "  "
	}
}

// withCredentials says that the credentials are the cause of an error, where they are and its text does not.
func withCredentials(err error) error {
	code, blamed := credentials.Blames(err)
	if !blamed || strings.Contains(err.Error(), "credentials") {
		return err
	}
	return fmt.Errorf("AWS does not accept the credentials (%s): %w", code, err)
}
