package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
)

// configFlags are the two ways to say what to run.
type configFlags struct {
	checkOnly bool // no rules will run
	debug     bool // log at the level debug, whatever the file says

	file   string
	listen string
	names  string
	quick  config.QuickConfig
}

func (f *configFlags) declare(fs *pflag.FlagSet) {
	f.declareSource(fs)
	fs.StringVar(&f.listen, "listen", "", "`ADDRESS` of the admin server, instead of server.listen (default "+
		config.DefaultListen+")")
	fs.StringVar(&f.names, "server-names", "",
		"`NAMES` by which the admin server is asked, with commas between them, beside server.names")
}

// declareSource declares what says which rules and stream a command is about.
func (f *configFlags) declareSource(fs *pflag.FlagSet) {
	declareConfig(fs, &f.file)
	fs.StringVar(&f.quick.Stream, "stream", "", "without a file: the stream's `NAME` or ARN")
	fs.StringVar(&f.quick.TopicARN, "topic-arn", "", "without a file: the topic's `ARN`")
	fs.StringVar(&f.quick.Application, "application", "",
		"without a file: `NAME` of the group of workers and of its lease table (default kinesis-alerter-STREAM)")
	fs.StringVar(&f.quick.When, "when", "",
		"without a file: alert only where the `EXPRESSION` holds (default every record)")
}

// declareConfig declares the flag that names the configuration.
func declareConfig(fs *pflag.FlagSet, file *string) {
	fs.FuncP("config", "c",
		"the configuration `FILE`; - is standard input, env:NAME the environment variable NAME (default "+
			"$"+configVariable+", then ./"+configName+")",
		func(name string) error {
			if *file = name; name == "" { // of a variable that a script has not set: then nothing is looked for
				return errors.New("names no file")
			}
			return nil
		})
	_ = fs.SetAnnotation("config", cobra.BashCompFilenameExt, []string{"yaml", "yml"})
}

// Load reads what the flags ask for. It can be called again, for a reload.
func (f *configFlags) Load(ctx context.Context, p *program) (*config.LoadedConfig, error) {
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
	loaded, err := f.source(ctx, p)
	if err == nil && f.listen != "" {
		loaded.Server.Listen = f.listen
	}
	if err == nil && f.debug {
		loaded.Log.Level = "debug"
	}
	if err == nil {
		loaded.Server.Names = append(loaded.Server.Names, names...)
	}
	return loaded, err
}

func (f *configFlags) source(ctx context.Context, p *program) (loaded *config.LoadedConfig, err error) {
	switch quick := f.quick != (config.QuickConfig{}); {
	case f.file != "" && quick:
		return nil,
			config.UsageError("give either --config, or --stream, --topic-arn, --application and --when, not both")
	case !quick:
		if f.file, err = p.configFile(f.file, "--stream NAME and --topic-arn ARN"); err != nil {
			return nil, err
		}
		if f.checkOnly {
			return p.checkFile(ctx, f.file)
		}
		return p.loadFile(ctx, f.file)
	case f.quick.Stream == "" || f.quick.TopicARN == "":
		return nil, config.UsageError("give --config FILE, or --stream NAME and --topic-arn ARN")
	}
	return f.quick.Config()
}

// name is what the configuration is called in what is printed about it.
func (f *configFlags) name() string {
	if f.file == config.StandardInput {
		return standardInput
	}
	return cmp.Or(f.file, "flags")
}

// reload returns what reads the file again, or nil where there is none: the environment of a process does not change,
// and standard input has been read.
func (f *configFlags) reload(p *program) func(context.Context) (*config.LoadedConfig, error) {
	if f.file == "" || f.file == config.StandardInput || strings.HasPrefix(f.file, config.EnvSource) {
		return nil
	}
	return func(ctx context.Context) (*config.LoadedConfig, error) { return f.Load(ctx, p) }
}

const (
	// configVariable names the configuration where no flag does.
	configVariable = "KINESIS_ALERTER_CONFIG"
	// configName is the configuration where nothing names one.
	configName = "kinesis-alerter.yaml"
	// standardInput is what standard input is called in errors.
	standardInput = "standard input"
)

// configFile is the configuration to read: the given one, or the first that there is where one is looked for. instead
// is what a person could give in its place.
func (p *program) configFile(given, instead string) (string, error) {
	if given != "" {
		return given, nil
	}
	if file, set := p.env(configVariable); set && strings.Contains(file, "\n") { // the text, as --config env: takes it
		return config.EnvSource + configVariable, nil
	} else if set && file != "" {
		p.note("reads %s, as $%s says", file, configVariable)
		return file, nil
	}
	_, err := config.StatFile(configName)
	switch {
	case err == nil:
		p.note("reads ./%s", configName)
		return configName, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", config.UsageError(fmt.Sprintf("give --config FILE, or %s; neither $%s nor ./%s is there", instead,
			configVariable, configName))
	}
	return "", config.UsageError(fmt.Sprintf("./%s %v; give --config FILE, or %s", configName, err, instead))
}

// loadFile reads a configuration: a file, env:NAME, or - for standard input.
func (p *program) loadFile(ctx context.Context, file string) (*config.LoadedConfig, error) {
	if file != config.StandardInput {
		return config.LoadConfig(ctx, file, p.env)
	}
	text, err := p.readInput(ctx, config.MaxDocument)
	if err != nil {
		return nil, config.FieldErrors{{File: standardInput, Rule: err.Error()}}
	}
	return config.ParseConfig(ctx, standardInput, text, p.env)
}

// checkFile is loadFile for what runs no rules.
func (p *program) checkFile(ctx context.Context, file string) (*config.LoadedConfig, error) {
	if file == config.StandardInput {
		return p.loadFile(ctx, file)
	}
	return config.CheckConfig(ctx, file, p.env)
}

// readFile reads a file, or standard input for -.
func (p *program) readFile(ctx context.Context, name string, most int64) ([]byte, error) {
	if name == config.StandardInput {
		return p.readInput(ctx, most)
	}
	return config.ReadFile(ctx, name, most)
}

// readInput reads standard input, which can be done once.
func (p *program) readInput(ctx context.Context, most int64) ([]byte, error) {
	if p.stdinRead {
		return nil, errors.New("standard input was read already; name a file for one of the two")
	}
	p.stdinRead = true
	return config.ReadInput(ctx, p.stdin, config.StandardInput, most)
}

// note tells a person who asked for it what the program does.
func (p *program) note(format string, args ...any) {
	if p.verbose {
		_, _ = plain.Fprintf(p.stderr, format+"\n", args...)
	}
}

// reading says on standard error that a command waits for answers about a stream, and that it does no longer.
func (p *program) reading(command string) func(error) {
	return func(err error) {
		if err == nil {
			_, _ = plain.Fprintf(p.stderr, "%s: the stream answers again\n", command)
			return
		}
		_, _ = plain.Fprintf(p.stderr, "%s: trying again, for up to five minutes: %v\n", command, err)
	}
}

// typedLine waits for a line of a person. It is io.EOF where the input ends before any. A read from a terminal does not
// end with ctx, and is left behind.
func typedLine(ctx context.Context, in *bufio.Reader) (string, error) {
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := in.ReadString('\n')
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		if errors.Is(l.err, io.EOF) && l.text != "" {
			l.err = nil
		}
		return strings.TrimSpace(l.text), l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
