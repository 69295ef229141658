package rehearse

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
)

// BacktestReport is what a backtest found.
type BacktestReport struct {
	// Width is that of the terminal which shows the report; 0 for none.
	Width int `json:"-"`

	Records int `json:"records"`
	// From and To are the first and the last arrival.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Incomplete says why not all was read; empty if all was.
	Incomplete string         `json:"incomplete,omitempty"`
	Outcomes   map[string]int `json:"outcomes"`
	Invalid    map[string]int `json:"invalid,omitempty"`
	// BadLines are the lines of an archive that hold no record, and BadExamples the first of them.
	BadLines    int       `json:"bad_lines"`
	BadExamples []BadLine `json:"bad_line_examples,omitempty"`

	Rules  []*ruleTally  `json:"rules"`
	Hours  []*hourTally  `json:"hours"`
	Topics []TopicResult `json:"topics"`
	// Outputs are what would be written to output streams; missing without any.
	Outputs []*OutputTally `json:"outputs,omitempty"`

	Against    string            `json:"against,omitempty"`
	Difference []*ruleDifference `json:"difference,omitempty"`
	Notes      []string          `json:"notes,omitempty"`

	topicNames  []string
	outputs     map[string]*OutputTally
	rules       map[string]*ruleTally
	hours       map[time.Time]*hourTally
	differences map[string]*ruleDifference
}

// BadLine is a line of an archive that holds no record.
type BadLine struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Why  string `json:"why"`
}

// ruleTally is what came of a rule. The rule is empty where there are no rules and every record alerts.
type ruleTally struct {
	Rule string `json:"rule"`
	// Alerts counts each alert once, however many topics it goes to.
	Alerts     int            `json:"alerts"`
	Kinds      map[string]int `json:"kinds,omitempty"`
	Suppressed map[string]int `json:"suppressed,omitempty"`
	// Shadow is how many a rule in mode shadow would have made.
	Shadow int `json:"shadow,omitempty"`
}

// hourTally is an hour with alerts.
type hourTally struct {
	Hour   time.Time      `json:"hour"`
	Alerts map[string]int `json:"alerts"`
}

// TopicResult is what a topic would be given.
type TopicResult struct {
	Topic string `json:"topic"`
	// Alerts are those for the topic, and Messages what is sent of them with the topic's rate.
	Alerts   int `json:"alerts"`
	Messages int `json:"messages"`
	// Digests are among Messages and stand for Digested alerts.
	Digests  int `json:"digests"`
	Digested int `json:"digested"`
	// Busiest is the second with the most alerts, before any rate.
	Busiest BusiestSecond `json:"busiest_second"`
	// Refused are alerts that SNS would refuse, and RefusedWhy says so of the first.
	Refused    int    `json:"refused"`
	RefusedWhy string `json:"refused_why,omitempty"`
	// Cut says that a storm was too long to be played in one piece.
	Cut bool `json:"digests_about,omitempty"`
}

// BusiestSecond is the second in which a topic would have got most alerts.
type BusiestSecond struct {
	At     time.Time `json:"at,omitzero"`
	Alerts int       `json:"alerts"`
}

// OutputTally is what an output would be given.
type OutputTally struct {
	Output  string `json:"output"`
	Stream  string `json:"stream"`
	Records int    `json:"records"`
	// Bytes are those of the records with their keys.
	Bytes int64 `json:"bytes"`
	// Unwritable counts the records that can never be written, by reason, and UnwritableWhy is that of the first.
	Unwritable    map[string]int `json:"unwritable,omitempty"`
	UnwritableWhy string         `json:"unwritable_why,omitempty"`
	// First is the first record that is written; nil for none.
	First *alert.OutputText `json:"first,omitempty"`
}

// ruleDifference is how the alerts of a rule differ from those of the other rule set.
type ruleDifference struct {
	Rule         string        `json:"rule"`
	New          int           `json:"new"`
	Gone         int           `json:"gone"`
	NewExamples  []alertOrigin `json:"new_examples,omitempty"`
	GoneExamples []alertOrigin `json:"gone_examples,omitempty"`
}

// alertOrigin says where an alert comes from.
type alertOrigin struct {
	At       time.Time `json:"at"`
	Kind     string    `json:"kind"`
	Key      string    `json:"key,omitempty"`
	Shard    string    `json:"shard,omitempty"`
	Sequence string    `json:"sequence_number,omitempty"`
	Sub      uint32    `json:"sub_sequence,omitempty"`
}

const (
	// mostExamples is how many examples of a kind are kept.
	mostExamples = 5
	// mostHours bounds the table; retention is 365 days at most.
	mostHours = 400 * 24
	// mostNotes bounds what is noted.
	mostNotes = 50
)

