package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/letters"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/status"
)

// mostLetters bounds a file of letters, in bytes.
const mostLetters = 256 << 20

// reader carries out one letters command.
type reader struct {
	config, from, reason, rule string
	json, yes                  bool

	program *program
}

func lettersCommand(p *program) *cobra.Command {
	c := group(&cobra.Command{
		Use:     "letters",
		Short:   "Look at dead letters, and publish them",
		GroupID: groupOperate,
		Long: "Look at dead letters, and publish them. --from says where they lie: the URL of the SQS queue, or of " +
			"the queue " +
			"that is subscribed to the SNS topic; s3://BUCKET/PREFIX; or a file with letters as JSON, one after " +
			"the other, or " +
			"with what aws sqs receive-message prints.",
		Example: "kinesis-alerter letters list --from s3://readings-alerts-dead-letters\n" +
			"kinesis-alerter letters redrive --from s3://readings-alerts-dead-letters --config " +
			"kinesis-alerter.yaml --yes",
	})
	c.AddCommand(lettersListCommand(p), lettersShowCommand(p), lettersRedriveCommand(p))
	return c
}

// command adds the flags that all have.
func (x *reader) command(c *cobra.Command, run func(context.Context, []string) error) *cobra.Command {
	declareConfig(c.Flags(), &x.config)
	c.Flags().StringVar(&x.from, "from", "",
		"`WHERE` the letters lie: the URL of a queue, s3://BUCKET/PREFIX, or a file (default: dead_letter.sqs or "+
			".s3 of the "+
			"configuration)")
	c.Flags().StringVar(&x.reason, "reason", "", "only letters with this `REASON`")
	c.Flags().StringVar(&x.rule, "rule", "", "only letters of alerts of the `RULE` of this name")
	declareJSON(c, &x.json)
	x.program.namesOf(c, "rule", &x.config, ruleNames)
	c.RunE = func(c *cobra.Command, args []string) error { return run(c.Context(), args) }
	return c
}

func lettersListCommand(p *program) *cobra.Command {
	x := &reader{program: p}
	return x.command(&cobra.Command{
		Use:   "list",
		Short: "Show each letter: when, why, which alert, and what redrive would do",
		Long: "Show each letter: when it was sent, its reason, rule and topic or output, and what redrive would " +
			"do with it " +
			"by the " +
			"configuration. It changes nothing; the letters of a queue are hidden from other readers while it runs.",
		Example: "kinesis-alerter letters list --config kinesis-alerter.yaml\n" +
			"kinesis-alerter letters list --from letters.json --reason max_record_age --json",
		Args: noArguments,
	}, func(ctx context.Context, _ []string) error { return x.run(ctx, "", false) })
}

func lettersShowCommand(p *program) *cobra.Command {
	x := &reader{program: p}
	return x.command(&cobra.Command{
		Use:   "show ID",
		Short: "Show a letter whole: its message, and its record",
		Long:  "Show a letter whole: the message of its alert and the payload of its record. ID is as list has it.",
		Example: "kinesis-alerter letters show 37f667a2-14d5-5bd1-a1d2-5087d6d03101 --from letters.json " +
			"--config kinesis-alerter.yaml",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(c, "give the id of one letter")
			}
			return nil
		},
	}, func(ctx context.Context, args []string) error { return x.run(ctx, args[0], false) })
}

func lettersRedriveCommand(p *program) *cobra.Command {
	x := &reader{program: p}
	c := x.command(&cobra.Command{
		Use:   "redrive",
		Short: "Publish what letters hold, and remove those that were accepted",
		Long: "Publish what letters hold, and remove those whose alerts were accepted. A letter with an alert's " +
			"message is " +
			"published as it is, with the same alert_id, within the topic's rate. One with a record alone is " +
			"judged by the " +
			"rules in force that remember nothing; the other rules are named. A record for an output stream is " +
			"written there, with the same bytes and partition key. What cannot be published stays, with the " +
			"reason.\n\nWithout --yes it only says what it would do. It can be interrupted and repeated at any " +
			"moment: " +
			"nothing is lost, and a FIFO topic drops what comes twice within five minutes. A file is never " +
			"changed: what is " +
			"done is noted beside it, in FILE.redriven. It ends with 1 where letters stay.",
		Example: "kinesis-alerter letters redrive --config kinesis-alerter.yaml --reason max_record_age\n" +
			"kinesis-alerter letters redrive --from letters.json --config kinesis-alerter.yaml --yes",
		Args: noArguments,
	}, func(ctx context.Context, _ []string) error { return x.run(ctx, "", true) })
	c.Flags().BoolVar(&x.yes, "yes", false, "publish, and remove what was accepted")
	return c
}

