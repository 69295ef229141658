package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/scaffold"
	"kinesis-alerter/internal/schema"
)

const (
	// mostInit is how many records are looked at.
	mostInit = 1000
	// initRecords is how many of them are read from a stream, within initPatience and with calls that end after
	// initCall.
	initRecords  = 50
	initPatience = 20 * time.Second
	initCall     = 5 * time.Second
)

// initializer carries out the command init.
type initializer struct {
	request        scaffold.Request
	sample, output string
	force          bool
	program        *program
	answers        *bufio.Reader // nil without a terminal
}

func initCommand(p *program) *cobra.Command {
	x := &initializer{program: p}
	c := &cobra.Command{
		Use:     "init",
		Short:   "Write a first configuration, made from a few records",
		GroupID: groupDaemon,
		Long: "Write a first configuration, made from a few records: one rule with a key, a limit and a message, " +
			"and a " +
			"test of it beside it. The records are those of --sample, or a few that are read from the stream. On a " +
			"terminal it asks for what is missing.",
		Example: "kinesis-alerter init --stream records --topic-arn arn:aws:sns:us-east-1:123456789012:oncall " +
			"--sample records.jsonl\n" +
			"kinesis-alerter init --stream records --topic-arn arn:aws:sns:us-east-1:123456789012:oncall --output -",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return x.Run(c.Context()) },
	}
	fs := c.Flags()
	fs.StringVar(&x.request.Stream, "stream", "", "the stream's `NAME` or ARN")
	fs.StringVar(&x.request.TopicARN, "topic-arn", "", "the `ARN` of the SNS topic that gets the alerts")
	fs.StringVar(&x.request.Application, "application", "",
		"`NAME` of the group of workers and of its lease table (default kinesis-alerter-STREAM)")
	fs.StringVar(&x.sample, "sample", "",
		"a `FILE` with records, one a line or as a JSON array; - is standard input (default reads a few from the "+
			"stream)")
	fs.StringVar(&x.output, "output", configName, "the configuration `FILE` to write; - prints it")
	fs.BoolVar(&x.force, "force", false, "overwrite files that are there")
	return c
}

func (x *initializer) Run(ctx context.Context) error {
	if x.program.answers != nil && x.sample != config.StandardInput {
		x.answers = bufio.NewReader(x.program.answers)
	}
	if err := x.ask(ctx); err != nil {
		return err
	}
	x.request.Name, x.request.Schema = filepath.Base(x.output), "./"+schema.FileName
	if x.output == config.StandardInput {
		x.request.Name = configName
	} else if err := x.free(); err != nil { // before records are read
		return err
	}
	records, err := x.records(ctx)
	if err != nil {
		return err
	}
	files, err := x.request.Make(ctx, records)
	if err != nil {
		return x.explained(err)
	}
	if x.output == config.StandardInput {
		_, err = x.program.stdout.Write(files.Config)
		return err
	}
	if err := x.write(files); err != nil {
		return err
	}
	x.next(files, len(records))
	return nil
}

// ask asks a person for what the flags do not say, or says which flags are missing.
func (x *initializer) ask(ctx context.Context) error {
	var missing []string
	for _, q := range []struct {
		value          *string
		flag, question string
	}{
		{&x.request.Stream, "--stream NAME", "Name or ARN of the stream"},
		{&x.request.TopicARN, "--topic-arn ARN", "ARN of the SNS topic that gets the alerts"},
	} {
		if *q.value != "" {
			continue
		}
		if x.answers == nil {
			missing = append(missing, q.flag)
			continue
		}
		answer, err := x.question(ctx, q.question)
		if err != nil {
			return err
		}
		if *q.value = answer; answer == "" {
			missing = append(missing, q.flag)
		}
	}
	if len(missing) > 0 {
		return config.UsageError("init: give " + strings.Join(missing, " and "))
	}
	if x.sample == "" && x.answers != nil {
		answer, err := x.question(ctx, "File with a few records (empty: read some from the stream)")
		if err != nil {
			return err
		}
		x.sample = answer
	}
	return nil
}

// question asks, and waits for a line.
func (x *initializer) question(ctx context.Context, text string) (string, error) {
	_, _ = plain.Fprintf(x.program.stderr, "%s: ", text)
	if w, ok := x.program.stderr.(interface{ Flush() error }); ok {
		_ = w.Flush()
	}
	answer, err := typedLine(ctx, x.answers)
	if errors.Is(err, io.EOF) {
		return "", config.UsageError("init: the input ended without an answer; nothing was written")
	}
	return answer, err
}

// path is a file beside the configuration.
func (x *initializer) path(name string) string { return filepath.Join(filepath.Dir(x.output), name) }

