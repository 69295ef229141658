package rehearse

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
)

// sampleRecord is one record of a sample.
type sampleRecord struct {
	// place says where it is: "line 7", "record 7".
	place string
	key   string
	data  []byte
	// wrapped says that the sample has its partition key.
	wrapped bool
}

// readSample reads a file with one record a line or, where the whole is a JSON array, its elements. Empty lines are
// left out. A file that is no text is one record. The records are made one by one, and share the file's bytes.
func readSample(ctx context.Context, file string, encoded bool) (iter.Seq[sampleRecord], error) {
	text, err := config.ReadFile(ctx, file, config.MostSample)
	if err != nil {
		return nil, config.FieldErrors{{File: file, Rule: err.Error()}}
	}
	if config.UTF16(text) && !encoded {
		return nil, config.FieldErrors{{File: file, Rule: config.NotUTF8}}
	}
	records := sampleRecords(text)
	for range records {
		return records, nil
	}
	return nil, config.FieldErrors{
		{File: file, Rule: "there are no records: want one JSON record a line, or a JSON array of them"},
	}
}

// Records are the first records of a sample, as producers put them. One whose partition key the sample does not have
// has none.
func Records(text []byte, most int) []alert.Record {
	var out []alert.Record
	for r := range sampleRecords(text) {
		rec := alert.Record{PartitionKey: r.key, Data: r.data}
		if r.key == DefaultCaseKey {
			rec.PartitionKey = ""
		}
		if out = append(out, rec); len(out) == most {
			break
		}
	}
	return out
}

// Pieces are the first records in Kinesis records, as rules see them.
func Pieces(ctx context.Context, plan *decode.Plan, records []alert.Record, most int) []alert.Record {
	var out []alert.Record
	decoder, enough := plan.Decoder(decode.NewBudget()), errors.New("enough")
	for i := range records {
		if decoder.Each(ctx, &records[i], func(u *decode.UserRecord) error {
			if out = append(out, u.Kept()); len(out) == most {
				return enough
			}
			return nil
		}) != nil {
			break
		}
	}
	return out
}

// Payloads are the records of a file that holds a payload: each line one with its partition key, if all lines are, and
// else the file as it is.
func Payloads(file []byte) []alert.Record {
	var out []alert.Record
	if !binary(file) {
		for r := range sampleLines(file) {
			if !r.wrapped {
				out = nil
				break
			}
			out = append(out, alert.Record{PartitionKey: r.key, Data: r.data})
		}
	}
	if len(out) == 0 {
		return []alert.Record{{Data: file}}
	}
	return out
}

// binary reports whether a sample is one record, rather than lines of text: its first byte is a control character that
// no text begins with, or its first KiB have such characters and are no UTF-8, or do not begin as JSON. Everything
// compressed is, and so are KPL aggregates, Avro files and records behind the header of a schema registry.
func binary(file []byte) bool {
	control := func(c rune) bool { return c < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b\x1e", c) }
	end := min(len(file), sampleHead)
	for end < len(file) && end > sampleHead-utf8.UTFMax && !utf8.RuneStart(file[end]) {
		end-- // of a character that would be cut
	}
	head := file[:end]
	if len(head) > 0 && control(rune(head[0])) {
		return true
	}
	if !bytes.ContainsFunc(head, control) {
		return false
	}
	first := bytes.TrimLeft(head, " \t\r\n\x1e\ufeff")
	return !utf8.Valid(head) || len(first) > 0 && first[0] != '{' && first[0] != '['
}

// sampleHead is how much of a sample is looked at.
const sampleHead = 4 << 10

func sampleRecords(text []byte) iter.Seq[sampleRecord] {
	if binary(text) {
		return slices.Values([]sampleRecord{{place: "the file", key: DefaultCaseKey, data: text}})
	}
	text = bytes.TrimPrefix(text, []byte(config.ByteOrderMark))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) && json.Valid(text) {
		return sampleElements(text)
	}
	return sampleLines(text)
}

