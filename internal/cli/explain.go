package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/rehearse"
)

// explainer carries out the command explain.
type explainer struct {
	from                                      configFlags
	shard, sequence, data, key, arrival, rule string
	at, since                                 string

	window time.Duration
	sub    int
	json   bool

	program *program
	client  *kinesis.Client
}

func explainCommand(p *program) *cobra.Command {
	x := &explainer{program: p}
	c := &cobra.Command{
		Use:     "explain --key KEY --at TIME | --shard SHARD --sequence NUMBER | --data FILE",
		Short:   "Say why a record did or did not alert",
		GroupID: groupRules,
		Long: "Say why a record did or did not alert: every rule with its terms and the values that they " +
			"had. Rules that remember (dedup, windows, for, resolve ...) are given the records before it first, from " +
			"the same shard: an hour of them at most, unless --since says more. With --key and --at, the records " +
			"of a key around a time are found, and one is explained: the nearest of those that alerted or were " +
			"suppressed, else of all. KEY is their partition key, or the key that a rule gives to them. With " +
			"--data, what the rules make of a payload, without AWS.",
		Example: "kinesis-alerter explain --config kinesis-alerter.yaml --key web-7 --at 14:02\n" +
			"kinesis-alerter explain --config kinesis-alerter.yaml --shard 0002 " +
			"--sequence 49546986683135544286507457936321625675700192471156785154\n" +
			"kinesis-alerter explain --config kinesis-alerter.yaml --data record.json --key web-1",
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return x.Run(c.Context()) },
	}
	x.declare(c.Flags())
	declareJSON(c, &x.json)
	p.namesOf(c, "rule", &x.from.file, ruleNames)
	return c
}

func (x *explainer) declare(fs *pflag.FlagSet) {
	x.from.declareSource(fs)
	fs.StringVar(&x.shard, "shard", "", "the `SHARD` of the record: its id, or an unambiguous suffix")
	fs.StringVar(&x.sequence, "sequence", "", "the sequence `NUMBER` of the record")
	fs.IntVar(&x.sub, "sub", -1, "the `PLACE` in a record that holds several, from 0; -1 is all of it")
	fs.StringVar(&x.data, "data", "",
		"instead of a record of the stream: a `FILE` with its payload, as it is or as lines of {\"partitionKey\", "+
			"\"data\": base64}; - is standard input")
	fs.StringVar(&x.key, "key", "", "the `KEY` of the records to find; with --data: the partition key (default "+
		rehearse.DefaultCaseKey+")")
	fs.StringVar(&x.at, "at", "", "with --key: the `TIME` around which to look ("+timeHelp+
		", or 14:02, the last time that it was so, in UTC)")
	fs.DurationVar(&x.window, "window", 5*time.Minute, "with --at: look so long before and after it")
	fs.StringVar(&x.since, "since", "", "give the rules the records since this `TIME` ("+timeHelp+", or 14:02 in UTC)")
	fs.StringVar(&x.arrival, "arrival", "",
		"with --data: the `TIME` at which the record arrived ("+timeHelp+"; default now)")
	fs.StringVar(&x.rule, "rule", "", "only the rule of this `NAME`")
}

