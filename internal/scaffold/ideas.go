package scaffold

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// idea is a rule that could be meant.
type idea struct {
	name string // of the rule
	when string
	// why is a comment for the person who reads the file; seen what the sample had, in a sentence.
	why, seen string
	subject   string
	firing    string // the message
	over      string // the message when it is over; empty where the rule reports every record
	text      bool   // the records are no JSON
	key       *field
	keyed     bool // the key is the partition key
	// loud and quiet are a record that alerts, and one that does not.
	loud, quiet Record
}

// What fields are called, by words of their names.
func metricWords() []string {
	return []string{
		"latency", "duration", "elapsed", "response", "wait", "ms", "millis", "seconds", "rate", "ratio", "percent",
		"pct",
		"usage", "utilization", "load", "cpu", "memory", "mem", "disk", "temp", "temperature", "pressure", "humidity",
		"voltage", "current", "power", "speed", "rpm", "vibration", "errors", "failures", "retries", "queue", "depth",
		"lag", "backlog", "size", "bytes", "heart", "pulse", "bpm", "score", "anomaly", "price", "amount", "total",
		"cost",
		"value", "reading", "measurement", "change", "level", "count",
	}
}

// notMetrics are last words of names of numbers that mean nothing as figures.
func notMetrics() []string {
	return []string{
		"id", "ids", "ts", "time", "timestamp", "date", "year", "month", "day", "hour", "port", "pid", "line", "lat",
		"lon",
		"lng", "latitude", "longitude", "version", "seq", "sequence", "offset", "epoch", "zip", "code", "status",
		"index",
		"at", "row", "number", "no",
	}
}

// fewIsBad are words of names of figures that get worse as they fall.
func fewIsBad() []string {
	return []string{"battery", "free", "available", "remaining", "signal", "fuel"}
}

// keyWords are last words of names of what an alert can be about, the likeliest first.
func keyWords() []string {
	return []string{
		"host", "hostname", "server", "instance", "node", "device", "sensor", "machine", "pod", "container", "service",
		"app", "application", "component", "patient", "vehicle", "station", "customer", "tenant", "account", "user",
		"ticker", "symbol", "endpoint", "route", "queue", "job", "cluster", "site", "location", "city", "region",
		"zone",
		"source", "name", "id",
	}
}

// passing are words of names of what is another one in every record.
func passing() []string {
	return []string{
		"request", "trace", "span", "event", "message", "msg", "transaction", "uuid", "guid", "record", "correlation",
	}
}

// ideas are what the rule could be, the likeliest first; the last one always holds.
func ideas(records []Record) []idea {
	fields, objects := fieldsOf(records)
	if objects*2 < len(records) {
		return textIdeas(records)
	}
	key, keyed := keyOf(fields, records)
	type ranked struct {
		idea

		rank int
	}
	var found []ranked
	for _, f := range fields {
		if f.seen()*2 < objects || f == key {
			continue
		}
		for _, try := range []func(*field, []Record) (idea, int){figure, httpStatus, word, flag} {
			if x, rank := try(f, records); rank > 0 {
				found = append(found, ranked{x, rank})
			}
		}
	}
	slices.SortStableFunc(found, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	var out []idea
	for _, x := range found {
		out = append(out, x.idea)
	}
	out = append(out, everyRecord(records))
	for i := range out {
		out[i].key, out[i].keyed = key, keyed
	}
	return out
}

// keyOf is the field that an alert is about; nil if there is none. keyed says that it is the partition key.
func keyOf(fields []*field, records []Record) (key *field, keyed bool) {
	best := len(keyWords())
	for _, f := range fields {
		kind := f.texts == f.seen() || f.numbers == f.seen() && f.whole && f.ends("id")
		rank := -1
		if len(f.words) > 0 {
			rank = slices.Index(keyWords(), f.words[len(f.words)-1])
		}
		if rank > 0 && f.ends("id", "name") && len(f.words) > 1 { // host_name, deviceId
			if of := slices.Index(keyWords(), f.words[len(f.words)-2]); of >= 0 {
				rank = of
			}
		}
		unique := len(f.values) == f.seen() && f.seen() >= 5
		if !kind || rank < 0 || f.seen() < len(records) || slices.Contains(f.values, "") || f.is(passing()...) ||
			unique && f.ends("id", "name") {
			continue
		}
		if rank < best {
			key, best = f, rank
		}
	}
	if key == nil {
		return nil, false
	}
	for i := range records {
		if records[i].Key != key.byRecord[i] {
			return key, false
		}
	}
	return key, true
}

// figure is a number with a limit beyond what was seen.
func figure(f *field, records []Record) (x idea, rank int) {
	metric := f.is(metricWords()...) || f.is(fewIsBad()...)
	if f.numbers < f.seen() || !metric && f.ends(notMetrics()...) || f.ends("id", "ts", "timestamp", "epoch") ||
		f.max > 1e9 && f.min > 1e9 && f.whole && !metric {
		return x, 0
	}
	sign, above, most := ">", "above", "at most"
	limit := limitAbove(f)
	loud := limit + max(math.Abs(limit)/2, 1)
	if f.is(fewIsBad()...) && f.min > 0 {
		sign, above, most = "<", "below", "at least"
		limit = -nice(-f.min * 0.75)
		loud = limit / 2
	}
	name, bound := f.path, number(limit)
	x = idea{
		name: ruleName(f.path, map[string]string{">": "high", "<": "low"}[sign]),
		when: fmt.Sprintf("%s %s %s", f.expr, sign, bound),
		why: fmt.Sprintf(
			"The sample had %s. Set the limit at which a person should act.", span(f),
		),
		seen:    fmt.Sprintf("%s was %s", name, span(f)),
		subject: fmt.Sprintf("{{ .Key }}: %s %s %s", name, above, bound),
		firing:  fmt.Sprintf("{{ .Key }}: %s is {{ .Value }}, and should be %s %s.", name, most, bound),
		over:    fmt.Sprintf("{{ .Key }}: %s is no longer %s %s.", name, above, bound),
		quiet:   records[f.first],
	}
	x.loud = with(records[f.first], f.path, number(loud))
	switch {
	case metric:
		rank = 1
	case f.min < f.max:
		rank = 6
	default:
		rank = 7
	}
	return x, rank
}

// limitAbove is a round number above the largest that was seen.
func limitAbove(f *field) float64 {
	limit := nice(f.max + math.Abs(f.max)/4)
	var top float64
	switch {
	case f.max == 0:
		return 0
	case f.is("percent", "pct", "usage", "utilization", "cpu", "humidity") && f.max <= 100 && f.max > 1:
		top = 100
	case f.is("ratio", "rate", "share", "usage", "utilization") && f.max <= 1 && f.max > 0:
		top = 1
	default:
		return limit
	}
	for _, part := range []float64{0.9, 0.95, 0.99} {
		if limit >= top && f.max < part*top {
			return part * top
		}
	}
	return min(limit, top)
}

// nice is the next round number that is not below x.
func nice(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) {
		return x
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(x))))
	steps := []float64{1, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8, 10}
	if x < 0 {
		for _, step := range slices.Backward(steps) {
			if step*unit <= -x*(1+1e-9) {
				return clean(-step * unit)
			}
		}
		return x
	}
	for _, step := range steps {
		if step*unit >= x*(1-1e-9) {
			return clean(step * unit)
		}
	}
	return x
}