func newBacktestReport(config *config.LoadedConfig) *BacktestReport {
	r := &BacktestReport{
		Outcomes: map[string]int{}, Invalid: map[string]int{}, Rules: []*ruleTally{}, Hours: []*hourTally{},
		Topics:     []TopicResult{},
		topicNames: slices.Sorted(maps.Keys(config.Topics)),
		rules:      map[string]*ruleTally{}, hours: map[time.Time]*hourTally{},
		differences: map[string]*ruleDifference{}, outputs: map[string]*OutputTally{},
	}
	for _, name := range slices.Sorted(maps.Keys(config.Outputs)) {
		t := &OutputTally{Output: name, Stream: config.Outputs[name].Stream}
		r.Outputs, r.outputs[name] = append(r.Outputs, t), t
	}
	for _, name := range ruleNames(config) { // in their order, those without alerts, too
		r.rule(name)
	}
	return r
}

func (r *BacktestReport) rule(name string) *ruleTally {
	t := r.rules[name]
	if t == nil {
		t = &ruleTally{Rule: name, Kinds: map[string]int{}}
		r.rules[name] = t
		r.Rules = append(r.Rules, t)
	}
	return t
}

func (r *BacktestReport) note(text string, values ...any) {
	if len(r.Notes) < mostNotes {
		r.Notes = append(r.Notes, fmt.Sprintf(text, values...))
	}
}

// saw notes the arrival of a Kinesis record.
func (r *BacktestReport) saw(rec *alert.Record) {
	if r.From.IsZero() || rec.Arrival.Before(r.From) {
		r.From = rec.Arrival
	}
	if rec.Arrival.After(r.To) {
		r.To = rec.Arrival
	}
}

// decided counts a record, each of an aggregate by itself.
func (r *BacktestReport) decided(d alert.Decision) {
	r.Records++
	r.Outcomes[d.Outcome.String()]++
	if d.Outcome == alert.Invalid {
		r.Invalid[string(d.Reason)]++
	}
}

// wrote counts what is written of a record.
func (r *BacktestReport) wrote(outputs []alert.Output) {
	for i := range outputs {
		o := &outputs[i]
		t := r.outputs[o.Name]
		if o.Reason != "" {
			if t.Unwritable == nil {
				t.Unwritable, t.UnwritableWhy = map[string]int{}, o.Detail
			}
			t.Unwritable[string(o.Reason)]++
			continue
		}
		if t.First == nil {
			t.First = new(o.Text())
		}
		t.Records++
		t.Bytes += int64(len(o.Data) + len(o.Key))
	}
}

func (r *BacktestReport) badLine(file string, line int, why string) {
	if r.BadLines++; len(r.BadExamples) < mostExamples {
		r.BadExamples = append(r.BadExamples, BadLine{file, line, why})
	}
}

func (r *BacktestReport) alerted(a *alert.Alert) {
	t := r.rule(a.Rule)
	t.Alerts++
	t.Kinds[string(a.Kind)]++
	hour := a.Occurred().UTC().Truncate(time.Hour)
	h := r.hours[hour]
	if h == nil {
		if len(r.hours) == mostHours {
			return
		}
		if len(r.hours) == mostHours-1 {
			r.note("the alerts are of more than %d hours: the table ends there", mostHours)
		}
		h = &hourTally{Hour: hour, Alerts: map[string]int{}}
		r.hours[hour] = h
	}
	h.Alerts[a.Rule]++
}

// differs notes an alert that only one of the rule sets makes.
func (r *BacktestReport) differs(o *occasionKey, isNew bool) {
	d := r.differences[o.rule]
	if d == nil {
		d = &ruleDifference{Rule: o.rule}
		r.differences[o.rule] = d
	}
	count, examples := &d.New, &d.NewExamples
	if !isNew {
		count, examples = &d.Gone, &d.GoneExamples
	}
	if *count++; len(*examples) < mostExamples {
		*examples = append(*examples, alertOrigin{
			At: time.UnixMilli(o.at).UTC(), Kind: o.kind, Key: strings.Clone(o.key), Shard: o.shard,
			Sequence: o.sequence, Sub: o.sub,
		})
	}
}

// suppressed takes up what the metrics of the rules say.
func (r *BacktestReport) suppressed(byRule map[string]map[string]int, shadow map[string]int) {
	for name, reasons := range byRule {
		r.rule(name).Suppressed = reasons
	}
	for name, n := range shadow {
		r.rule(name).Shadow = n
	}
	for _, hour := range slices.SortedFunc(maps.Keys(r.hours), time.Time.Compare) {
		r.Hours = append(r.Hours, r.hours[hour])
	}
	for _, name := range slices.Sorted(maps.Keys(r.differences)) {
		r.Difference = append(r.Difference, r.differences[name])
	}
}

