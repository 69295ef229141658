package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/produce"
)

// putting carries out the command put.
type putting struct {
	stream, config      string
	data, file          string
	key, keyField       string
	json                bool
	explain             string           // the command that explains a record, without its place
	role                credentials.Role // as whom the stream is written
	program             *program
	last                produce.Receipt
	noJSON, firstNoJSON int
}

func putCommand(p *program) *cobra.Command {
	x := &putting{program: p}
	c := &cobra.Command{
		Use:               "put RECORD | --file FILE",
		Short:             "Put records of your own into a stream",
		GroupID:           groupRules,
		ValidArgsFunction: cobra.NoFileCompletions,
		Long: "Put a record into the stream, or each line of a file, and print where each one is. The stream is " +
			"that of " +
			"the configuration, or --stream.\n\n" +
			"All records have the partition key " + produce.DefaultKey + ", unless --key or --key-field says " +
			"another one: " +
			"then they are in one shard, in their order. Records with the same key always keep their order. What the " +
			"stream refuses is put again; a call without an answer is put again too, so a record can be there twice.",
		Example: "kinesis-alerter put '{\"service\": \"checkout\", \"latency\": 900}'\n" +
			"kinesis-alerter put '{\"host\": \"web-7\", \"status\": 503}' --stream records --key web-7\n" +
			"kinesis-alerter put --file records.jsonl --key-field host\n" +
			"kinesis-alerter put --file - --stream records < records.jsonl",
		RunE: func(c *cobra.Command, args []string) error {
			given := len(args)
			if c.Flags().Changed("data") {
				given++
			} else if len(args) > 0 {
				x.data = args[0]
			}
			switch {
			case given > 1:
				return usage(c, "give one record, in quotes, or --file FILE with one a line")
			case given == 1 && x.file != "":
				return usage(c, "give either a record or --file")
			case given == 0 && x.file == "":
				return usage(c,
					"which record? As in kinesis-alerter put '{\"latency\": 900}', or --file FILE with one a "+
						"line; - is standard input")
			case x.keyField != "" && c.Flags().Changed("key"):
				return usage(c, "give either --key or --key-field")
			}
			return x.Run(c.Context())
		},
	}
	fs := c.Flags()
	fs.StringVar(&x.stream, "stream", "", "the stream's `NAME` or ARN (default that of the configuration)")
	declareConfig(fs, &x.config)
	fs.StringVar(&x.data, "data", "", "the record as `TEXT`, like the argument")
	fs.StringVar(&x.file, "file", "", "a `FILE` with one record a line; - is standard input")
	fs.StringVar(&x.key, "key", produce.DefaultKey, "the partition `KEY` of every record")
	fs.StringVar(&x.keyField, "key-field", "",
		"take the partition key from this `FIELD` of each record, as in host or order.customer")
	fs.BoolVar(&x.json, "json", false, "print a JSON document for each record, one a line")
	_ = fs.SetAnnotation("file", cobra.BashCompFilenameExt, []string{"jsonl", "ndjson", "json", "log"})
	return c
}

func (x *putting) Run(ctx context.Context) error {
	if err := x.find(ctx); err != nil {
		return err
	}
	text, closeText, err := x.open()
	if err != nil {
		return err
	}
	defer closeText()
	client, err := x.program.writer(ctx, x.stream, x.role)
	if err != nil {
		return err
	}
	to := &produce.Putter{
		Client: client, Stream: x.stream, Key: x.key, KeyField: x.keyField, OnPut: x.show,
		Trouble: x.program.trouble("put"),
	}
	began := time.Now()
	var sum produce.Sum
	if text == nil {
		sum, err = to.One(ctx, []byte(x.data))
	} else {
		sum, err = to.Lines(ctx, text)
		if info, gone := config.StatFile(x.file); err == nil && sum.Accepted == 0 && gone == nil &&
			!info.Mode().IsRegular() {
			return config.UsageError(fmt.Sprintf("put: --file %s: is a pipe without a writer", x.file))
		}
	}
	x.end(sum, time.Since(began))
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	return nil
}

