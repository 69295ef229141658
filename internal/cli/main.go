package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/takeover"
)

// program is one invocation of the command line.
type program struct {
	env            func(string) (string, bool)
	stdout, stderr io.Writer // pass on what is printable, and escape the rest
	// output and console are stdout and stderr as they came, for the lines of the daemon's own writer, and to draw on.
	output, console io.Writer
}

// command is one of the things that the program does.
type command struct {
	Name string
	// arguments is what follows the name in a usage line.
	arguments string
	// does is one line of help.
	does string
	// flags declares the command's flags and returns what runs after they were parsed.
	flags func(p *program, fs *flag.FlagSet) func(ctx context.Context, args []string) error
}

// Main runs the command line args, without the program's name, and returns the exit code: 0 clean, 1 failed while
// running, 2 wrong usage or configuration. env looks environment variables up; the AWS SDK reads its own by itself.
// The daemon stops in order when ctx is done.
func Main(ctx context.Context, args []string, env func(string) (string, bool), stdout, stderr io.Writer) int {
	out, errs := plain.NewWriter(stdout), plain.NewWriter(stderr)
	defer func() { _, _ = out.Flush(), errs.Flush() }()
	p := &program{env: env, stdout: out, stderr: errs, output: stdout, console: stderr}
	err := p.Run(ctx, args)
	var usage config.UsageError
	var problems config.FieldErrors
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return ExitOK
	case errors.As(err, &usage):
		writeError(errs, "kinesis-alerter: ", err)
		return ExitUsage
	case errors.As(err, &problems):
		for _, line := range problems.Lines() {
			_, _ = plain.Fprintln(errs, line)
		}
		return ExitUsage
	default:
		writeError(errs, "kinesis-alerter: ", withCredentials(err))
		return ExitFailed
	}
}

// writeError writes an error, the second and later lines of it set back: a text from elsewhere cannot look like a line
// of ours.
func writeError(w io.Writer, lead string, err error) {
	for _, line := range plain.Lines(err) {
		_, _ = plain.Fprintf(w, lead+"%s\n", line)
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

// Commands are the commands, in the order of the help.
func Commands() []command {
	return []command{
		{
			"run", "--config FILE | --stream NAME --topic-arn ARN",
			"the daemon: polls the stream and publishes alerts until it is stopped", runCommand,
		},
		{
			"check", "--config FILE | --explain-lambda FILE",
			"validates a configuration offline and reports every fault at once, or makes one of a Lambda event " +
				"source mapping", checkCommand,
		},
		{
			"rules", "test FILE... [--config FILE] | backtest --config FILE --from TIME|--archive FILE...",
			"runs tests of rules, or tries rules on the records that a stream retains or an archive has; nothing is " +
				"published", rulesCommand,
		},
		{
			"explain", "--config FILE --shard SHARD --sequence NUMBER | --data FILE",
			"says why a record did or did not alert: every rule, every term, with the values", explainCommand,
		},
		{
			"produce", "--stream NAME heart-rate|stock-ticker", "puts the records of a sample producer into a stream",
			produceCommand,
		},
		{
			"leases", "list|release|rewind|pause|resume|export|import [SHARD...] --config FILE",
			"looks at the lease table, and operates it beside the running workers", leasesCommand,
		},
		{
			"drill", "--config FILE [--topic NAME]", "sends a marked test alert to the topics, as alerts are sent",
			drillCommand,
		},
		{
			"healthcheck", "", "asks the daemon on this machine whether it works, for container health checks",
			healthcheckCommand,
		},
		{"version", "", "says what this binary was built from", versionCommand},
	}
}

func (p *program) Run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		p.help(p.stderr)
		return config.UsageError("which command?")
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		if len(args) == 0 {
			p.help(p.stdout)
			return nil
		}
		name, args = args[0], []string{"--help"}
	case "-version", "--version":
		name = "version"
	}
	all := Commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.Name == name })
	if i < 0 {
		hint := "see kinesis-alerter help"
		if near := config.Nearest(name, commandNames(all)); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return config.UsageError(fmt.Sprintf("no command %q; %s", name, hint))
	}
	return p.invoke(ctx, all[i], args)
}

func commandNames(all []command) []string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.Name
	}
	return names
}

// invoke parses the command's flags, which may stand before and after its arguments, and runs it.
func (p *program) invoke(ctx context.Context, c command, args []string) error {
	fs := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	do := c.flags(p, fs)
	var rest []string
	for {
		switch err := fs.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			p.commandHelp(c, fs)
			return err
		case err != nil:
			return config.UsageError(fmt.Sprintf("%s: %v; see kinesis-alerter help %s", c.Name, p.hintFlag(err, fs),
				c.Name))
		}
		if fs.NArg() == 0 {
			break
		}
		rest, args = append(rest, fs.Arg(0)), fs.Args()[1:]
	}
	return do(ctx, rest)
}