// letterJSON is a letter as --json prints it. The names are stable.
type letterJSON struct {
	ID      string       `json:"id,omitempty"`
	Where   string       `json:"where"`
	At      *time.Time   `json:"at,omitempty"`
	Reason  alert.Reason `json:"reason,omitempty"`
	Detail  string       `json:"detail,omitempty"`
	AlertID string       `json:"alert_id,omitempty"`
	Rule    string       `json:"rule,omitempty"`
	Topic   string       `json:"topic,omitempty"`
	Output  string       `json:"output,omitempty"`
	Key     string       `json:"output_key,omitempty"`
	Shard   string       `json:"shard,omitempty"`
	Place   string       `json:"sequence_number,omitempty"`
	// Alerts are those that it stands for.
	Alerts    []letterAlertJSON `json:"alerts"`
	Undecided []string          `json:"undecided_rules,omitempty"`
	Published bool              `json:"published"`
	Kept      string            `json:"kept,omitempty"`
	// Message and Data are shown by show alone.
	Message *letterMessageJSON `json:"message,omitempty"`
	Data    []byte             `json:"data,omitempty"`
}

type letterMessageJSON struct {
	Subject string            `json:"subject"`
	Body    string            `json:"body"`
	Bodies  map[string]string `json:"bodies,omitempty"`
}

type letterAlertJSON struct {
	AlertID string `json:"alert_id"`
	Rule    string `json:"rule,omitempty"`
	Topic   string `json:"topic"`
}

// tally counts letters.
type tally struct {
	read, ready, published, kept, other atomic.Int64
}

func (n *tally) add(r *letters.Result) {
	switch n.read.Add(1); {
	case r.Other:
		n.other.Add(1)
	case r.Published:
		n.published.Add(1)
	case r.Kept != "":
		n.kept.Add(1)
	default:
		n.ready.Add(1)
	}
}

func (n *tally) progress() string {
	return fmt.Sprintf(
		"reading letters: %d read, %d published, %d stay", n.read.Load(), n.published.Load(), n.kept.Load(),
	)
}

// run reads letters, and publishes them where that is asked for. only is the id of the one letter to show.
func (x *reader) run(ctx context.Context, only string, redrive bool) error {
	p := x.program
	loaded, err := (&configFlags{file: x.config}).Load(ctx, p)
	if err != nil {
		return err
	}
	source, err := x.source(ctx, loaded)
	if err != nil {
		return err
	}
	parts, out, n := loaded.Parts(), []letterJSON{}, &tally{}
	o := letters.Options{
		Reason: alert.Reason(x.reason), Rule: x.rule, Rates: map[string]float64{},
		Each: func(r letters.Result) {
			if n.add(&r); r.Other {
				return
			}
			if only == "" || r.Saved != nil && r.Saved.ID == only {
				out = append(out, toLetterJSON(&r, only != ""))
			}
		},
	}
	for name, topic := range parts.SNS.Topics {
		o.Rates[name] = topic.Rate
	}
	stop := func() error { return nil }
	if redrive && x.yes {
		if stop, err = x.publishers(ctx, loaded, &o); err != nil {
			return err
		}
	}
	done := p.duringThat(ctx, n.progress)
	err = letters.Run(ctx, source, letters.NewJudge(parts.Alert, loaded.StreamName()), o)
	done()
	err = errors.Join(err, stop())
	if only != "" && len(out) == 0 && err == nil {
		err = fmt.Errorf("no letter %s is there; letters list shows the ids", only)
	}
	if err == nil || len(out) > 0 {
		err = errors.Join(x.print(out, only, redrive, n), err)
	}
	if kept := n.kept.Load(); err == nil && redrive && x.yes && kept > 0 {
		err = fmt.Errorf("%s not published, and left where found", status.Number(int(kept), "letter"))
	}
	return err
}