// find names the stream, and the command that explains its records.
func (x *putting) find(ctx context.Context) error {
	x.explain = "kinesis-alerter explain --config FILE"
	file, none := x.program.configFile(x.config, "--stream NAME")
	if none != nil {
		if x.stream == "" {
			return none
		}
		return nil
	}
	loaded, err := x.program.checkFile(ctx, file)
	switch {
	case err != nil && (x.stream == "" || x.config != ""):
		return err
	case err != nil: // the stream is known; a file that is only there by chance does not matter
		return nil //nolint:nilerr // the stream is known
	}
	own := cmp.Or(loaded.Stream.ARN, loaded.Stream.Name)
	if x.stream != "" && x.stream != own && x.stream != loaded.StreamName() {
		return nil
	}
	x.stream, x.role = cmp.Or(x.stream, own), loaded.StreamRole()
	x.explain = "kinesis-alerter explain"
	if x.config != "" {
		x.explain += " --config " + plain.ShellWord(x.config)
	}
	return nil
}

// open returns the text with the records, or nil for the one that was given.
func (x *putting) open() (text io.Reader, closeText func(), err error) {
	switch {
	case x.file == "":
		return nil, func() {}, nil
	case x.file == config.StandardInput && x.program.stdinRead:
		return nil, nil, config.UsageError("put: standard input was read already; name a file for one of the two")
	case x.file == config.StandardInput:
		return x.program.stdin, func() {}, nil
	}
	f, err := config.OpenFile(x.file)
	if err != nil {
		return nil, nil, config.UsageError(fmt.Sprintf("put: --file %s: %v", x.file, err))
	}
	return f, func() { _ = f.Close() }, nil
}

// show prints where a record is.
func (x *putting) show(r produce.Receipt) error {
	x.last = r
	if !r.JSON {
		if x.noJSON++; x.noJSON == 1 {
			x.firstNoJSON = r.Line
		}
	}
	out := x.program.stdout
	if x.json {
		document, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = plain.Fprintf(out, "%s\n", string(document))
		return err
	}
	if r.Line > 0 {
		_, err := plain.Fprintf(out, "line %d: %s %s, key %s\n", r.Line, r.Shard, r.Sequence, r.Key)
		return err
	}
	_, err := plain.Fprintf(
		out, "shard            %s\nsequence number  %s\npartition key    %s\n", r.Shard, r.Sequence, r.Key,
	)
	return err
}

// end says how many were put, what to think about, and how to look at what became of the last one.
func (x *putting) end(sum produce.Sum, took time.Duration) {
	out := x.program.stdout
	if x.json {
		out = x.program.stderr
	}
	if sum.Accepted > 0 || x.file != "" {
		_, _ = plain.Fprintf(out, "%s\n", said(sum, x.stream, took))
	}
	switch {
	case x.noJSON == 1 && x.last.Line == 0:
		_, _ = plain.Fprintln(x.program.stderr,
			"warning: the record is no JSON: rules that look at fields do not see any. "+
				"Is it in single quotes?")
	case x.noJSON > 0:
		_, _ = plain.Fprintf(x.program.stderr,
			"warning: %s no JSON, the first in line %d: rules that look at fields do "+
				"not see any\n", count(x.noJSON, "record is", "records are"), x.firstNoJSON)
	}
	if x.last.Shard != "" && !x.json {
		_, _ = plain.Fprintf(out, "What the rules made of the last one:\n  %s --shard %s --sequence %s\n", x.explain,
			x.last.Shard, x.last.Sequence)
	}
}

// said is how many records were put.
func said(sum produce.Sum, stream string, took time.Duration) string {
	text := fmt.Sprintf("%s put into %s in %s", config.Plural(sum.Accepted, "record"), stream,
		took.Round(time.Millisecond))
	if sum.Repeated > 0 {
		text += fmt.Sprintf("; %s put again because a call had no answer, and may be there twice",
			count(sum.Repeated, "was", "were"))
	}
	return text
}

// count is config.Plural for words that do not end in s.
func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// writer is a client for calls that put records into a stream; who calls it repeats what fails.
func (p *program) writer(ctx context.Context, stream string, role credentials.Role) (*kinesis.Client, error) {
	cfg, err := p.loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	return daemon.NewClients(cfg, prometheus.NewRegistry(), nil).As(role, stream).Kinesis, nil
}

// trouble says on standard error that a command waits for a stream, and that it does no longer.
func (p *program) trouble(command string) func(error) {
	return func(err error) {
		if err == nil {
			_, _ = plain.Fprintf(p.stderr, "%s: the stream takes records again\n", command)
			return
		}
		_, _ = plain.Fprintf(p.stderr, "%s: trying again, for up to two minutes: %v\n", command, err)
	}
}