func sampleLines(text []byte) iter.Seq[sampleRecord] {
	return func(yield func(sampleRecord) bool) {
		n := 0
		for line := range bytes.Lines(text) {
			n++
			line = bytes.TrimRight(line, "\r\n")
			if len(bytes.TrimSpace(line)) > 0 && !yield(newSampleRecord(fmt.Sprintf("line %d", n), line)) {
				return
			}
		}
	}
}

// sampleElements are the elements of a valid JSON array.
func sampleElements(text []byte) iter.Seq[sampleRecord] {
	return func(yield func(sampleRecord) bool) {
		dec := config.LenientJSON(text)
		if _, err := dec.ReadToken(); err != nil {
			return // unreachable: it is valid
		}
		for n := 1; dec.PeekKind() != jsontext.KindEndArray; n++ {
			element, err := dec.ReadValue()
			if err != nil || !yield(newSampleRecord(fmt.Sprintf("record %d", n), bytes.Clone(element))) {
				return
			}
		}
	}
}

// newSampleRecord is the record of a line: the line itself, or what it has as data in the form of an archive.
func newSampleRecord(place string, line []byte) sampleRecord {
	if a, whole := Wrapped(line); whole {
		if data, why := a.payload(); why == "" {
			return sampleRecord{place, *a.PartitionKey, data, true}
		}
	}
	return sampleRecord{place, DefaultCaseKey, line, false}
}

// sampled is what is known of a configuration after a sample of records.
type sampled struct {
	config *config.LoadedConfig
	// lines are those of the file, records what is in them.
	lines, records int
	// matched, filtered and invalid count records; the other ones match no rule.
	matched, filtered int
	invalid           map[string]int            // by reason
	invalidAt         map[string]string         // the place of the first, by reason
	detail            map[string]string         // and what is wrong with it
	likely            map[string]map[string]int // by reason, and by what it looks like
	envelopes         map[string]int            // of records that can be read without an input, by what to note
	passed            []int                     // records by filter pattern
	rules             []sampledRule
	outputs           []*SampledOutput // in the order of their names
	fields            *config.FieldNames
	cover             *config.ExplanationCover
	decoder           *decode.Decoder
}

// sampledRule is what is known of a rule.
type sampledRule struct {
	name            string
	seen, matched   int
	terms           []sampledTerm
	first           map[string]int // records by the term that kept them from matching
	noKey, noWindow map[string]int // records by cause
	failed          map[string]int // of the matching records, by part of the message
	over            int            // records that the rule cannot judge within its budget, and why of the first
	overWhy         string
}

// sampledTerm is what is known of a term of a rule's condition.
type sampledTerm struct {
	term    string
	decided int            // records for which it was true or false
	causes  map[string]int // and those for which it was undefined
	example map[string]string
}

// SampleReport is what a sample shows of a configuration. Its names in JSON are stable.
type SampleReport struct {
	File    string `json:"file"`
	Records int    `json:"records"`
	// Matched records match a rule; where there are none, every record alerts.
	Matched   int      `json:"matched"`
	Unmatched int      `json:"unmatched"`
	Filtered  int      `json:"filtered"`
	Invalid   int      `json:"invalid"`
	Warnings  []string `json:"warnings"`
	// Notes are what may be of use, and is no fault.
	Notes []string `json:"notes,omitempty"`
	// Outputs are missing where the configuration has none.
	Outputs []*SampledOutput `json:"outputs,omitempty"`

	rules bool
}

// Print writes a report for people.
func (r *SampleReport) Print(w io.Writer) {
	matching := fmt.Sprintf("%d match a rule, %d do not", r.Matched, r.Unmatched)
	if !r.rules {
		matching = fmt.Sprintf("%d alert, as there are no rules", r.Matched)
	}
	_, _ = plain.Fprintf(w, "%s: %s: %s, %d filtered, %d invalid\n", r.File, config.Plural(r.Records, "record"),
		matching,
		r.Filtered, r.Invalid)
	for _, o := range r.Outputs {
		_, _ = plain.Fprintf(w, "output %s: %d of them written\n", o.Output, o.Written)
		if o.First != nil {
			_, _ = plain.Fprintf(w, "  the first: key %q: %s\n", o.First.Key, abridged(o.First.Data))
		}
	}
	for _, warning := range r.Warnings {
		_, _ = plain.Fprintf(w, "warning: %s\n", warning)
	}
	for _, note := range r.Notes {
		_, _ = plain.Fprintf(w, "note: %s\n", note)
	}
}