// clean takes off what the product of two floats adds.
func clean(x float64) float64 {
	y, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 6, 64), 64)
	if err != nil {
		return x
	}
	return y
}

// number is a number as a person writes it, in a form that a rule and JSON take.
func number(x float64) string {
	if math.Abs(x) >= 1e15 || x != 0 && math.Abs(x) < 1e-6 {
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return strconv.FormatFloat(x, 'f', -1, 64)
}

// span is the values of a field: the least to the greatest, or the only one.
func span(f *field) string {
	if f.min == f.max {
		return number(f.min)
	}
	return number(f.min) + " to " + number(f.max)
}

// httpStatus is an HTTP status, of which 500 and above are failures.
func httpStatus(f *field, records []Record) (x idea, rank int) {
	if f.numbers < f.seen() || !f.whole || f.min < 100 || f.max > 599 || !f.is("status", "code") {
		return x, 0
	}
	x = idea{
		name: ruleName(f.path, "failed"), when: f.expr + " >= 500",
		why:     "A status of 500 and above is a failure of the server.",
		seen:    fmt.Sprintf("%s was %s", f.path, span(f)),
		subject: fmt.Sprintf("{{ .Key }}: %s 500 or above", f.path),
		firing:  fmt.Sprintf("{{ .Key }} answers with %s {{ .Value }}.", f.path),
		over:    fmt.Sprintf("{{ .Key }} no longer answers with %s 500 or above.", f.path),
		loud:    with(records[f.first], f.path, "503"), quiet: with(records[f.first], f.path, "200"),
	}
	return x, 2
}

// word is a level or status in words.
func word(f *field, records []Record) (x idea, rank int) {
	if f.texts < f.seen() || !f.is("level", "severity", "loglevel", "priority", "status", "state", "result", "outcome",
		"health", "condition", "alarm", "type", "event", "kind") || len(f.values) == mostValues {
		return x, 0
	}
	trouble := regexp.MustCompile(`(?i)^(error|err|critical|crit|fatal|severe|alert|alarm|emerg(ency)?|panic` +
		`|fail(ed|ure)?|down|unhealthy|time(d_?)?out|denied|rejected|offline|broken)$`)
	var bad, good []string
	for _, v := range f.values {
		if trouble.MatchString(v) {
			bad = append(bad, v)
		} else {
			good = append(good, v)
		}
	}
	level := f.is("level", "severity", "loglevel", "priority")
	fine := "ok"
	if len(good) > 0 {
		fine = good[0]
	} else if level {
		fine = "info"
	}
	x = idea{
		name:    ruleName(f.path, "trouble"),
		seen:    fmt.Sprintf("%s was %s", f.path, strings.Join(f.values[:min(len(f.values), 5)], ", ")),
		subject: fmt.Sprintf("{{ .Key }}: trouble in %s", f.path),
		firing:  fmt.Sprintf("{{ .Key }} reports %s {{ get .Fields %s }}.", f.path, steps(f.path)),
		over:    fmt.Sprintf("{{ .Key }} no longer reports trouble in %s.", f.path),
	}
	switch {
	case len(bad) > 0:
		x.when, rank = oneOf(f.expr, bad), 3
		x.why = "The sample has records with these values."
	case level:
		bad = styled(f.values[0], "error", "critical", "fatal")
		x.when, rank = oneOf(f.expr, bad), 5
		x.why = "The sample had none of these: check how the producer writes them."
	case len(good) == 1 && f.seen() >= 3 && f.is("status", "state", "result", "outcome", "health", "condition"):
		bad = styled(good[0], "failed")
		x.when, rank = fmt.Sprintf("%s != %s", f.expr, text(good[0])), 8
		x.why = "It was the same in all records of the sample."
	default:
		return x, 0
	}
	x.loud, x.quiet = with(records[f.first], f.path, text(bad[0])), with(records[f.first], f.path, text(fine))
	return x, rank
}

// flag is a value that is true or false.
func flag(f *field, records []Record) (x idea, rank int) {
	bad := f.is(
		"error", "failed", "failure", "alarm", "alert", "anomaly", "fault", "critical", "breach", "down", "timeout",
	)
	good := f.is("healthy", "ok", "success", "up", "alive", "online", "passed")
	if f.bools < f.seen() || !bad && !good {
		return x, 0
	}
	trouble := strconv.FormatBool(bad)
	x = idea{
		name: ruleName(f.path, "trouble"), when: f.expr + " == " + trouble,
		why:     "It is the field that says so.",
		seen:    fmt.Sprintf("%s was %s", f.path, strings.Join(f.values, " and ")),
		subject: fmt.Sprintf("{{ .Key }}: %s is %s", f.path, trouble),
		firing:  fmt.Sprintf("{{ .Key }}: %s is %s.", f.path, trouble),
		over:    fmt.Sprintf("{{ .Key }}: %s is no longer %s.", f.path, trouble),
		loud:    with(records[f.first], f.path, trouble),
		quiet:   with(records[f.first], f.path, strconv.FormatBool(!bad)),
	}
	return x, 4
}

// everyRecord alerts with every record that can be read.
func everyRecord(records []Record) idea {
	return idea{
		name: "every-record", when: "true",
		why:     "No field of the sample says what is wrong, so every record alerts. Write a condition here.",
		seen:    "no field that says what is wrong",
		subject: "A record of {{ .Key }}", firing: "{{ .Key }} sent a record.",
		loud: records[0], quiet: Record{Key: records[0].Key, Data: []byte("this is not JSON")},
	}
}

// textIdeas are for records that are no JSON.
func textIdeas(records []Record) []idea {
	x := idea{
		name: "error-in-text", when: `data matches "(?i)error|fatal|panic|exception"`, text: true,
		why:     "The records are text, not JSON: the rule looks for words in it.",
		seen:    "the records are text",
		subject: "{{ .Key }}: error in the log", firing: "{{ .Key }} has written an error.",
		over:  "{{ .Key }} has written no error for a while.",
		loud:  Record{Key: records[0].Key, Data: []byte("ERROR something has failed")},
		quiet: Record{Key: records[0].Key, Data: []byte("all is well")},
	}
	return []idea{x}
}

// with is a record whose field has another value.
func with(r Record, path, value string) Record {
	return Record{Key: r.Key, Data: replaced(r.Data, path, value)}
}

// text is a text in a rule, and in JSON.
func text(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

func oneOf(expr string, values []string) string {
	if len(values) == 1 {
		return expr + " == " + text(values[0])
	}
	var quoted []string
	for _, v := range values {
		quoted = append(quoted, text(v))
	}
	return expr + " in [" + strings.Join(quoted, ", ") + "]"
}

// styled are words in the case in which a value is written.
func styled(like string, words ...string) []string {
	for i, w := range words {
		switch {
		case like != "" && like == strings.ToUpper(like):
			words[i] = strings.ToUpper(w)
		case like != "" && like[:1] == strings.ToUpper(like[:1]):
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return words
}

// steps are the names of a path as arguments of a template's get.
func steps(path string) string {
	var out []string
	for name := range strings.SplitSeq(path, ".") {
		out = append(out, strconv.Quote(name))
	}
	return strings.Join(out, " ")
}

// ruleName is a name in which only what a rule's name may have is left.
func ruleName(path, what string) string {
	name := strings.NewReplacer(".", "-", " ", "-").Replace(path)
	return name[:min(len(name), 64-len(what)-1)] + "-" + what
}
