package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"kinesis-alerter/internal/config"
)

// configFlags are the two ways to say what to run.
type configFlags struct {
	checkOnly bool // no rules will run

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
	fs.StringVarP(file, "config", "c", "",
		"the configuration `FILE`; env:NAME reads the environment variable NAME instead")
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