func (x *explainer) Run(ctx context.Context) error {
	if err := x.check(); err != nil {
		return err
	}
	loaded, err := x.from.Load(ctx, x.program)
	if err != nil {
		return err
	}
	if x.rule != "" && !slices.Contains(ruleNames(loaded), x.rule) {
		text := fmt.Sprintf("explain: there is no rule %q", x.rule)
		if near := config.Nearest(x.rule, ruleNames(loaded)); near != "" {
			text += fmt.Sprintf("; did you mean %q?", near)
		}
		return config.UsageError(text)
	}
	if x.at != "" {
		return x.search(ctx, loaded)
	}
	arn := loaded.AssumedARN()
	var records []decode.UserRecord
	if x.data != "" {
		records, err = x.given(ctx, loaded.Plan())
	} else {
		done := x.program.during(ctx, "reading the record")
		records, arn, err = x.Read(ctx, loaded.Config)
		done()
	}
	if err != nil {
		return err
	}
	pieces := 0
	for _, r := range records {
		if r.Inner {
			pieces = max(pieces, int(r.SubSequence)+1)
		}
	}
	if x.sub >= 0 {
		records = slices.DeleteFunc(records, func(r decode.UserRecord) bool { return int(r.SubSequence) != x.sub })
		if len(records) == 0 {
			why := fmt.Sprintf("the record has %d in it, the last is %d", max(1, pieces), max(1, pieces)-1)
			if x.sub < pieces {
				why = "there is nothing at that place: it is blank, or names columns"
			}
			return config.UsageError(fmt.Sprintf("explain: --sub %d: %s", x.sub, why))
		}
	}
	pipeline, err := loaded.Pipeline(alert.Deps{
		Stream: cmp.Or(arn, loaded.AssumedARN()), Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	var all []alert.Explanation
	found, err := x.replay(ctx, loaded, arn, records)
	if err != nil {
		return err
	}
	cover := loaded.Cover()
	for _, r := range records {
		e := rehearse.ExplainRecord(pipeline, &r)
		for i := range found {
			if found[i].Record.SubSequence == r.SubSequence {
				e = found[i].Explain(pipeline)
			}
		}
		rehearse.Hint(ctx, &e, &r)
		if arn == "" || x.data != "" { // what the ids are made of is not known
			rehearse.ForgetIDs(&e)
		}
		cover.Explanation(&e)
		if x.rule != "" {
			e.Rules = slices.DeleteFunc(e.Rules, func(r alert.RuleExplanation) bool { return r.Rule != x.rule })
		}
		all = append(all, e)
	}
	if x.json {
		return x.program.printJSON(explanationsJSON{all})
	}
	for i, e := range all {
		if i > 0 {
			_, _ = fmt.Fprintln(x.program.stdout)
		}
		writeExplanation(x.program.results(), &e, records[i].Data, pieces)
	}
	writeRates(x.program.stdout, loaded.Config, all)
	return nil
}

func (x *explainer) check() error {
	bad := func(text string, values ...any) error {
		return config.UsageError("explain: " + fmt.Sprintf(text, values...))
	}
	fromStream := x.shard != "" || x.sequence != ""
	if err := x.checkTimes(); err != nil {
		return bad("%v", err)
	}
	switch {
	case x.at != "" && (fromStream || x.data != "" || x.sub >= 0):
		return bad("--at finds the records of --key; it goes without --shard, --sequence, --sub and --data")
	case x.at != "" && x.key == "":
		return bad("the records of which key? give --key KEY, too")
	case x.at != "":
		return nil
	case x.data == "" && x.key != "" && !fromStream:
		return bad("records of %s, from when? give --at TIME, too, for example --at -10m", x.key)
	case x.data != "" && x.since != "":
		return bad("--since goes with a record of the stream")
	case x.data != "" && x.sequence != "":
		return bad("give either --sequence, for a record of the stream, or --data")
	case x.data == "" && !fromStream:
		return bad("which record? give --key KEY and --at TIME, or --shard SHARD and --sequence NUMBER, or --data " +
			"FILE " +
			"(- is standard input)")
	case x.data == "" && x.shard == "":
		return bad("give --shard, too: a sequence number is one of a shard")
	case x.data == "" && x.sequence == "":
		return bad("give --sequence, too")
	case strings.Trim(x.sequence, "0123456789") != "":
		return bad("--sequence %s: a sequence number consists of digits", x.sequence)
	case x.data == "" && x.arrival != "":
		return bad("--arrival goes with --data; a record of the stream has its own")
	}
	if x.arrival != "" {
		if _, err := instant(x.arrival, x.program.now()); err != nil {
			return bad("--arrival %s: %v", x.arrival, err)
		}
	}
	return nil
}

// given are the records of --data.
func (x *explainer) given(ctx context.Context, plan *decode.Plan) ([]decode.UserRecord, error) {
	data, err := x.program.readFile(ctx, x.data, config.MostRecord)
	if err != nil {
		return nil, fmt.Errorf("explain: %s: %w", x.data, err)
	}
	arrival := x.program.now()
	if x.arrival != "" {
		arrival, _ = instant(x.arrival, arrival) // check has read it
	}
	var out []decode.UserRecord
	for _, rec := range rehearse.Payloads(data) {
		rec.Shard, rec.Arrival = x.shard, arrival.UTC()
		rec.PartitionKey = cmp.Or(x.key, rec.PartitionKey, rehearse.DefaultCaseKey)
		out = append(out, plan.All(ctx, &rec)...)
	}
	return out, nil
}

// Read reads the record of the stream, with everything in it that is asked for, and the stream's ARN, which is empty if
// it cannot be had.
func (x *explainer) Read(ctx context.Context, c config.Config) (records []decode.UserRecord, arn string, err error) {
	cfg, err := x.program.loadAWS(ctx)
	if err != nil {
		return nil, "", err
	}
	client := daemon.NewClients(cfg, prometheus.NewRegistry(), nil).Of(c.Stream.ARN, c.StreamRole()).Kinesis
	x.client = client
	stream := c.Parts().Consumer
	if !position.WholeShard(x.shard) {
		shards, err := (&rehearse.StreamSource{
			Client: client, Stream: stream, Trouble: x.program.reading("explain"),
		}).Shards(ctx)
		if err == nil {
			x.shard, err = position.FindShard(x.shard, shards)
		}
		if err != nil {
			return nil, "", fmt.Errorf("explain: %w", err)
		}
	}
	rec, err := (&rehearse.RecordReader{
		Client: client, Stream: stream, Shard: x.shard, Sequence: x.sequence,
	}).Read(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("explain: %w", err)
	}
	if arn = c.Stream.ARN; arn == "" {
		arn, _ = daemon.DescribeStream(ctx, client, c.Stream.Name) // only the alert ids need it
	}
	return c.Plan().All(ctx, rec), arn, nil
}

// explanationsJSON is an explanation as --json prints it. The names are stable.
type explanationsJSON struct {
	Records []alert.Explanation `json:"records"`
}

// writeExplanation writes an explanation for people. pieces is how many the Kinesis record has; 0 if that is not known,
// or if it is the record.
func writeExplanation(s screen, e *alert.Explanation, data []byte, pieces int) {
	w := s.w
	line := func(format string, values ...any) { _, _ = plain.Fprintf(w, format+"\n", values...) }
	if e.SequenceNumber == "" {
		line("The payload%s, as a record with the key %q, arrived %s:", among(e.SubSequence, pieces), e.PartitionKey,
			e.Arrival.Format(time.RFC3339Nano))
	} else {
		line("Record %s, sub-sequence %d%s, of %s", e.SequenceNumber, e.SubSequence, among(e.SubSequence, pieces),
			e.Shard)
		line("with the key %q, arrived %s:", e.PartitionKey, e.Arrival.Format(time.RFC3339Nano))
	}
	line("  %s", printable(data))
	open := 0
	for i := range e.Rules {
		if len(e.Rules[i].Depends) > 0 && (e.Rules[i].Verdict == alert.VerdictTrue ||
			e.Rules[i].Verdict == alert.VerdictDepends) {
			open++
		}
	}
	if a := e.AfterReplay; a != nil {
		line("Outcome, after the records since %s: %s", a.From.Format(time.RFC3339),
			outcomeText(e, a.Outcome, a.Reason))
	} else if len(e.DependsOn) > 0 {
		line("Outcome: depends on %s, which comes from earlier records; they are not considered here. "+
			"The audit log has the outcome of the record.",
			strings.Join(e.DependsOn, ", "))
	} else if open > 0 {
		line("Undecided: %s on earlier records. If the rules have seen none: %s",
			map[bool]string{true: "a rule depends", false: fmt.Sprintf("%d rules depend", open)}[open == 1],
			outcomeText(e, e.Outcome, e.Reason))
	} else {
		line("Outcome, if the rules have seen no earlier record: %s",
			outcomeText(e, e.Outcome, e.Reason))
	}
	if e.Detail != "" {
		line("It cannot be taken apart: %s", e.Detail)
	}
	switch {
	case e.Hint != nil:
		line("It looks like %s: %s", e.Hint.Words(), e.Hint.Advice())
	case e.Likely != "":
		line("It looks like %s: %s", e.Likely.Words(), e.Likely.Remedy())
	}
	for _, f := range e.Filter {
		line("  filter[%d]: %s", f.Index, f)
	}
	if e.Publishes != nil {
		line("There are no rules: every record alerts.")
		writePublication(w, *e.Publishes)
	}
	for _, r := range e.Rules {
		writeRule(s, &r)
	}
	for i := range e.Outputs {
		writeOutput(s, e, &e.Outputs[i])
	}
}

// among is where a piece stands among those of its record, which count from 1 here.
func among(sub uint32, pieces int) string {
	if pieces == 0 {
		return ""
	}
	return fmt.Sprintf(" (piece %d of %d)", sub+1, pieces)
}

// writeOutput writes what an output makes of the record.
func writeOutput(s screen, e *alert.Explanation, o *alert.OutputExplanation) {
	w, in, head := s.w, faint, "not written: "+cmp.Or(o.First, o.OverBudget, o.Cause)
	written := o.Writes
	if o.Verdict == alert.VerdictDepends {
		head = o.First
	} else if written != nil {
		in, head = good, "written"
	}
	if a := e.AfterReplay; a != nil { // what the scores of earlier records decide is known
		if written, in, head = nil, faint, "not written"; o.First != "" {
			head += ": " + o.First
		}
		for i := range a.Outputs {
			if a.Outputs[i].Output == o.Output {
				written, in, head = &a.Outputs[i], good, "written"
			}
		}
	}
	if written != nil && written.Unwritable != "" {
		in, head = bad, fmt.Sprintf("it can never be written (%s): %s", written.Unwritable, written.Detail)
	}
	line := func(format string, values ...any) { _, _ = plain.Fprintf(w, "  "+format+"\n", values...) }
	_, _ = fmt.Fprintf(w, "\nOutput %s: %s\n", s.text(bold, o.Output), s.text(in, plain.Text(head)))
	for _, t := range o.Terms {
		line("%s", t)
	}
	if written == nil {
		return
	}
	if written.Unwritable == "" {
		line("partition key %q", written.Key)
	}
	line("%s", printable([]byte(written.Data)))
	if e.AfterReplay == nil && len(o.DependsOn) > 0 {
		line("and what earlier records decide: %s", strings.Join(o.DependsOn, ", "))
	}
	if strings.Contains(written.Data, `"sequenceNumber":""`) {
		line("the stream and the sequence number in it are made up: the payload has no place in a stream")
	}
}

func writeRule(s screen, r *alert.RuleExplanation) {
	w, in := s.w, faint
	if r.Verdict == alert.VerdictTrue {
		in = good
	}
	line := func(format string, values ...any) { _, _ = plain.Fprintf(w, "  "+format+"\n", values...) }
	_, _ = fmt.Fprintf(w, "\nRule %s: %s\n", s.text(bold, r.Rule), s.text(in, headline(r)))
	for _, t := range r.Terms {
		line("%s", t)
	}
	about := "severity " + r.Severity
	switch {
	case r.KeyCause != "":
		about += ", its key is undefined (" + r.KeyCause + "): such records share one alert, with an empty key"
	case r.Key != "":
		about += fmt.Sprintf(", key %q", r.Key)
	}
	line("%s", about)
	if r.WindowCause != "" {
		line("adds nothing to the window (%s)", r.WindowCause)
	}
	if r.Shadow {
		line("mode shadow: it publishes nothing")
	}
	if r.AfterReplay != nil {
		writeReplay(w, r)
		return
	}
	for _, p := range r.Publishes {
		writePublication(w, p)
	}
	for _, m := range r.Mutes {
		line("suppressed by %s", m)
	}
	for i, d := range r.Depends {
		if i == 0 {
			line("depends on earlier records:")
		}
		line("  %s: %s", d.Setting, d.Says)
	}
}

// headline says in a word what a rule makes of the record, and why.
func headline(r *alert.RuleExplanation) string {
	if r.Verdict == alert.VerdictTrue {
		return "matches"
	}
	if r.Verdict == alert.VerdictDepends {
		return r.First
	}
	return "no match: " + r.First
}

func writePublication(w io.Writer, p alert.Publication) {
	_, _ = plain.Fprintf(w, "  publishes to %s: %q\n", p.Topic, p.Subject)
	if p.AlertID != "" {
		_, _ = plain.Fprintf(w, "    alert_id %s, unless the shard was rewound\n", p.AlertID)
	}
	if p.OverBudget != "" {
		_, _ = fmt.Fprintf(w, "    a template %s\n", p.OverBudget)
	}
	for _, part := range p.Failed {
		_, _ = plain.Fprintf(w, "    a template for the %s fails on this record: %s\n", part, rehearse.InsteadOf(part))
	}
}

// writeRates says what explanations cannot know of the topics.
func writeRates(w io.Writer, c config.Config, all []alert.Explanation) {
	named := map[string]bool{}
	tell := func(topic string) {
		if rate := c.Topics[topic].Rate; !named[topic] && !rate.Unlimited {
			named[topic] = true
			_, _ = plain.Fprintf(w,
				"\nTopic %s: above %s, of all workers together, alerts are gathered into digests; this depends on "+
					"the other alerts.\n", topic, rate)
		}
	}
	for _, e := range all {
		if e.Publishes != nil {
			tell(e.Publishes.Topic)
		}
		for _, r := range e.Rules {
			for _, p := range r.Publishes {
				tell(p.Topic)
			}
		}
	}
}

// printable is the beginning of a payload. The writer escapes what is no text.
func printable(data []byte) string {
	const most = 2000
	switch {
	case len(data) == 0:
		return "(empty)"
	case len(data) > most:
		return fmt.Sprintf("%s… (%d bytes)", data[:most], len(data))
	}
	return string(data)
}