// free refuses to overwrite what is there, and a folder that is not there.
func (x *initializer) free() error {
	if folder := filepath.Dir(x.output); !isFolder(folder) {
		return config.UsageError(fmt.Sprintf("init: --output %s: there is no folder %s; make it first", x.output,
			folder))
	}
	for _, file := range []string{x.output, x.path(scaffold.TestsName), x.path(schema.FileName)} {
		if x.force {
			if err := config.Replaceable(file); err != nil {
				return config.UsageError(fmt.Sprintf("init: %s: %v; name another one with --output", file, err))
			}
			continue
		}
		_, err := os.Lstat(file)
		if err == nil && file == x.path(schema.FileName) {
			text, _ := os.ReadFile(file) //nolint:gosec // beside the file that the operator names
			if bytes.Equal(text, schema.JSON()) {
				continue
			}
		}
		switch {
		case err == nil:
			return config.UsageError(fmt.Sprintf("init: %s is there already; give --force to overwrite it, or "+
				"--output FILE "+
				"in another folder", file))
		case !errors.Is(err, fs.ErrNotExist):
			return config.UsageError(fmt.Sprintf("init: %v", err))
		}
	}
	return nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// write writes the files. A configuration is no secret.
func (x *initializer) write(files *scaffold.Files) error {
	for _, file := range []struct {
		name string
		text []byte
	}{
		{x.path(schema.FileName), schema.JSON()},
		{x.path(scaffold.TestsName), files.Tests},
		{x.output, files.Config},
	} {
		if err := config.WriteFile(file.name, file.text, 0o644); err != nil { // other users run the daemon
			return fmt.Errorf("init: %s: %w", file.name, err)
		}
	}
	return nil
}

// records are those of the sample, or a few of the stream.
func (x *initializer) records(ctx context.Context) ([]scaffold.Record, error) {
	var records []alert.Record
	var err error
	if x.sample == "" {
		records, err = x.fromStream(ctx)
	} else {
		var text []byte
		if text, err = x.program.readFile(ctx, x.sample, config.MostSample); err != nil {
			return nil, config.FieldErrors{{File: x.sample, Rule: err.Error()}}
		}
		if config.UTF16(text) {
			return nil, config.FieldErrors{{File: x.sample, Rule: config.NotUTF8}}
		}
		if records = rehearse.Records(text, mostInit); len(records) == 0 {
			return nil, config.FieldErrors{{
				File: x.sample, Rule: "there are no records: want one JSON record a line, or a JSON array of them",
			}}
		}
	}
	plan, faults := x.request.Input.Compile(decode.DefaultLimits())
	if len(faults) > 0 {
		return nil, faults[0]
	}
	records = rehearse.Pieces(ctx, plan, records, mostInit)
	out := make([]scaffold.Record, len(records))
	for i := range records {
		out[i] = scaffold.Record{Key: records[i].PartitionKey, Data: records[i].Data}
	}
	return out, err
}

// fromStream reads a few records: what arrived lately or, on a quiet stream, within a day.
func (x *initializer) fromStream(ctx context.Context) ([]alert.Record, error) {
	cfg, err := x.program.loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	name, arn := x.request.Stream, ""
	if strings.HasPrefix(name, "arn:") {
		name, arn = "", name
	}
	_, _ = plain.Fprintf(x.program.stderr, "reading a few records of %s, one call a second, for at most %s ...\n",
		x.request.Stream, initPatience)
	limited, cancel := context.WithTimeout(ctx, initPatience)
	defer cancel()
	now := x.program.now()
	var trouble error
	for _, since := range []time.Duration{10 * time.Minute, 24 * time.Hour} {
		source := &rehearse.StreamSource{
			Client: daemon.NewClients(cfg, prometheus.NewRegistry(), nil).Of(arn, credentials.Role{}).Kinesis,
			Stream: consumer.Config{StreamName: name, StreamARN: arn}, From: now.Add(-since), To: now,
			Interval: time.Second, BytesPerSecond: rehearse.ShardReadRate / 4, First: initRecords,
			CallLimit: initCall, Trouble: func(err error) { trouble = err },
		}
		records, err := source.Some(limited, initRecords)
		if len(records) > 0 {
			return records, nil
		}
		if limited.Err() != nil && ctx.Err() == nil {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if trouble != nil {
		return nil, fmt.Errorf("init: no call for records of %s succeeded within %s: %w; check the credentials, the "+
			"network, AWS_REGION and the endpoint, or give --sample FILE with a few records, one a line",
			x.request.Stream, initPatience, trouble)
	}
	return nil, fmt.Errorf("init: no records of %s came within %s; give --sample FILE with a few of them, one a line",
		x.request.Stream, initPatience)
}

// explained says of which flag a fault of the configuration is.
func (*initializer) explained(err error) error {
	var faults config.FieldErrors
	if !errors.As(err, &faults) {
		return fmt.Errorf("init: %w", err)
	}
	for _, of := range []struct{ field, flag string }{
		{"stream.name", "--stream"},
		{"stream.arn", "--stream"},
		{"topics.oncall.arn", "--topic-arn"},
		{"stream.application", "--application"},
	} {
		for _, f := range faults {
			if f.Field == of.field {
				return config.UsageError(fmt.Sprintf("init: %s %s: %s", of.flag, f.Value, f.Rule))
			}
		}
	}
	return err
}

// next says what was made, and which commands come next.
func (x *initializer) next(files *scaffold.Files, records int) {
	tests := x.path(scaffold.TestsName)
	_, _ = plain.Fprintf(x.program.stdout, `wrote %s, %s and %s

The rule, from %s (%s): alert when %s, for each %s.
Set its limit, then:

  kinesis-alerter check --config %s
  kinesis-alerter rules test %s
  kinesis-alerter run --config %s

This record makes an alert:

  kinesis-alerter put %s --config %s
`, x.output, tests, x.path(schema.FileName), config.Plural(records, "record"), files.Seen, files.When, files.Key,
		shellQuote(x.output), shellQuote(tests), shellQuote(x.output), shellQuote(string(files.Loud)),
		shellQuote(x.output))
}

// shellQuote is an argument as a shell takes it.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/:@,+=") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
