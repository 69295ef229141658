package takeover

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
)

// placeholderTopic replaces the topic, which a mapping does not know.
const placeholderTopic = alert.Placeholder

// topicFlag says where alerts go.
const topicFlag = "--topic-arn"

// configuration is the file that takes over the mapping. It was read back and is valid, but for the patterns that left
// names: it has placeholders in their places, which check refuses.
func (x *LambdaExplainer) configuration(ctx context.Context, w *takeover) (
	text []byte, left config.FieldErrors, err error,
) {
	for _, o := range w.open {
		if o.theirs == topicFlag {
			continue // one flag is for all of the mappings: Run says it once
		}
		left = append(left, x.Fault(o.theirs, o.value, "is not in the file; check refuses %s until you replace %s",
			o.ours, placeholderTopic))
	}
	for {
		w.text.Reset()
		w.writeHead()
		w.writeStream()
		w.writeProcessing()
		w.writeFilter()
		w.writeRules()
		w.writeTopics()
		w.writeDeadLetter()
		w.writeRest(w.unknown)
		text := w.text.Bytes()
		_, err := config.ParseConfig(ctx, "", text, func(string) (string, bool) { return "", false })
		problems, faulty := errors.AsType[config.FieldErrors](err)
		if !faulty {
			return text, nil, err
		}
		problems = slices.DeleteFunc(problems, func(p *config.FieldError) bool { return w.isLeft(p) })
		if len(problems) == 0 {
			return text, left, nil
		}
		for _, p := range problems {
			n, ok := patternOf(p)
			if !ok || n >= len(w.patterns) {
				return nil, nil, x.blame(problems)
			}
			w.left[n] = append(w.left[n], p.Rule)
		}
		left = append(left, x.blame(problems)...)
	}
}

// patternOf is the number of the filter's pattern that a fault is about.
func patternOf(p *config.FieldError) (n int, ok bool) {
	_, err := fmt.Sscanf(p.Field, "filter[%d]", &n)
	return n, err == nil
}

// isLeft reports whether a fault is about a placeholder.
func (w *takeover) isLeft(p *config.FieldError) bool {
	if n, ok := patternOf(p); ok && w.left[n] != nil {
		return true
	}
	return slices.ContainsFunc(w.open, func(o opened) bool { return strings.HasPrefix(p.Field, o.ours) })
}

// opened is a value that the file does not have: the field that it is of, and the one that has a placeholder for it.
type opened struct{ ours, theirs, value string }

// settle decides which values have placeholders.
func (w *takeover) settle() {
	if w.found.function != "" && w.function == "" {
		w.function, w.alias, _ = strings.Cut(w.found.function, ":")
	}
	if w.topicARN == "" {
		w.topicARN = w.found.topicARN
	}
	if w.found.kind != "" {
		w.hidden = false // what people wrote is not encrypted
	}
	open := func(ours, theirs string) {
		if u, ok := w.unresolved[theirs]; ok {
			w.open = append(w.open, opened{ours, theirs, u.Text})
		}
	}
	if w.stream == "" || strings.Contains(w.stream, ownRegion+":") {
		open("stream.name", "EventSourceArn")
	}
	open("stream.start", "StartingPosition")
	if w.m.StartingPosition == "AT_TIMESTAMP" {
		open("stream.start", "StartingPositionTimestamp")
	}
	open("processing.parallelism", "ParallelizationFactor")
	open("processing.max_retry_attempts", "MaximumRetryAttempts")
	open("processing.max_record_age", "MaximumRecordAgeInSeconds")
	open("rules[0].window", "TumblingWindowInSeconds")
	if w.topicARN == "" && w.region == ownRegion {
		w.open = append(w.open, opened{"topics.alerts.arn", topicFlag, ""})
	}
	for _, path := range slices.Sorted(maps.Keys(w.unresolved)) {
		u := w.unresolved[path]
		switch {
		case strings.HasPrefix(path, "FilterCriteria"):
			if path == "FilterCriteria" || path == "FilterCriteria.Filters" {
				w.patterns = append(w.patterns, u.Text)
			}
			n := 0
			if _, err := fmt.Sscanf(path, "FilterCriteria.Filters[%d]", &n); err != nil {
				n = 0 // all of them have one placeholder
			}
			w.open = append(w.open, opened{fmt.Sprintf("filter[%d]", n), path, u.Text})
		case strings.HasPrefix(path, "DestinationConfig") && !strings.Contains(path, "OnSuccess"):
			if _, bucket, ok := strings.Cut(u.ARN, ":s3:::"); !ok || bucket == "" {
				w.open = append(w.open, opened{"dead_letter", path, u.Text})
				w.letters = u
			} else {
				w.m.DestinationConfig.OnFailure.Destination = u.ARN
			}
		}
	}
}