// Print writes the report as text or as JSON.
func (r *BacktestReport) Print(w io.Writer, asJSON bool) error {
	if asJSON {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(text, '\n'))
		return err
	}
	var text strings.Builder
	r.Write(&text)
	_, err := io.WriteString(w, text.String())
	return err
}

// ruleLabel is how a rule is called: it has no name where there are no rules.
func ruleLabel(name string) string { return cmp.Or(name, "(every record)") }

func (r *BacktestReport) Write(w io.Writer) {
	line := func(format string, values ...any) { _, _ = plain.Fprintf(w, format+"\n", values...) }
	if r.Incomplete != "" {
		line("INCOMPLETE, what follows is of a part of the records: %s\n", r.Incomplete)
	}
	if r.Records == 0 {
		line("0 records")
	} else {
		line("%s, %s to %s: %s", config.Plural(r.Records, "record"), instantText(r.From), instantText(r.To),
			counts(r.Outcomes))
	}
	if len(r.Invalid) > 0 {
		line("invalid: %s", counts(r.Invalid))
	}
	if r.BadLines > 0 {
		line("%s without a record:", config.Plural(r.BadLines, "line"))
		for _, b := range r.BadExamples {
			line("  %s:%d: %s", b.File, b.Line, b.Why)
		}
		if more := r.BadLines - len(r.BadExamples); more > 0 {
			line("  and %d more", more)
		}
	}
	line("")
	r.writeRules(w)
	r.writeHours(w)
	r.writeTopics(w)
	r.writeOutputs(w)
	r.writeDifference(w)
	if len(r.Notes) > 0 {
		line("")
	}
	for _, n := range r.Notes {
		line("note: %s", n)
	}
}

func (r *BacktestReport) writeRules(w io.Writer) {
	rows := [][]string{{"RULE", "ALERTS", "OF WHICH", "SUPPRESSED", "SHADOW"}}
	for _, t := range r.Rules {
		rows = append(rows, []string{
			ruleLabel(t.Rule), fmt.Sprint(t.Alerts), countsOr(t.Kinds), countsOr(t.Suppressed), numberOr(t.Shadow),
		})
	}
	writeColumns(w, rows, "<><<>")
}

func countsOr(m map[string]int) string {
	if len(m) == 0 {
		return "-"
	}
	return counts(m)
}