// source is where the letters lie. Those of the configuration are read as the role that it has for them.
func (x *reader) source(ctx context.Context, loaded *config.LoadedConfig) (letters.Source, error) {
	const places = "the URL of a queue, s3://BUCKET/PREFIX, or a file"
	configured := loaded.DeadLetter.SQS
	if name, there := strings.CutPrefix(loaded.DeadLetter.S3, "s3://"); there || name != "" {
		configured = "s3://" + name
	}
	from := cmp.Or(x.from, configured)
	var role credentials.Role
	if from == configured {
		role = loaded.DeadLetterRole()
	}
	switch scheme, _, _ := strings.Cut(from, ":"); {
	case from == "" && loaded.DeadLetter.SNS != "":
		return nil, config.UsageError("letters: a topic keeps no letters: give --from the URL of the queue that is " +
			"subscribed to " + loaded.DeadLetter.SNS)
	case from == "":
		return nil, config.UsageError("letters: the configuration has no dead_letter: give --from " + places)
	case scheme == "https", scheme == "http":
		cfg, err := x.program.loadAWS(ctx)
		if err != nil {
			return nil, err
		}
		return letters.NewQueue(daemon.NewClients(cfg, prometheus.NewRegistry(), nil).As(role, from).SQS(), from), nil
	case strings.HasPrefix(from, "s3://"):
		cfg, err := x.program.loadAWS(ctx)
		if err != nil {
			return nil, err
		}
		return letters.NewBucket(daemon.NewClients(cfg, prometheus.NewRegistry(), nil).As(role, "").S3(), from)
	case scheme == "arn", strings.Contains(from, "://"):
		return nil, config.UsageError("letters: --from " + from + ": give " + places)
	}
	text, err := config.ReadFile(ctx, from, mostLetters)
	if err != nil {
		return nil, fmt.Errorf("--from %s: %w", from, err)
	}
	return letters.NewFile(from, text)
}