// placeholder is what stands in place of a value of ours; empty where the value is there.
func (w *takeover) placeholder(ours string) string {
	for _, o := range w.open {
		if o.ours == ours {
			return jsonText(placeholderTopic + ": " + strings.Map(func(r rune) rune {
				if r == '$' {
					return -1 // no variable is meant
				}
				return r
			}, o.value))
		}
	}
	return ""
}

// instead writes a placeholder for a value that is not in the file.
func (w *takeover) instead(indent int, key, ours string) bool {
	text := w.placeholder(ours)
	if text == "" {
		return false
	}
	for _, o := range w.open {
		if o.ours == ours {
			w.comment(indent, "%s: %s. The file does not have the value: write it here.", o.theirs, o.value)
		}
	}
	w.line("%s%s: %s", strings.Repeat(" ", indent), key, text)
	return true
}

// blame says of which field of the mapping the faults of a configuration are.
func (x *LambdaExplainer) blame(problems config.FieldErrors) config.FieldErrors {
	from := []struct{ ours, theirs string }{
		{"stream.name", "EventSourceArn"},
		{"stream.arn", "EventSourceArn"},
		{"stream.start", "StartingPositionTimestamp"},
		{"processing.parallelism", "ParallelizationFactor"},
		{"processing.max_retry_attempts", "MaximumRetryAttempts"},
		{"processing.max_record_age", "MaximumRecordAgeInSeconds"},
		{"rules[0].window.length", "TumblingWindowInSeconds"},
		{"dead_letter", "DestinationConfig.OnFailure.Destination"},
	}
	out := make(config.FieldErrors, 0, len(problems))
	for _, p := range problems {
		if p.Field == "stream.application" {
			continue // it is made of the stream's name, which is wrong itself then
		}
		own := x.Fault(p.Field, p.Value, "%s", p.Rule)
		if strings.HasPrefix(p.Field, "topics.") {
			own.File, own.Field = "", topicFlag
		}
		if rest, ok := strings.CutPrefix(p.Field, "filter"); ok {
			own.Field = config.Join(x.where, "FilterCriteria.Filters"+rest)
		}
		for _, f := range from {
			if strings.HasPrefix(p.Field, f.ours) {
				own.Field = config.Join(x.where, f.theirs)
			}
		}
		out = append(out, own)
	}
	return out
}

// takeover writes the configuration that takes over a mapping.
type takeover struct {
	text bytes.Buffer
	m    *lambdaMapping

	topicARN string
	// partition, region and account are those of the stream; stream is its name and consumer what follows it in the ARN
	// of a consumer with enhanced fan-out.
	partition, region, account, stream, consumer string
	// function is the function's name; empty where the mapping does not have it.
	function string
	// alias is the function's alias or version that is called; empty where it has none.
	alias    string
	patterns []string
	// left are the patterns that are left to a person, by number, with what is wrong with them.
	left map[int][]string
	// found is where the mapping comes from, and unknown are fields that nobody knows.
	found   found
	unknown []string
	// unresolved are the values that the file does not have, by path; open are those that matter, and letters is one of
	// them: where letters go.
	unresolved map[string]unresolved
	open       []opened
	letters    unresolved
	// hidden says that there are filters, and they cannot be read.
	hidden bool
}