func numberOr(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// writeHours writes a column for each rule that alerts, in as many tables as a terminal needs.
func (r *BacktestReport) writeHours(w io.Writer) {
	if len(r.Hours) == 0 {
		return
	}
	const head, gap = "ALERTS IN THE HOUR FROM", 2
	var parts [][]string
	free := 0
	for _, t := range r.Rules {
		if t.Alerts == 0 {
			continue
		}
		wide := gap + max(len([]rune(ruleLabel(t.Rule))), len(fmt.Sprint(t.Alerts)))
		if len(parts) == 0 || r.Width > 0 && wide > free {
			parts, free = append(parts, nil), r.Width-len(head)
		}
		parts[len(parts)-1], free = append(parts[len(parts)-1], t.Rule), free-wide
	}
	for _, with := range parts {
		header := []string{head}
		for _, name := range with {
			header = append(header, ruleLabel(name))
		}
		rows := [][]string{header}
		for _, h := range r.Hours {
			row := []string{h.Hour.Format("2006-01-02 15:04Z")}
			for _, name := range with {
				row = append(row, numberOr(h.Alerts[name]))
			}
			rows = append(rows, row)
		}
		_, _ = plain.Fprintln(w)
		writeColumns(w, rows, "<"+strings.Repeat(">", len(with)))
	}
}

func (r *BacktestReport) writeTopics(w io.Writer) {
	rows := [][]string{{"TOPIC", "ALERTS", "MESSAGES", "DIGESTS", "OF ALERTS", "BUSIEST SECOND"}}
	for _, t := range r.Topics {
		busiest, about := "-", ""
		if t.Busiest.Alerts > 0 {
			busiest = fmt.Sprintf("%s at %s", config.Plural(t.Busiest.Alerts, "alert"), instantText(t.Busiest.At))
		}
		if t.Cut {
			about = "~"
		}
		rows = append(rows, []string{
			t.Topic, fmt.Sprint(t.Alerts), about + fmt.Sprint(t.Messages), about + numberOr(t.Digests),
			about + numberOr(t.Digested), busiest,
		})
	}
	_, _ = plain.Fprintln(w)
	writeColumns(w, rows, "<>>>><")
	for _, t := range r.Topics {
		if t.Refused > 0 {
			_, _ = plain.Fprintf(w, "topic %s: SNS would refuse %s, the first: %s\n", t.Topic,
				config.Plural(t.Refused, "alert"), t.RefusedWhy)
		}
	}
}

func (r *BacktestReport) writeOutputs(w io.Writer) {
	if len(r.Outputs) == 0 {
		return
	}
	rows := [][]string{{"OUTPUT", "STREAM", "RECORDS", "BYTES", "UNWRITABLE"}}
	for _, t := range r.Outputs {
		rows = append(rows, []string{
			t.Output, t.Stream, fmt.Sprint(t.Records), fmt.Sprint(t.Bytes), countsOr(t.Unwritable),
		})
	}
	_, _ = plain.Fprintln(w)
	writeColumns(w, rows, "<<>><")
	for _, t := range r.Outputs {
		if t.First != nil {
			_, _ = plain.Fprintf(w, "output %s, the first: key %q: %s\n", t.Output, t.First.Key, abridged(t.First.Data))
		}
		if t.UnwritableWhy != "" {
			_, _ = plain.Fprintf(w, "output %s: records that can never be written, the first because %s\n", t.Output,
				t.UnwritableWhy)
		}
	}
}

// abridged is the beginning of a text.
func abridged(s string) string {
	const most = 240
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

func (r *BacktestReport) writeDifference(w io.Writer) {
	if r.Against == "" {
		return
	}
	line := func(format string, values ...any) { _, _ = plain.Fprintf(w, format+"\n", values...) }
	line("")
	if len(r.Difference) == 0 {
		line("Against %s: the same alerts", r.Against)
		return
	}
	line("Against %s:", r.Against)
	for _, d := range r.Difference {
		line("  %s: +%d new, -%d gone", ruleLabel(d.Rule), d.New, d.Gone)
		show := func(mark string, n int, examples []alertOrigin) {
			for _, o := range examples {
				line("    %s %s", mark, o)
			}
			if more := n - len(examples); more > 0 {
				line("    %s and %d more", mark, more)
			}
		}
		show("+", d.New, d.NewExamples)
		show("-", d.Gone, d.GoneExamples)
	}
}

// String is where the alert comes from, in a line.
func (o alertOrigin) String() string {
	s := instantText(o.At) + " " + o.Kind
	if o.Key != "" {
		s += fmt.Sprintf(", key %q", o.Key)
	}
	if o.Sequence != "" {
		s += ", " + o.Shard + " " + o.Sequence
		if o.Sub > 0 {
			s += fmt.Sprintf(".%d", o.Sub)
		}
	}
	return s
}

// writeColumns writes a table; align has < or > for each column.
func writeColumns(w io.Writer, rows [][]string, align string) {
	widths := make([]int, len(align))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if align[i] == '>' {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
		}
		_, _ = plain.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// progressBar shows on a terminal how far something is. Without one it does nothing.
type progressBar struct {
	w     io.Writer
	now   func() time.Time
	began time.Time
	shown time.Time
	steps int
	width int
}

const (
	// barEvery is how often the bar changes, barCells its width, and barSteps how rarely the clock is asked.
	barEvery = 200 * time.Millisecond
	barCells = 30
	barSteps = 64
)

// NewProgressBar returns nil unless there is a terminal; nil can be used.
func NewProgressBar(w io.Writer, terminal bool, now func() time.Time) *progressBar {
	if !terminal {
		return nil
	}
	return &progressBar{w: w, now: now, began: now()}
}

// step says that records have been read, and which part of all is done, 0 to 1.
func (p *progressBar) step(records int, done float64) {
	if p == nil {
		return
	}
	if p.steps++; p.steps%barSteps != 0 {
		return
	}
	now := p.now()
	if now.Sub(p.shown) < barEvery {
		return
	}
	p.shown = now
	done = min(1, max(0, done))
	full := int(done * barCells)
	text := fmt.Sprintf("[%s%s] %3.0f %%  %d records", strings.Repeat("#", full), strings.Repeat(".", barCells-full),
		100*done, records)
	if spent := now.Sub(p.began); done > 0.01 && spent > time.Second {
		left := time.Duration(float64(spent) * (1 - done) / done)
		text += fmt.Sprintf("  about %s left", shortDuration(left.Round(time.Second)))
	}
	pad := max(0, p.width-len(text))
	p.width = len(text)
	_, _ = fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", pad))
}

// Clear takes the bar away.
func (p *progressBar) Clear() {
	if p != nil && p.width > 0 {
		_, _ = fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.width))
		p.width = 0
	}
}