// publishers publish without digests and write to outputs, and give nothing up: what waited as a letter is old. stop
// ends them.
func (x *reader) publishers(ctx context.Context, loaded *config.LoadedConfig, o *letters.Options) (
	stop func() error, err error,
) {
	cfg, err := x.program.loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	clients := daemon.NewClients(cfg, prometheus.NewRegistry(), nil)
	parts := loaded.Parts()
	c := parts.SNS
	c.MaxAttempts, c.MaxRecordAge = -1, 0
	for name, topic := range c.Topics {
		topic.Rate = 0 // letters.Run keeps it
		c.Topics[name] = topic
	}
	topics := daemon.NewTopicClients(clients, &loaded.Config)
	publisher, err := dispatch.New(c, dispatch.Deps{Service: sns.NewOf(topics.Of, nil)})
	if err != nil {
		return nil, err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	writer, err := letters.NewWriter(work, parts.Output, daemon.NewOutputClients(clients, &loaded.Config).Of)
	if err != nil {
		cancel()
		return nil, err
	}
	o.Publish, o.Write = publisher, writer
	ended := make(chan error, 2)
	go func() { ended <- publisher.Run(work) }()
	go func() { ended <- writer.Run(work) }()
	return func() error { cancel(); return errors.Join(<-ended, <-ended) }, nil
}

func toLetterJSON(r *letters.Result, whole bool) letterJSON {
	out := letterJSON{
		Where: r.Where, Alerts: []letterAlertJSON{}, Undecided: r.Undecided, Published: r.Published, Kept: r.Kept,
	}
	for _, a := range r.Alerts {
		out.Alerts = append(out.Alerts, letterAlertJSON{a.ID, a.Rule, a.Topic})
	}
	if r.Saved == nil {
		return out
	}
	l := &r.Saved.Letter
	out.ID, out.At = r.Saved.ID, new(r.Saved.At.UTC())
	out.Reason, out.Detail, out.AlertID, out.Rule, out.Topic = l.Reason, l.Detail, l.AlertID, l.Rule, l.Topic
	out.Output, out.Key, out.Shard, out.Place = l.Output, l.OutputKey, l.Record.Shard, l.Record.SequenceNumber
	if whole {
		out.Data = l.Record.Data
		if m := l.Message; m != nil {
			out.Message = &letterMessageJSON{m.Subject, m.Body, m.Bodies}
		}
	}
	return out
}

// print shows the letters and what became of them.
func (x *reader) print(all []letterJSON, only string, redrive bool, n *tally) error {
	p := x.program
	slices.SortStableFunc(all, func(a, b letterJSON) int { return strings.Compare(a.Where, b.Where) })
	if x.json {
		return p.printJSON(struct {
			Letters   []letterJSON `json:"letters"`
			DryRun    bool         `json:"dry_run"`
			Published int64        `json:"published"`
			Kept      int64        `json:"kept"`
			LeftOut   int64        `json:"left_out"`
		}{all, !redrive || !x.yes, n.published.Load(), n.kept.Load(), n.other.Load()})
	}
	if only != "" {
		for i := range all {
			writeLetter(p.results(), &all[i])
		}
		return nil
	}
	var rows [][]cell
	unjudged := false
	for i := range all {
		l := &all[i]
		done, to := "published", cmp.Or(l.Topic, "-")
		if l.Output != "" {
			done, to = "written", "output "+l.Output
		}
		fate, in := "would be "+done, noStyle
		switch {
		case l.Published:
			fate, in = done, good
		case l.Kept != "":
			fate, in = "stays: "+l.Kept, caution
		}
		if len(l.Undecided) > 0 && l.AlertID == "" {
			fate += "; not judged by " + strings.Join(l.Undecided, ", ")
			unjudged = true
		}
		at := "-"
		if l.At != nil {
			at = l.At.Format(time.RFC3339)
		}
		rows = append(rows, []cell{
			{text: cmp.Or(l.ID, l.Where)},
			{text: at},
			{text: cmp.Or(string(l.Reason), "-")},
			{text: cmp.Or(l.Rule, "-")},
			{text: to},
			{fate, in},
		})
	}
	s := p.results()
	if err := s.table([]string{"LETTER", "SENT", "REASON", "RULE", "TO", "REDRIVE"},
		map[string]bool{"LETTER": true}, rows); err != nil {
		return err
	}
	if unjudged {
		if _, err := plain.Fprintln(
			s.w, "not judged by a rule: it remembers other records, and has one alone here",
		); err != nil {
			return err
		}
	}
	others := ""
	if n.other.Load() > 0 {
		others = fmt.Sprintf(", %d left out by --reason and --rule", n.other.Load())
	}
	_, err := plain.Fprintf(s.w, "%s: %d published, %d to publish, %d stay%s\n",
		status.Number(int(n.read.Load()), "letter"), n.published.Load(), n.ready.Load(), n.kept.Load(), others)
	if err == nil && redrive && !x.yes && n.ready.Load() > 0 {
		_, err = plain.Fprintln(s.w, "nothing was published; repeat the command with --yes")
	}
	return err
}

// writeLetter shows a letter whole.
func writeLetter(s screen, l *letterJSON) {
	say := func(name, value string) {
		if value != "" {
			_, _ = plain.Fprintf(s.w, "%-9s %s\n", name, value)
		}
	}
	say("letter", l.ID)
	say("where", l.Where)
	say("sent", l.At.Format(time.RFC3339))
	say("reason", string(l.Reason))
	say("detail", l.Detail)
	say("alert_id", l.AlertID)
	say("rule", l.Rule)
	say("topic", l.Topic)
	say("output", l.Output)
	say("key", l.Key)
	say("record", l.Shard+" "+l.Place)
	say("stays", l.Kept)
	if l.Message != nil {
		say("subject", l.Message.Subject)
		_, _ = plain.Fprintf(s.w, "\n%s\n", l.Message.Body)
	}
	if len(l.Data) > 0 {
		_, _ = plain.Fprintf(s.w, "\nrecord:\n%s\n", l.Data)
	}
}
