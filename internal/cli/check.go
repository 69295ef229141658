package cli

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/spf13/cobra"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/schema"
	"kinesis-alerter/internal/takeover"
)

// checker carries out the command check.
type checker struct {
	from            configFlags
	print, schema   bool
	json            bool
	sample, mapping string
	output          string
	program         *program
}

func checkCommand(p *program) *cobra.Command {
	x := &checker{program: p}
	c := &cobra.Command{
		Use:     "check [FILE]",
		Short:   "Check a configuration, without AWS",
		GroupID: groupDaemon,
		Long: "Check a configuration without AWS: every fault at once, with file, line and column, and each " +
			"template tried. With --sample it also names the fields in rules that no record of a sample " +
			"has, and the rules that match none of them. With --explain-lambda it makes a configuration " +
			"from each Lambda event source mapping or EventBridge pipe of a file instead.",
		Example: "kinesis-alerter check --config kinesis-alerter.yaml\n" +
			"kinesis-alerter check kinesis-alerter.yaml --sample records.jsonl\n" +
			"kinesis-alerter check kinesis-alerter.yaml --print\n" +
			"kinesis-alerter check kinesis-alerter.yaml --json\n" +
			"kinesis-alerter check --schema > kinesis-alerter.schema.json\n" +
			"kinesis-alerter check --explain-lambda mapping.json " +
			"--topic-arn arn:aws:sns:us-east-1:123456789012:oncall",
		RunE: func(c *cobra.Command, args []string) error {
			// "check FILE" is what fingers type.
			if len(args) == 1 && x.from.file == "" && x.mapping == "" {
				x.from.file, args = args[0], nil
			}
			if err := noArguments(c, args); err != nil {
				return err
			}
			switch {
			case x.schema && c.Flags().NFlag() == 1 && x.from.file == "":
				_, err := p.stdout.Write(schema.JSON())
				return err
			case x.schema:
				return usage(c, "--schema goes alone: it is the same for every configuration")
			case x.output != "" && x.mapping == "":
				return usage(c, "--output goes with --explain-lambda; the check of a file writes nothing")
			case x.mapping != "":
				return x.lambda(c.Context())
			}
			return x.Run(c.Context())
		},
	}
	x.from.declare(c.Flags())
	c.Flags().BoolVar(&x.print, "print", false,
		"print the effective configuration, with defaults, and secrets redacted")
	c.Flags().BoolVar(&x.schema, "schema", false, "print the JSON Schema of configurations, for editors")
	declareJSON(c, &x.json)
	c.Flags().StringVar(&x.sample, "sample", "",
		"a `FILE` with records, one a line, as a JSON array, or one that is no text, that the rules are checked "+
			"against")
	c.Flags().StringVar(&x.mapping, "explain-lambda", "",
		"print the configurations that take over the Lambda event source mappings and EventBridge pipes in "+
			"`FILE`: what "+
			"aws lambda get-event-source-mapping, aws pipes describe-pipe or terraform show -json prints, or a "+
			"template of CloudFormation or SAM; - is standard input; --topic-arn says where alerts go")
	c.Flags().StringVar(&x.output, "output", "",
		"with --explain-lambda: write to this `FILE`, which must not exist, or a file for each mapping into this "+
			"folder; nothing where that fails")
	return c
}

// lambda prints the configuration that takes over an event source mapping.
func (x *checker) lambda(ctx context.Context) error {
	if x.print || x.json || x.sample != "" || x.from.file != "" || x.from.listen != "" || x.from.names != "" ||
		x.from.quick != (config.QuickConfig{TopicARN: x.from.quick.TopicARN}) {
		return config.UsageError("check: --explain-lambda goes with --topic-arn alone; check what it prints " +
			"with --config, --sample or --print")
	}
	return (&takeover.LambdaExplainer{
		File: x.mapping, TopicARN: x.from.quick.TopicARN, Output: x.output, Stdin: x.program.stdin,
		Stdout: x.program.stdout,
		Stderr: x.program.stderr,
	}).Run(ctx)
}