// CheckSample reads a sample of records the way the rules do. It reports what looks wrong, and returns what is: names
// of fields that no record has, each with its place in the configuration. The report is nil where the sample cannot be
// read.
func CheckSample(ctx context.Context, loaded *config.LoadedConfig, file string) (*SampleReport, error) {
	records, err := readSample(ctx, file, loaded.Input.Given())
	if err != nil {
		return nil, err
	}
	pipeline, err := loaded.Pipeline(alert.Deps{
		Stream: loaded.AssumedARN(), Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, err
	}
	s := &sampled{
		config: loaded, invalid: map[string]int{}, invalidAt: map[string]string{}, detail: map[string]string{},
		likely: map[string]map[string]int{}, envelopes: map[string]int{},
		passed: make([]int, len(loaded.Filter)),
		rules:  make([]sampledRule, len(loaded.Rules)), fields: config.NewFieldNames(), cover: loaded.Cover(),
		decoder: loaded.Plan().Decoder(decode.NewBudget()),
	}
	for i, r := range loaded.Rules {
		s.rules[i] = sampledRule{
			name: r.Name, first: map[string]int{}, noKey: map[string]int{}, noWindow: map[string]int{},
			failed: map[string]int{},
		}
	}
	for _, name := range slices.Sorted(maps.Keys(loaded.Outputs)) {
		s.outputs = append(s.outputs, &SampledOutput{
			Output: name, first: map[string]int{}, unwritable: map[string]int{},
		})
	}
	shard := pipeline.Shard(defaultCaseShard)
	for r := range records {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		s.Add(ctx, pipeline, shard, &r)
	}
	if s.fields.Full {
		return nil, config.FieldErrors{
			{
				File: file,
				Rule: fmt.Sprintf("the records have more than %d fields of different names; are names made of "+
					"values, such as ids?", config.MostFieldNames),
			},
		}
	}
	faults := s.unknownNames()
	if len(faults) > 0 && !s.fields.Objects {
		faults = config.FieldErrors{
			{
				File: file,
				Rule: "no record of the sample is a JSON object with fields, " +
					"so there is nothing to check names against",
			},
		}
	}
	report := s.report(file, len(faults) > 0)
	if len(faults) > 0 {
		return report, faults
	}
	return report, nil
}

// Add takes up a line of the sample: a record as a producer puts it.
func (s *sampled) Add(ctx context.Context, pipeline *alert.Pipeline, shard *alert.Evaluator, r *sampleRecord) {
	s.lines++
	rec := alert.Record{
		Shard: defaultCaseShard, PartitionKey: r.key, SequenceNumber: strconv.Itoa(s.lines), Data: r.data,
		Arrival: archiveStart().Add(time.Duration(s.lines) * time.Second),
	}
	_ = s.decoder.Each(ctx, &rec, func(u *decode.UserRecord) error { // CheckSample looks at the context
		kept := u.Keep()
		if !u.Undecidable() && len(s.config.Score) > 0 { // scores come of the records before
			shard.Evaluate(&kept.Record)
			if scored := shard.Scored(); scored != nil {
				kept.Data = bytes.Clone(scored)
			}
		}
		s.addRecord(ctx, pipeline, &kept, r.place)
		return context.Cause(ctx)
	})
}

func (s *sampled) addRecord(ctx context.Context, pipeline *alert.Pipeline, u *decode.UserRecord, place string) {
	s.records++
	if !u.Undecidable() {
		s.fields.Add(u.Data)
	}
	x := ExplainRecord(pipeline, u)
	Hint(ctx, &x, u)
	s.cover.Explanation(&x)
	for _, f := range x.Filter {
		if f.Matched {
			s.passed[f.Index]++
		}
	}
	switch x.Outcome {
	case alert.Filtered:
		s.filtered++
	case alert.Invalid:
		reason := string(x.Reason)
		s.invalid[reason]++
		if s.invalidAt[reason] == "" {
			s.invalidAt[reason], s.likely[reason] = place, map[string]int{}
			if u.Inner {
				s.invalidAt[reason] += fmt.Sprintf(", piece %d", u.SubSequence)
			}
			s.detail[reason] = x.Detail
		}
		looks := x.Likely.Words()
		if x.Hint != nil {
			looks = hintWords(x.Hint)
		}
		s.likely[reason][looks]++
	case alert.Unmatched, alert.Suppressed, alert.Expired, alert.OverBudget, alert.DeadLettered, alert.Alerted:
		s.noteEnvelope(ctx, u.Data)
	}
	matched := x.Publishes != nil
	for i := range x.Rules {
		s.rules[i].Add(&x.Rules[i])
		matched = matched || x.Rules[i].Verdict == alert.VerdictTrue
	}
	if matched {
		s.matched++
	}
	for i := range x.Outputs {
		s.outputs[i].add(&x.Outputs[i])
	}
}

// hintWords are a hint for many records.
func hintWords(h *payload.Hint) string {
	words := h.Words()
	if h.Begins != "" {
		words += " (they begin with " + h.Begins + ")"
	}
	switch {
	case h.Input != "":
		return words + "; `input: " + h.Input + "` reads them"
	case h.Remedy != "":
		return words + "; " + h.Remedy
	}
	return words
}

// noteEnvelope notes that a service has put a record into an envelope, which no input takes off.
func (s *sampled) noteEnvelope(ctx context.Context, data []byte) {
	if s.config.Input.Given() || s.config.Format == alert.FormatText {
		return
	}
	if preset, words := decode.Envelope(ctx, data); preset != "" {
		s.envelopes["is "+words+"; `input: "+preset+"` takes out what is inside"]++
	}
}

func (s *sampledRule) Add(x *alert.RuleExplanation) {
	s.seen++
	if x.OverBudget != "" {
		s.over++
		s.overWhy = cmp.Or(s.overWhy, x.OverBudget)
	}
	if s.terms == nil {
		for _, t := range x.Terms {
			s.terms = append(s.terms, sampledTerm{term: t.Term, causes: map[string]int{}, example: map[string]string{}})
		}
	}
	for i, t := range x.Terms {
		if t.Verdict != alert.VerdictUndefined {
			s.terms[i].decided++
			if t.Verdict == alert.VerdictFalse && x.First == t.String() {
				s.first[t.Term+" is false"]++
			}
			continue
		}
		s.terms[i].causes[t.Cause]++
		if s.terms[i].example[t.Cause] == "" {
			var values []string
			for _, f := range t.Fields {
				values = append(values, f.String())
			}
			s.terms[i].example[t.Cause] = strings.Join(values, ", ")
		}
		if x.First == t.String() {
			s.first[t.Term+" is undefined ("+t.Cause+")"]++
		}
	}
	if x.KeyCause != "" {
		s.noKey[x.KeyCause]++
	}
	if x.Verdict != alert.VerdictTrue {
		return
	}
	s.matched++
	if x.WindowCause != "" {
		s.noWindow[x.WindowCause]++
	}
	failed := map[string]bool{}
	for _, p := range x.Publishes {
		for _, part := range p.Failed {
			failed[part] = true
		}
	}
	for part := range failed {
		s.failed[part]++
	}
}

// unknownNames are the fields that the configuration mentions and no record has.
func (s *sampled) unknownNames() config.FieldErrors {
	var out config.FieldErrors
	for _, m := range s.config.Parts().Alert.Mentions() {
		if m.Optional || s.fields.Has(m) {
			continue
		}
		rule := fmt.Sprintf("no record of the sample has %s", m.Name())
		if near := s.fields.Near(m); near != "" && len(out) < config.MostSuggestions {
			rule += "; did you mean " + near + "?"
		}
		if s.config.Doc.File == "" { // from flags
			m.Field, m.Rule = "--when", ""
		}
		if m.Rule != "" {
			rule += " (rule " + m.Rule + ")"
		}
		out = append(out, s.config.Doc.Place(&alert.ConfigError{
			Field: m.Field, Value: m.Value, Rule: rule, Line: m.Line, Col: m.Col,
		})...)
	}
	out.Sort()
	return out
}

// report says what the sample shows. A name that is unknown explains much: then what follows from it is left out.
func (s *sampled) report(file string, faulty bool) *SampleReport {
	r := &SampleReport{
		File: file, Records: s.records, Matched: s.matched, Filtered: s.filtered, Warnings: []string{},
		rules: len(s.rules) > 0,
	}
	for _, n := range s.invalid {
		r.Invalid += n
	}
	r.Unmatched = r.Records - r.Matched - r.Filtered - r.Invalid
	warn := func(format string, args ...any) { r.Warnings = append(r.Warnings, fmt.Sprintf(format, args...)) }
	for _, reason := range slices.Sorted(maps.Keys(s.invalid)) {
		text := fmt.Sprintf("%d of %s of the sample cannot be read (%s), the first in %s",
			s.invalid[reason], config.Plural(s.records, "record"), reason, s.invalidAt[reason])
		if s.detail[reason] != "" {
			text += ": " + s.detail[reason]
		}
		if likely := mostOften(s.likely[reason]); likely != "" {
			text += ": most look like " + likely
		}
		warn("%s", text)
	}
	if note := mostOften(s.envelopes); s.envelopes[note]*2 > s.records {
		r.Notes = append(r.Notes, fmt.Sprintf("%d of %s of the sample %s", s.envelopes[note],
			config.Plural(s.records, "record"), note))
	}
	for i, n := range s.passed {
		if n == 0 {
			warn("filter[%d] lets no record of the sample pass", i)
		}
	}
	for _, m := range s.config.Parts().Alert.Mentions() {
		if m.Optional && !s.fields.Has(m) {
			warn("%s: no record of the sample has %s, which it asks for itself", m.Field, m.Name())
		}
	}
	for i := range s.rules {
		s.rules[i].Write(fmt.Sprintf("rules[%d]", i), faulty, warn)
	}
	r.Outputs = s.outputs
	for _, o := range s.outputs {
		o.warn(faulty, warn)
	}
	return r
}

func (s *sampledRule) Write(field string, faulty bool, warn func(string, ...any)) {
	if s.seen == 0 {
		return // no record came so far
	}
	if s.over > 0 {
		warn("%s: %s of the sample, which the rule does not judge: it %s (rule %s)", field,
			config.Plural(s.over, "record"), s.overWhy, s.name)
	}
	explained := false
	for _, t := range s.terms {
		if t.decided > 0 {
			continue
		}
		explained = true
		cause := mostOften(t.causes)
		if faulty && cause == "missing" {
			continue // reported as a fault, or because of one
		}
		warn("%s.when: %s is undefined in every record of the sample (%s), such as %s (rule %s)",
			field, t.term, counts(t.causes), t.example[cause], s.name)
	}
	if s.matched == 0 && !explained {
		warn("%s: no record of the sample matches; most often %s (rule %s)", field, mostOften(s.first), s.name)
	}
	total := func(m map[string]int) int {
		n := 0
		for _, x := range m {
			n += x
		}
		return n
	}
	if n := total(s.noKey); n == s.seen && !faulty {
		warn("%s.key: is undefined in every record of the sample (%s): all of them have the empty key (rule %s)", field,
			counts(s.noKey), s.name)
	}
	if n := total(s.noWindow); n > 0 && n == s.matched {
		warn("%s.window.of: no matching record of the sample adds to the window (%s) (rule %s)", field,
			counts(s.noWindow), s.name)
	}
	for _, part := range slices.Sorted(maps.Keys(s.failed)) {
		warn("%s: a template for the %s fails on %d of the %d that match: %s (rule %s)",
			field, part, s.failed[part], s.matched, InsteadOf(part), s.name)
	}
}

// InsteadOf returns what replaces a part of a message whose template fails.
func InsteadOf(part string) string {
	switch part {
	case "attribute", "link":
		return "it is left out"
	case "body":
		return "the message is used instead"
	case "group":
		return "the partition key is used instead"
	}
	return "the default words stand in for it"
}

// mostOften is the name with the highest count; the first one of several.
func mostOften(m map[string]int) string {
	best := ""
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if best == "" || m[name] > m[best] {
			best = name
		}
	}
	return best
}