// hintFlag adds what a misspelt flag was probably meant to be.
func (*program) hintFlag(err error, fs *flag.FlagSet) error {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := config.Nearest(strings.TrimPrefix(name, "-"), names); near != "" {
		return fmt.Errorf("no flag --%s; did you mean --%s?", strings.TrimPrefix(name, "-"), near)
	}
	return fmt.Errorf("no flag --%s", strings.TrimPrefix(name, "-"))
}

func (*program) help(w io.Writer) {
	_, _ = fmt.Fprint(w,
		"kinesis-alerter turns the records of a Kinesis stream into alerts on SNS.\n\nUsage: kinesis-alerter "+
			"COMMAND [flags]\n\n")
	for _, c := range Commands() {
		_, _ = plain.Fprintf(w, "  %-12s %s\n", c.Name, c.does)
	}
	_, _ = fmt.Fprint(w, `  help         this page, or that of a command: kinesis-alerter help run

Exit codes: 0 clean, 1 failed while running, 2 wrong usage or configuration.
Regions, credentials and endpoints come from the AWS SDK's environment variables and profiles
(AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL, ...).
`)
}

func (p *program) commandHelp(c command, fs *flag.FlagSet) {
	_, _ = plain.Fprintf(p.stdout, "Usage: %s\n\n%s.\n", strings.TrimSpace("kinesis-alerter "+c.Name+" "+c.arguments),
		c.does)
	first := true
	fs.VisitAll(func(f *flag.Flag) {
		if first {
			_, _ = plain.Fprintln(p.stdout)
			first = false
		}
		value, usage := flag.UnquoteUsage(f)
		_, _ = plain.Fprintf(p.stdout, "  %-22s %s\n", strings.TrimSpace("--"+f.Name+" "+value), usage)
	})
}

// configFlags are the two ways to say what to run.
type configFlags struct {
	checkOnly bool // no rules will run

	file   string
	listen string
	names  string
	quick  config.QuickConfig
}

func (f *configFlags) declare(fs *flag.FlagSet) {
	f.declareSource(fs)
	fs.StringVar(&f.listen, "listen", "", "`ADDRESS` of the admin server, instead of server.listen (default "+
		config.DefaultListen+")")
	fs.StringVar(&f.names, "server-names", "",
		"`NAMES` by which the admin server is asked, with commas between them, beside server.names")
}

// declareSource declares what says which rules and stream a command is about.
func (f *configFlags) declareSource(fs *flag.FlagSet) {
	fs.StringVar(&f.file, "config", "",
		"the configuration `FILE`; env:NAME reads the environment variable NAME instead")
	fs.StringVar(&f.quick.Stream, "stream", "", "without a file: the stream's `NAME` or ARN")
	fs.StringVar(&f.quick.TopicARN, "topic-arn", "", "without a file: the topic's `ARN`")
	fs.StringVar(&f.quick.Application, "application", "",
		"without a file: `NAME` of the group of workers and of its lease table (default kinesis-alerter-STREAM)")
	fs.StringVar(&f.quick.When, "when", "",
		"without a file: alert only where the `EXPRESSION` holds (default every record)")
}

// given says that some of the flags are there.
func (f *configFlags) given() bool { return f.file != "" || f.quick != (config.QuickConfig{}) }

// Load reads what the flags ask for. It can be called again, for a reload.
func (f *configFlags) Load(ctx context.Context, env func(string) (string, bool)) (*config.LoadedConfig, error) {
	if f.listen != "" && !config.Listenable(f.listen) {
		return nil,
			config.UsageError(fmt.Sprintf("--listen %s: want HOST:PORT, as in %s, or :9464 for all addresses, with "+
				"a port of 0 to 65535", f.listen, config.DefaultListen))
	}
	var names []string
	if f.names != "" {
		names = strings.Split(f.names, ",")
	}
	if i := slices.IndexFunc(names, func(name string) bool { return !config.HostName(name) }); i >= 0 {
		return nil,
			config.UsageError(fmt.Sprintf("--server-names: %q: want names of hosts alone, as in "+
				"alerts.example.com,alerts: no scheme, no port, no blank", names[i]))
	}
	loaded, err := f.source(ctx, env)
	if err == nil && f.listen != "" {
		loaded.Server.Listen = f.listen
	}
	if err == nil {
		loaded.Server.Names = append(loaded.Server.Names, names...)
	}
	return loaded, err
}

func (f *configFlags) source(ctx context.Context, env func(string) (string, bool)) (*config.LoadedConfig, error) {
	switch quick := f.quick != (config.QuickConfig{}); {
	case f.file != "" && quick:
		return nil,
			config.UsageError("give either --config, or --stream, --topic-arn, --application and --when, not both")
	case f.file != "":
		if f.checkOnly {
			return config.CheckConfig(ctx, f.file, env)
		}
		return config.LoadConfig(ctx, f.file, env)
	case f.quick.Stream == "" || f.quick.TopicARN == "":
		return nil, config.UsageError("give --config FILE, or --stream NAME and --topic-arn ARN")
	}
	return f.quick.Config()
}