func (x *checker) Run(ctx context.Context) error {
	p := x.program
	if x.print && x.json {
		return config.UsageError("check: --print writes YAML; give it without --json")
	}
	if value, set := p.env("GOMEMLIMIT"); (!set || value == "") && x.sample == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(daemon.CheckMemory))
	}
	x.from.checkOnly = x.sample == ""
	loaded, err := x.from.Load(ctx, p)
	switch {
	case err == nil && x.print:
		text, err := loaded.Print()
		if err != nil {
			return err
		}
		_, err = p.stdout.Write(text)
		return err
	case err == nil:
		return x.examine(ctx, loaded)
	case x.json:
		return errors.Join(p.printJSON(x.result().with(err)), err)
	}
	return err
}

// checkJSON is a check as --json prints it. The names are stable.
type checkJSON struct {
	Source   string                 `json:"source"`
	Valid    bool                   `json:"valid"`
	Rules    int                    `json:"rules"`
	Topics   int                    `json:"topics"`
	Outputs  int                    `json:"outputs,omitempty"`
	Faults   []faultJSON            `json:"faults"`
	Warnings []faultJSON            `json:"warnings"`
	Sample   *rehearse.SampleReport `json:"sample,omitempty"`
}

// faultJSON is what is wrong in a place. What is not known of it is missing.
type faultJSON struct {
	File    string `json:"file,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Field   string `json:"field,omitempty"`
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
}

func toFaultJSON(f *config.FieldError) faultJSON {
	return faultJSON{f.File, f.Line, f.Column, f.Field, f.Value, f.Rule}
}

// result is one of which nothing is known yet.
func (x *checker) result() checkJSON {
	return checkJSON{Source: x.from.name(), Faults: []faultJSON{}, Warnings: []faultJSON{}}
}

// with adds an error.
func (c checkJSON) with(err error) checkJSON {
	var faults config.FieldErrors
	switch {
	case err == nil:
	case errors.As(err, &faults):
		for _, f := range faults {
			c.Faults = append(c.Faults, toFaultJSON(f))
		}
	default:
		c.Faults = append(c.Faults, faultJSON{Message: err.Error()})
	}
	return c
}

// examine looks at a configuration that can be read.
func (x *checker) examine(ctx context.Context, loaded *config.LoadedConfig) (err error) {
	p, name := x.program, x.from.name()
	out := x.result()
	out.Rules, out.Topics, out.Outputs = len(loaded.Rules), len(loaded.Topics), len(loaded.Outputs)
	if x.json {
		defer func() {
			out.Valid = err == nil
			err = errors.Join(p.printJSON(out.with(err)), err)
		}()
	}
	if err := loaded.Trials(); err != nil {
		return err
	}
	if x.sample != "" {
		out.Sample, err = rehearse.CheckSample(ctx, loaded, x.sample)
		if out.Sample != nil && !x.json {
			out.Sample.Print(p.stdout)
		}
		if err != nil {
			return err
		}
	}
	errs := p.complaints()
	mark := errs.text(caution, "warning:")
	for _, warning := range daemon.RegionWarnings(&loaded.Config) {
		out.Warnings = append(out.Warnings, faultJSON{Message: warning})
		_, _ = plain.Fprintf(errs.w, "%s: "+mark+" %s\n", name, warning)
	}
	doubts := loaded.Doubts(p.now())
	for _, d := range doubts {
		out.Warnings = append(out.Warnings, toFaultJSON(d.FieldError))
		_, _ = plain.Fprintf(errs.w, mark+" %v\n", d)
	}
	if err := loaded.Current(p.now()); err != nil || x.json {
		return err
	}
	more := ""
	if len(loaded.Outputs) > 0 {
		more = ", " + config.Plural(len(loaded.Outputs), "output")
	}
	if len(doubts) > 0 {
		more += ", " + config.Plural(len(doubts), "warning")
	}
	to := p.results()
	_, err = plain.Fprintf(to.w, "%s: "+to.text(good, "valid")+"; %s, %s%s\n", name,
		config.Plural(len(loaded.Rules), "rule"), config.Plural(len(loaded.Topics), "topic"), more)
	return err
}