func newTakeover(m *lambdaMapping, topicARN string) *takeover {
	w := &takeover{m: m, topicARN: topicARN, left: map[int][]string{}}
	arn := strings.SplitN(m.EventSourceArn, ":", 6)
	w.partition, w.region, w.account = arn[1], arn[3], arn[4]
	w.stream, w.consumer, _ = strings.Cut(strings.TrimPrefix(arn[5], "stream/"), "/consumer/")
	// arn:aws:lambda:REGION:ACCOUNT:function:NAME, with :VERSION or :ALIAS behind it for some.
	if function := strings.Split(m.FunctionArn, ":"); len(function) > 6 {
		w.function = function[6]
		if len(function) > 7 && function[7] != "$LATEST" {
			w.alias = function[7]
		}
	}
	if m.FilterCriteria != nil {
		for _, f := range m.FilterCriteria.Filters {
			w.patterns = append(w.patterns, readable(f.Pattern))
		}
	}
	failed := m.FilterCriteriaError != nil && *m.FilterCriteriaError != lambdaFilterError{}
	w.hidden = len(w.patterns) == 0 && (m.KMSKeyArn != "" || failed)
	return w
}

// readable is a pattern without the escapes of JSON that Lambda's console and the SDKs write for <, > and &.
func readable(pattern string) string {
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '\\' || i+1 == len(pattern) {
			out.WriteByte(pattern[i])
			continue
		}
		escape := strings.ToLower(pattern[i:min(len(pattern), i+6)])
		if plain, ok := map[string]byte{`\u003c`: '<', `\u003e`: '>', `\u0026`: '&'}[escape]; ok {
			out.WriteByte(plain)
			i += 5
			continue
		}
		out.WriteString(pattern[i : i+2]) // an escaped backslash begins no escape
		i++
	}
	return out.String()
}

// width is where lines of comments are broken.
const width = 118

// comment writes a comment that says something, indented by so many columns.
func (w *takeover) comment(indent int, format string, args ...any) {
	w.item(indent, "", format, args...)
}