// reload returns what reads the file again, or nil where there is none: the environment of a process does not change.
func (f *configFlags) reload(env func(string) (string, bool)) func(context.Context) (*config.LoadedConfig, error) {
	if f.file == "" || strings.HasPrefix(f.file, config.EnvSource) {
		return nil
	}
	return func(ctx context.Context) (*config.LoadedConfig, error) { return f.Load(ctx, env) }
}

func runCommand(p *program, fs *flag.FlagSet) func(context.Context, []string) error {
	var from configFlags
	var o daemon.Options
	from.declare(fs)
	fs.BoolVar(&o.FailFast, "fail-fast", false,
		"exit with 1 when AWS says at the start that stream, topic or lease table is missing or may not be looked "+
			"at, instead of waiting; refused credentials, and asking for a stream by name, have a minute")
	fs.BoolVar(&o.CreateTable, "create-table", false, "create the lease table again if it vanishes while running")
	return func(ctx context.Context, args []string) error {
		if err := noArguments(args); err != nil {
			return err
		}
		// before the file is read: a change that is announced after that is not missed
		signals, release := daemon.ReloadSignals()
		defer release()
		loaded, err := from.Load(ctx, p.env)
		if err != nil {
			return err
		}
		o.AWS, err = daemon.LoadAWS(ctx)
		if err != nil {
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
		o.Reload = from.reload(p.env)
		o.Reloads = signals
		o.Output, o.Loaded = plain.NewWriter(p.output), loaded
		return daemon.Run(ctx, loaded.Config, o)
	}
}

func checkCommand(p *program, fs *flag.FlagSet) func(context.Context, []string) error {
	var from configFlags
	from.declare(fs)
	show := fs.Bool("print", false, "print the effective configuration, with defaults, and secrets redacted")
	sample := fs.String("sample", "",
		"a `FILE` with records, one a line or as a JSON array, that the rules are checked against")
	mapping := fs.String("explain-lambda", "",
		"print the configuration that takes over the Lambda event source mapping in `FILE`, the JSON of aws lambda "+
			"get-event-source-mapping; - is standard input; --topic-arn says where alerts go")
	return func(ctx context.Context, args []string) error {
		if *mapping != "" {
			if err := noArguments(args); err != nil {
				return err
			}
			if *show || *sample != "" || from.file != "" || from.listen != "" || from.names != "" ||
				from.quick != (config.QuickConfig{TopicARN: from.quick.TopicARN}) {
				return config.UsageError("check: --explain-lambda goes with --topic-arn alone; check what it prints " +
					"with --config, --sample or --print")
			}
			x := takeover.LambdaExplainer{
				File: *mapping, TopicARN: from.quick.TopicARN, Stdin: os.Stdin, Stdout: p.stdout, Stderr: p.stderr,
			}
			return x.Run(ctx)
		}
		// "check FILE" is what fingers type.
		if len(args) == 1 && from.file == "" {
			from.file, args = args[0], nil
		}
		if err := noArguments(args); err != nil {
			return err
		}
		if value, set := p.env("GOMEMLIMIT"); (!set || value == "") && *sample == "" {
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(daemon.CheckMemory))
		}
		from.checkOnly = *sample == ""
		loaded, err := from.Load(ctx, p.env)
		if err != nil {
			return err
		}
		if *show {
			text, err := loaded.Print()
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(text)
			return err
		}
		if err := loaded.Trials(); err != nil {
			return err
		}
		if *sample != "" {
			if err := rehearse.CheckSample(ctx, p.stdout, loaded, *sample); err != nil {
				return err
			}
		}
		for _, warning := range daemon.RegionWarnings(&loaded.Config) {
			_, _ = plain.Fprintf(p.stderr, "%s: warning: %s\n", cmp.Or(from.file, "flags"), warning)
		}
		doubts := loaded.Doubts(time.Now())
		for _, d := range doubts {
			_, _ = plain.Fprintf(p.stderr, "warning: %v\n", d)
		}
		if err := loaded.Current(time.Now()); err != nil {
			return err
		}
		valid := fmt.Sprintf("%s: valid; %d rules, %d topics", cmp.Or(from.file, "flags"), len(loaded.Rules),
			len(loaded.Topics))
		if len(doubts) > 0 {
			valid += ", " + config.Plural(len(doubts), "warning")
		}
		_, err = plain.Fprintln(p.stdout, valid)
		return err
	}
}

func versionCommand(p *program, _ *flag.FlagSet) func(context.Context, []string) error {
	return func(_ context.Context, args []string) error {
		if err := noArguments(args); err != nil {
			return err
		}
		daemon.CurrentBuild().Print(p.stdout)
		return nil
	}
}

func noArguments(args []string) error {
	if len(args) == 0 {
		return nil
	}
	return config.UsageError(fmt.Sprintf("unexpected argument %q", args[0]))
}