// item writes a comment with a mark before it, such as the number in a list.
func (w *takeover) item(indent int, mark, format string, args ...any) {
	prefix := strings.Repeat(" ", indent) + "# "
	line, next := prefix+mark, prefix+strings.Repeat(" ", len(mark))
	empty := true
	for word := range strings.FieldsSeq(fmt.Sprintf(format, args...)) {
		word = graphic(word)
		if !empty && len(line)+1+len(word) > width {
			w.line("%s", line)
			line, empty = next, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	w.line("%s", line)
}

func (w *takeover) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

// scalar writes a text as YAML that is read back as it was, whatever is in it.
func scalar(s string) string {
	s = strings.ReplaceAll(s, "${", "$${") // no variable is meant
	if strings.ContainsFunc(s, unicode.IsControl) {
		return jsonText(s)
	}
	if out, err := yaml.Dump(s); err == nil && !bytes.Contains(bytes.TrimSpace(out), []byte("\n")) {
		return string(bytes.TrimSpace(out))
	}
	return jsonText(s)
}

// jsonText is a text as JSON, and so as YAML, without the escapes that are only for web pages.
func jsonText(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil {
		return `""` // unreachable: any string can be written
	}
	return strings.TrimSpace(b.String())
}

// enabled says that Lambda polls, or soon will.
func (w *takeover) enabled() bool {
	return !slices.Contains([]string{"Disabled", "Disabling", "Deleting"}, w.m.State)
}

func (w *takeover) writeHead() {
	m := w.m
	what := "Lambda's event source mapping " + cmp.Or(m.UUID, "(without UUID)")
	if w.found.kind != "" {
		what = "the " + w.found.kind + " " + cmp.Or(w.found.where, w.found.called)
	}
	w.comment(0, "What %s becomes, by kinesis-alerter check --explain-lambda.", what)
	if w.found.kind != "" {
		w.comment(0, "Fields are named as in Lambda's API. Where a comment below says Lambda, it is what reads the "+
			"stream today.")
	}
	w.comment(0, "Each field of the mapping is named where it went, and at the end where nothing is needed.")
	w.line("#")
	isPipe := w.found.kind == pipeKind
	if isPipe {
		w.comment(0, "Decide first what a pipe does not say:")
	} else {
		w.comment(0, "Decide first what a mapping does not say. Most of it is in the function's code:")
	}
	number := 0
	todo := func(format string, args ...any) {
		number++
		w.line("#")
		w.item(0, fmt.Sprintf("%2d. ", number), format, args...)
	}
	for _, o := range w.open {
		if o.theirs != topicFlag {
			todo("What is %s? The file says %s, and not what that is. %s has a placeholder, which check refuses.",
				o.theirs, o.value, o.ours)
		}
	}
	for _, d := range w.found.decide {
		todo("%s", d)
	}
	if w.hidden {
		todo("Which filter? There may be one, and it is missing below, because FilterCriteria is encrypted " +
			"(KMSKeyArn). Run aws lambda " +
			"get-event-source-mapping again with a principal that may kms:Decrypt with that key; " +
			"list-event-source-mappings never shows it.")
	}
	if w.topicARN == "" && isPipe {
		todo("Which topic? topics.alerts.arn is a placeholder; --topic-arn sets it.")
	} else if w.topicARN == "" {
		todo("Which topic? topics.alerts.arn is a placeholder; --topic-arn sets it. Look for publish( with "+
			"TopicArn=, and for an environment variable "+
			"that holds it: aws lambda get-function-configuration --function-name %s", cmp.Or(w.function, "NAME"))
	}
	if isPipe {
		todo("Which records alert? The rule below holds for every one%s, as the pipe's target gets every one. "+
			"rules[0].when "+
			"may say more than a filter can, such as ANOMALY_SCORE > 3.0; check --sample FILE then says which of its "+
			"names no record has. Where records are no JSON objects, add format: text.", w.thatPasses())
	} else {
		w.askFunction(todo)
	}
	todo("Where to start? Lambda does not show how far the mapping has read; see stream.start.")
	todo("The rule is in mode shadow: it counts (kinesis_alerter_shadow_alerts_total) and publishes nothing. " +
		"Compare, then take the line out. " +
		"docs/migrate.md has the whole way, and the way back.")
	w.line("")
}

// askFunction asks what the function's code says.
func (w *takeover) askFunction(todo func(format string, args ...any)) {
	todo("Which records alert? The rule below holds for every one%s. Look for the if around publish(, and write it "+
		"into rules[0].when, such as "+
		"ANOMALY_SCORE > 3.0. check --sample FILE then says which of its names no record has. Functions that keep "+
		"what they have seen in DynamoDB "+
		"or a cache mostly want dedup, for or window.", w.thatPasses())
	todo("What do the messages say? Look for Subject=, Message= and MessageAttributes=. The function decodes " +
		"record[\"kinesis\"][\"data\"] from base64; " +
		"here it is .Record.Data, decoded. Where records are no JSON objects, add format: text.")
	todo("What else does it do to a record before it looks at it? gunzip, zlib or zstd, a loop over logEvents, " +
		"splitlines(), NewImage with its types, or JSON within JSON: that is input here, and for most one line, such " +
		"as input: cloudwatch_logs. docs/inputs.md has each of them.")
}

func (w *takeover) thatPasses() string {
	if len(w.patterns) > 0 {
		return " that passes the filter"
	}
	return ""
}

func (w *takeover) writeStream() {
	m := w.m
	w.line("stream:")
	region := "=" + w.region
	if w.region == ownRegion {
		region = ", the region of the stream"
	}
	source := m.EventSourceArn
	if u := w.unresolved["EventSourceArn"].Text; u != "" {
		source = u
	}
	w.comment(2, "EventSourceArn: %s. The process needs AWS_REGION%s.", source, region)
	if w.consumer != "" {
		w.comment(2,
			"It is the ARN of a consumer with enhanced fan-out. This program polls, and so shares 5 reads a second "+
				"and 2 MB/s of each shard with "+
				"the other pollers; the consumer %q is not used, and costs until you deregister it.", w.consumer)
	}
	parts := strings.Split(m.FunctionArn, ":")
	switch {
	case w.instead(2, "name", "stream.name"):
	case w.account != ownAccount && len(parts) > 4 && parts[4] != w.account:
		w.comment(2,
			"The stream is another account's than the function's, so its ARN is here; its resource policy has to "+
				"let this program's role in.")
		w.line("  arn: %s", scalar("arn:"+w.partition+":kinesis:"+w.region+":"+w.account+":stream/"+w.stream))
	case w.found.kind != "" && w.region != ownRegion && len(parts) < 5:
		w.comment(2, "The function's account is not in the file, so the stream is here by ARN.")
		w.line("  arn: %s", scalar("arn:"+w.partition+":kinesis:"+w.region+":"+w.account+":stream/"+w.stream))
	default:
		w.line("  name: %s", scalar(w.stream))
	}
	if m.FunctionArn != "" {
		its := "Its name keeps"
		if w.alias != "" {
			its = "Its name and alias keep"
		}
		w.comment(2, "FunctionArn: %s. %s the progress apart from that of other functions' successors on this stream.",
			m.FunctionArn, its)
	} else if w.function != "" && w.found.kind != "" {
		w.comment(2, "Named after %s, which keeps the progress apart from that of others on this stream.",
			w.found.function)
	}
	application := "kinesis-alerter-" + w.stream
	if name := w.rule(); name != defaultRuleName {
		application += "-" + name
	}
	if w.placeholder("stream.name") != "" {
		application = "kinesis-alerter-" + safe(w.found.called) // which no other mapping of the file has
	}
	if w.alias != "" {
		application += "-" + w.alias
	}
	w.line("  application: %s", scalar(application))
	start := "latest"
	switch m.StartingPosition {
	case "TRIM_HORIZON":
		start = "trim_horizon"
	case "AT_TIMESTAMP":
		start = m.StartingPositionTimestamp.Truncate(time.Second).Format(time.RFC3339)
	}
	w.comment(2,
		"StartingPosition: %s%s. It is where the mapping once began, not how far it has read: %s Beside the running "+
			"function, latest is right. To start only after it was disabled, put the time of a minute before that "+
			"here, such as 2026-11-22T09:00:00Z. It counts at the very first start only.",
		cmp.Or(m.StartingPosition, "(not given)"), w.startTime(), w.startMeans())
	if !w.instead(2, "start", "stream.start") {
		w.line("  start: %s", start)
	}
	w.line("")
}

func (w *takeover) startTime() string {
	if w.m.StartingPositionTimestamp.IsZero() {
		return ""
	}
	return ", StartingPositionTimestamp: " + w.m.StartingPositionTimestamp.Format(time.RFC3339Nano)
}

func (w *takeover) startMeans() string {
	switch w.m.StartingPosition {
	case "TRIM_HORIZON":
		return "the stream's whole retention would be evaluated again, and published once the rule is live."
	case "AT_TIMESTAMP":
		return "everything since then that the stream retains would be evaluated again, and published once the " +
			"rule is live."
	}
	return "what arrives between Lambda's last batch and this program's first start would be left out."
}

func (w *takeover) writeProcessing() {
	m := w.m
	w.line("processing:")
	switch n := m.ParallelizationFactor; {
	case w.instead(2, "parallelism", "processing.parallelism"):
	case n != nil && *n == 1:
		w.comment(2,
			"ParallelizationFactor: 1, which is Lambda's default. Here 10 partition keys of a shard publish at "+
				"once, in order within each; it uses up no "+
				"function concurrency. parallelism: 1 would publish one alert of a shard after the other.")
	case n != nil:
		w.comment(2,
			"ParallelizationFactor: %d. So many partition keys of a shard publish at once, in order within each, as "+
				"in Lambda. It uses up no function "+
				"concurrency; 10 is the default here.", *n)
		w.line("  parallelism: %d", *n)
	}
	state := "State: " + cmp.Or(m.State, "(not given)")
	if m.StateTransitionReason != "" {
		state += fmt.Sprintf(", StateTransitionReason: %q", m.StateTransitionReason)
	}
	switch {
	case w.enabled() && w.consumer == "":
		w.comment(2,
			"%s. While Lambda polls, too, both share five reads a second of each shard; take the line out (200ms) "+
				"when it is disabled.", state)
		w.line("  poll_interval: 1s")
	case w.enabled():
		w.comment(2,
			"%s. Lambda's consumer has its own share of each shard, so poll_interval may be its default, 200ms, if "+
				"there is no other reader.", state)
	default:
		w.comment(2,
			"%s. It does not read now. Enabled again, it resumes where it stopped, as far as the stream "+
				"still has that. "+
				"poll_interval may be its default, 200ms, if there is no other reader.", state)
	}
	if n := m.MaximumRetryAttempts; !w.instead(2, "max_retry_attempts", "processing.max_retry_attempts") && n != nil {
		w.comment(2,
			"MaximumRetryAttempts: %d%s. Here it counts an alert's own failures; throttling, outages and faults of "+
				"the topic do not use it up.", *n, unlimited(*n))
		w.line("  max_retry_attempts: %d", *n)
	}
	if n := m.MaximumRecordAgeInSeconds; !w.instead(2, "max_record_age", "processing.max_record_age") && n != nil {
		w.comment(2,
			"MaximumRecordAgeInSeconds: %d%s. Time for which a fault of the topic held the alert does not count.", *n,
			unlimited(*n))
		w.line("  max_record_age: %s", time.Duration(max(*n, 0))*time.Second)
	}
	w.line("")
}

func unlimited(n int) string {
	if n < 0 {
		return ", without limit"
	}
	return ""
}

func (w *takeover) writeFilter() {
	m := w.m
	if e := m.FilterCriteriaError; e != nil && *e != (lambdaFilterError{}) {
		w.comment(0, "FilterCriteriaError: %q, %q.", e.ErrorCode, e.Message)
	}
	if m.KMSKeyArn != "" {
		w.comment(0,
			"KMSKeyArn: %s. It encrypts the text of the filters in Lambda; here they stand in this file as plain text.",
			m.KMSKeyArn)
	}
	switch {
	case w.hidden:
		w.comment(0,
			"FilterCriteria: not shown. If there is one, more records are evaluated here than Lambda passed to "+
				"the function.")
		w.line("")
	case len(w.patterns) > 0:
		w.comment(0,
			"FilterCriteria: the patterns as they are. They mean the same; a record that is no JSON is dropped as "+
				"in Lambda, but counted "+
				"(kinesis_alerter_filter_not_json_total) and, with dead_letter.invalid, kept.")
		w.line("filter:")
		for n, p := range w.patterns {
			why, left := w.left[n]
			if u, ok := w.patternMissing(n); ok {
				w.comment(2, "Pattern %d is not in the file: %s. Write it in place of the line below.", n+1, u)
				w.line("  - %s", scalar(fmt.Sprintf("%s: pattern %d", placeholderTopic, n+1)))
				continue
			}
			if !left {
				w.line("  - %s", scalar(p))
				continue
			}
			w.comment(2,
				"Pattern %d is not accepted: %s. Write in place of the line below what it means. Without it fewer "+
					"records pass than in Lambda, so check refuses the file until then. It was %q", n+1,
				strings.Join(why, "; "), p)
			w.line("  - %s", scalar(fmt.Sprintf("%s: pattern %d", placeholderTopic, n+1)))
		}
		w.line("")
	case m.FilterCriteria != nil:
		w.comment(0, "FilterCriteria: without filters; every record is evaluated.")
		w.line("")
	}
}

// patternMissing is what the file has in place of a pattern.
func (w *takeover) patternMissing(n int) (string, bool) {
	path := fmt.Sprintf("FilterCriteria.Filters[%d]", n)
	for _, p := range []string{path, path + ".Pattern", "FilterCriteria", "FilterCriteria.Filters"} {
		if u, ok := w.unresolved[p]; ok {
			return u.Text, true
		}
	}
	return "", false
}

// defaultRuleName is the rule's name where the function's cannot be.
const defaultRuleName = "function"

// rule is the name of the rule: the function's.
func (w *takeover) rule() string {
	fits := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	name := w.function
	if name == "" || len(name) > 64 || name == "watchdog" ||
		strings.ContainsFunc(name, func(r rune) bool { return !fits(r) }) {
		return defaultRuleName
	}
	return name
}

func (w *takeover) writeRules() {
	w.line("rules:")
	w.line("  - name: %s", scalar(w.rule()))
	w.comment(4, "Every record%s. Replace it by the function's condition.", w.thatPasses())
	w.line(`    when: "true"`)
	w.line("    mode: shadow")
	w.comment(4,
		"The attribute of AWS's sample function, alongside alert_id, rule, severity and kind, so that a filter "+
			"policy on it still matches. Take it out "+
			"if your function sends none.")
	w.line("    attributes: {%s: {value: %s}}", alert.SampleAttributeName, scalar(alert.SampleAttribute))
	if n := w.m.TumblingWindowInSeconds; !w.instead(4, "window", "rules[0].window") && n != nil && *n > 0 {
		w.comment(4,
			"TumblingWindowInSeconds: %d. The function's state, event[\"state\"], is kept here, and survives "+
				"reshards. Look for what it adds up, and for "+
				"isFinalInvokeForWindow: aggregate, of and is replace that. As in Lambda the window is a shard's; "+
				"key: partition_key makes it each key's.", *n)
		w.line("    key: shard")
		w.line(`    window: {length: %ds, tumbling: true, aggregate: count, is: "> 0"}`, *n)
	}
	w.line("")
}

func (w *takeover) writeTopics() {
	w.line("topics:")
	w.line("  alerts:")
	arn := w.topicARN
	if arn == "" && w.region == ownRegion {
		arn = placeholderTopic
		w.comment(4, "A placeholder.")
	} else if arn == "" {
		arn = "arn:" + w.partition + ":sns:" + w.region + ":" + w.account + ":" + placeholderTopic
		w.comment(4, "A placeholder.")
	}
	w.line("    arn: %s", scalar(arn))
	w.comment(4,
		"The words of AWS's sample function; replace them by your function's. Above 8 messages a second alerts are "+
			"gathered into digests, because "+
			"SNS switches e-mail subscriptions off above 10; email: false with rate: unlimited gives that up.")
	w.line("    subject: Anomaly detected")
	w.line(`    message: "Anomaly detected ...  {{ .Record.Data }}"`)
	w.line("")
}

func (w *takeover) writeDeadLetter() {
	if u := w.letters; u.Text != "" {
		key := "sqs"
		if arn := strings.Split(u.ARN, ":"); len(arn) > 2 && arn[2] == "sns" || len(arn) > 2 && arn[2] == "s3" {
			key = arn[2]
		}
		w.line("dead_letter:")
		w.comment(2, "It takes sqs with a queue's URL, sns with a topic's ARN, or s3 with s3://BUCKET.")
		w.instead(2, key, "dead_letter")
		w.line("")
		return
	}
	d := w.m.DestinationConfig
	if d == nil {
		return
	}
	if d.OnSuccess != nil && d.OnSuccess.Destination != "" {
		w.comment(0,
			"DestinationConfig.OnSuccess: %s. Lambda does not use it for streams, and there is nothing like it here.",
			d.OnSuccess.Destination)
	}
	if d.OnFailure == nil || d.OnFailure.Destination == "" {
		w.comment(0,
			"DestinationConfig: without OnFailure. An alert that is given up is dropped, and counted as expired; "+
				"one that SNS will never accept holds "+
				"its partition key, and says so. dead_letter would keep both.")
		w.line("")
		return
	}
	to := d.OnFailure.Destination
	const field = "DestinationConfig.OnFailure.Destination"
	key, value, why := lettersTo(to)
	if why != "" {
		w.comment(0,
			"%s: %s. It is left out, because %s. dead_letter takes a standard SQS queue, a standard SNS topic or an "+
				"S3 bucket.", field, to, why)
		w.line("")
		return
	}
	w.comment(0,
		"%s: %s. What is given up goes there, one document a record in the form of Lambda's, with the payload also "+
			"for SQS and SNS.", field, to)
	w.line("dead_letter:")
	w.line("  %s: %s", key, scalar(value))
	w.line("")
}

// lettersTo is where letters go, or why not.
func lettersTo(to string) (key, value, why string) {
	arn := strings.SplitN(to, ":", 6)
	if len(arn) != 6 || arn[0] != "arn" {
		if strings.HasPrefix(to, "kafka://") {
			return "", "", "a Kafka topic cannot be one here"
		}
		return "", "", "it is no ARN"
	}
	service, region, account, resource := arn[2], arn[3], arn[4], arn[5]
	switch {
	case (service == "sqs" || service == "sns") && strings.HasSuffix(resource, ".fifo"):
		return "", "", "it is FIFO, which Lambda does not take either"
	case service == "sqs":
		domain, ok := map[string]string{
			"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-cn": "amazonaws.com.cn",
			"aws-eusc": "amazonaws.eu",
			"aws-iso":  "c2s.ic.gov", "aws-iso-b": "sc2s.sgov.gov",
		}[arn[1]]
		if !ok {
			return "", "",
				fmt.Sprintf("the address of queues in the partition %q is not known: write the queue's URL as "+
					"dead_letter.sqs", arn[1])
		}
		return "sqs", "https://sqs." + region + "." + domain + "/" + account + "/" + resource, ""
	case service == "sns":
		return "sns", to, ""
	case service == "s3":
		return "s3", "s3://" + resource, ""
	case service == "lambda":
		return "", "", "functions are not called"
	case service == "events":
		return "", "", "event buses are not written to"
	}
	return "", "", fmt.Sprintf("letters cannot go to %q", service)
}

// writeRest names the fields that need nothing.
func (w *takeover) writeRest(unknown []string) {
	m := w.m
	before := w.text.Len()
	w.comment(0, "Fields that need nothing here:")
	w.line("#")
	heading := w.text.Len()
	say := func(format string, args ...any) { w.item(0, "- ", format, args...) }
	if n := m.BatchSize; n != nil {
		say("BatchSize: %d. Records are evaluated one by one as they come; alerts of the same moment share a "+
			"PublishBatch by themselves.", *n)
	}
	if n := m.MaximumBatchingWindowInSeconds; n != nil {
		say("MaximumBatchingWindowInSeconds: %d. Nothing waits for a batch to fill.", *n)
	}
	if b := m.BisectBatchOnFunctionError; b != nil {
		say("BisectBatchOnFunctionError: %t. A bad record costs itself alone, so there is no batch to halve.", *b)
	}
	if m.FunctionResponseTypes != nil {
		say("FunctionResponseTypes: %s. Every record has an outcome of its own, and the checkpoint is behind the "+
			"last one below which all have.",
			cmp.Or(strings.Join(m.FunctionResponseTypes, ", "), "none"))
	}
	if n := m.TumblingWindowInSeconds; n != nil && *n == 0 {
		say("TumblingWindowInSeconds: 0. There is no window; rules[].window would be one.")
	}
	if m.MetricsConfig != nil {
		say("MetricsConfig: %s. The Prometheus metrics are always there: PolledEventCount is "+
			"kinesis_alerter_records_read_total, FilteredOutEventCount "+
			`kinesis_alerter_records_total{outcome="filtered"}, DroppedEventCount {outcome="expired"}, `+
			`OnFailureDestinationDeliveredEventCount `+
			`{outcome="dead_lettered"}, IteratorAge kinesis_alerter_shard_lag_seconds.`,
			cmp.Or(strings.Join(m.MetricsConfig.Metrics, ", "), "none"))
	}
	if m.UUID != "" {
		say("UUID: %s. The lease table, named like stream.application, takes its place.", m.UUID)
	}
	if m.EventSourceMappingArn != "" {
		say("EventSourceMappingArn: %s. As the UUID.", m.EventSourceMappingArn)
	}
	if !m.LastModified.IsZero() {
		say("LastModified: %s. It says nothing of what to do.", m.LastModified.Format(time.RFC3339))
	}
	if m.LastProcessingResult != "" {
		say("LastProcessingResult: %q. If it is a problem, know why before you move it here.", m.LastProcessingResult)
	}
	others := reflect.ValueOf(m.otherSources)
	for i := range others.NumField() {
		if text, _ := reflect.TypeAssert[json.RawMessage](others.Field(i)); given(text) {
			say("%s: not about Kinesis.", others.Type().Field(i).Name)
		}
	}
	for _, name := range []string{"BatchSize", "MaximumBatchingWindowInSeconds", "BisectBatchOnFunctionError"} {
		if u := w.unresolved[name].Text; u != "" {
			say("%s: %s. Whatever it is, it needs nothing here.", name, u)
		}
	}
	for _, note := range w.found.notes {
		say("%s", note)
	}
	for _, name := range unknown {
		say("%q: this version does not know the field; see in Lambda's documentation whether it matters.", name)
	}
	if w.text.Len() == heading {
		w.text.Truncate(before)
	}
}

// graphic makes a word fit for a comment.
func graphic(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
