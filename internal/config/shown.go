package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"kinesis-alerter/alert"
)

// substitutions are what the environment gave to a configuration file.
type substitutions struct {
	written   map[string]string // by path: the value as it is in the file, with its ${VAR}
	variables map[string]string // by value: the variable that had it
}

// NewSubstitutions returns an empty set of replaced values.
func NewSubstitutions() substitutions {
	return substitutions{written: map[string]string{}, variables: map[string]string{}}
}

// ShownConfig is the active configuration as the status page shows it. Unlike check --print, which an operator calls in
// the environment of the daemon, it is served to everyone who reaches the admin server: no value of an environment
// variable is in it, and nothing that looks like a credential.
type ShownConfig struct {
	given substitutions
	Text  string // as YAML; made once, because a page view must cost little
	// Runbooks are the runbooks of the rules, by their names, as Text has them.
	Runbooks map[string]string
}

// NewShownConfig renders a configuration with ${VAR} where a variable gave the value.
func NewShownConfig(c Config, g substitutions) *ShownConfig {
	s := &ShownConfig{given: g, Text: g.show(c), Runbooks: make(map[string]string)}
	var shown struct {
		Rules []struct {
			Runbook string `yaml:"runbook"`
		} `yaml:"rules"`
	}
	if err := yaml.Unmarshal([]byte(s.Text), &shown); err != nil || len(shown.Rules) != len(c.Rules) {
		return s // a page without runbooks is better than none
	}
	for i, r := range shown.Rules {
		if r.Runbook != "" {
			s.Runbooks[c.Rules[i].Name] = r.Runbook
		}
	}
	return s
}

// Shown is the configuration that was read from a file; nil if it was not read from one.
func (c *LoadedConfig) Shown(inForce Config) *ShownConfig {
	if c == nil || c.Doc == nil {
		return NewShownConfig(inForce, NewSubstitutions())
	}
	return NewShownConfig(inForce, c.Doc.given)
}

// Reloaded is the configuration after a reload: what can be changed while running is as next wrote it.
func (s *ShownConfig) Reloaded(next *LoadedConfig, inForce Config) *ShownConfig {
	merged := NewSubstitutions()
	maps.Copy(merged.variables, s.given.variables)
	for path, text := range s.given.written {
		if !takenOver(path) {
			merged.written[path] = text
		}
	}
	if next.Doc != nil {
		maps.Copy(merged.variables, next.Doc.given.variables)
		for path, text := range next.Doc.given.written {
			if takenOver(path) {
				merged.written[path] = text
			}
		}
	}
	return NewShownConfig(inForce, merged)
}

// takenOver reports whether a reload takes a path over; see Config.withRulesOf.
func takenOver(path string) bool {
	section := path[:len(path)-len(strings.TrimLeft(path, "abcdefghijklmnopqrstuvwxyz_"))]
	return path == "dead_letter.invalid" ||
		slices.Contains([]string{
			"format", "filter", "filter_file", "score", "rules", "silences", "watchdog", "state", "topics",
			"outputs",
		}, section)
}

// hide puts variables back in the place of their values.
func (g substitutions) hide(path string, n *yaml.Node) {
	switch n.Kind { //nolint:exhaustive // an encoded value has no other kinds
	case yaml.MappingNode:
		for pair := range slices.Chunk(n.Content, 2) {
			g.hide(Join(path, pair[0].Value), pair[1])
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			g.hide(fmt.Sprintf("%s[%d]", path, i), item)
		}
	case yaml.ScalarNode:
		if text, ok := g.written[path]; ok {
			n.SetString(text)
		} else if text := g.conceal(g.inner(path, n.Value)); text != n.Value {
			n.SetString(text)
		}
	}
}

// inner puts variables back in a text that stands for a whole part of the file, as a filter does, which is shown as
// JSON: there, a value of any length is hidden that a variable gave to that part.
func (g substitutions) inner(path, text string) string {
	given := make(map[string]string) // the values of the variables that are named below the path
	for below, written := range g.written {
		if !strings.HasPrefix(below, path+".") && !strings.HasPrefix(below, path+"[") {
			continue
		}
		for value, variable := range g.variables {
			if strings.Contains(written, "${"+variable+"}") || strings.Contains(written, "${"+variable+":-") {
				given[inJSON(value)] = variable
			}
		}
	}
	for _, value := range slices.SortedFunc(maps.Keys(given), longestFirst) {
		text = strings.ReplaceAll(text, value, "${"+given[value]+"}")
	}
	return text
}

// expressive reports whether the value at a path is parsed, so that an error may quote any part of it.
func expressive(path string) bool {
	section := path[:len(path)-len(strings.TrimLeft(path, "abcdefghijklmnopqrstuvwxyz_"))]
	return slices.Contains([]string{"filter", "score", "rules", "silences", "watchdog", "outputs", "tests"}, section) ||
		section == "topics" &&
			(strings.Contains(path, ".bodies.") || slices.ContainsFunc([]string{
				".subject", ".message", ".group_id",
			}, func(s string) bool { return strings.HasSuffix(path, s) }))
}

// Of are the variables that are named at a path, below or above it, by their values.
func (g substitutions) Of(path string) map[string]string {
	within := func(below, above string) bool {
		return strings.HasPrefix(below, above) && (len(below) == len(above) || above == "" ||
			strings.ContainsRune(".[", rune(below[len(above)])))
	}
	given := map[string]string{}
	for at, written := range g.written {
		if !within(at, path) && !within(path, at) {
			continue
		}
		for value, variable := range g.variables {
			if strings.Contains(written, "${"+variable+"}") || strings.Contains(written, "${"+variable+":-") {
				given[value] = variable
			}
		}
	}
	return given
}

// hide puts variables back into a fault: into the value at path, and into what is said of it. A reader of an error has
// the file, and not always what the environment holds.
func (d *Document) hide(path, value, rule string) (shownValue, shownRule string) {
	if len(d.given.variables) == 0 {
		return value, rule
	}
	own := d.given.Of(path)
	if written, whole := d.given.written[path]; whole && value != "" {
		value = written
	} else {
		value = cutValue(value, d.given.variables)
		value = conceal(value, d.given.variables, 4)
		value = conceal(value, own, 1)
	}
	rule = conceal(rule, own, 1)
	for value := range own {
		if expressive(path) {
			rule = withoutParts(rule, value)
		}
	}
	return value, d.given.conceal(rule)
}

// cutValue leaves of a long value more than is ever shown, and no part of what a variable gave at its end.
func cutValue(text string, given map[string]string) string {
	const most = 8 << 10
	if len(text) <= most {
		return text
	}
	text = text[:most]
	for value := range given {
		for n := min(len(value), len(text)); n > 0; n-- {
			if strings.HasSuffix(text, value[:n]) {
				text = text[:len(text)-n]
				break
			}
		}
	}
	return text
}

// conceal puts variables in the place of their values of at least `least` bytes, as they are or as they stand in
// quotes.
func conceal(text string, given map[string]string, least int) string {
	for _, value := range slices.SortedFunc(maps.Keys(given), longestFirst) {
		if len(value) < least {
			break
		}
		if len(value) < 4 { // by itself only: such a text is a part of many words
			text = regexp.MustCompile(`(^|\W)`+regexp.QuoteMeta(value)+`(\W|$)`).ReplaceAllString(text,
				"${1}$${"+given[value]+"}${2}")
			continue
		}
		for _, form := range []string{value, inJSON(value), strings.Trim(strconv.Quote(value), `"`)} {
			text = strings.ReplaceAll(text, form, "${"+given[value]+"}")
		}
	}
	return text
}

// withoutParts takes every part of a value out of a text: four letters in a row. A parser quotes the place at which it
// fails.
func withoutParts(text, value string) string {
	const part = 4
	parts := map[string]bool{}
	for value := strings.ToLower(value); len(value) >= part; value = value[1:] {
		parts[value[:part]] = true
	}
	var out strings.Builder
	lower, end := strings.ToLower(text), 0 // where the part ends that is being left out
	if len(lower) != len(text) {           // letters whose cases have different lengths
		lower = text
	}
	for i := 0; i < len(text); i++ {
		if named := leadingVariable(text[i:]); named != "" {
			out.WriteString(named)
			i += len(named) - 1
			continue
		}
		if i+part <= len(text) && parts[lower[i:i+part]] {
			if i >= end {
				out.WriteString("…")
			}
			end = i + part
		}
		if i >= end {
			out.WriteByte(text[i])
		}
	}
	return strings.ToValidUTF8(out.String(), "")
}

// inJSON is a text as it is written between the quotes of a JSON string.
func inJSON(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		return text // unreachable: every string has an encoding
	}
	return string(quoted[1 : len(quoted)-1])
}

func longestFirst(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }

// conceal puts variables in the place of values that have found their way into another text, such as a default that is
// made of one. Short values of variables that do not look like secrets stay: they would be found everywhere, and the
// page would say that a variable sets what it has nothing to do with.
func (g substitutions) conceal(text string) string {
	for _, value := range slices.SortedFunc(maps.Keys(g.variables), longestFirst) {
		variable := g.variables[value]
		if len(value) >= 8 || len(value) >= 4 && looksSecret(variable) {
			text = strings.ReplaceAll(text, value, "${"+variable+"}")
		}
	}
	return text
}

// cutCredentials takes out what looks like a credential: the user of a URL, parameters of a query with
// a telling name, and AWS' access key ids.
func cutCredentials(text string) string {
	for _, cut := range []struct{ looks, becomes string }{
		{`(://)[^/@\s"']+@`, "${1}" + redacted + "@"},
		{
			`(?i)([?&][a-z0-9_.-]*(?:token|secret|password|passwd|signature|credential|key|auth)` +
				`[a-z0-9_.-]*=)[^&\s"']+`, "${1}" + redacted,
		},
		{`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`, redacted},
	} {
		text = regexp.MustCompile(cut.looks).ReplaceAllString(text, cut.becomes)
	}
	return text
}

// leadingVariable is the ${NAME} at the beginning of a text, or nothing.
func leadingVariable(text string) string {
	if !strings.HasPrefix(text, "${") {
		return ""
	}
	name, _, closed := strings.Cut(text[len("${"):], "}")
	if !closed || strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}) {
		return ""
	}
	return "${" + name + "}"
}

// ExplanationCover puts variables back into explanations of records, where they quote the configuration. What the
// record has stays.
type ExplanationCover struct {
	rules, filters []map[string]string          // what variables gave to each, by value
	outputs        map[string]map[string]string // and to each output
}

// Cover is what hides the values of variables in an explanation; nil if the file uses none.
func (c *LoadedConfig) Cover() *ExplanationCover {
	if c.Doc == nil || len(c.Doc.given.variables) == 0 {
		return nil
	}
	x := &ExplanationCover{outputs: map[string]map[string]string{}}
	for name := range c.Outputs {
		x.outputs[name] = c.Doc.given.Of("outputs." + name)
	}
	for i := range c.Rules {
		x.rules = append(x.rules, c.Doc.given.Of(fmt.Sprintf("rules[%d]", i)))
	}
	for i := range c.Filter {
		x.filters = append(x.filters, c.Doc.given.Of(fmt.Sprintf("filter[%d]", i)))
	}
	return x
}

// Explanation changes e, in place.
func (x *ExplanationCover) Explanation(e *alert.Explanation) {
	if x == nil {
		return
	}
	for i := range e.Filter {
		f := &e.Filter[i]
		f.Reason = conceal(f.Reason, x.filters[f.Index], 1)
	}
	for i := range e.Rules {
		r, given := &e.Rules[i], x.rules[i]
		if len(given) == 0 {
			continue
		}
		texts := []*string{&r.First, &r.WindowCause}
		for j := range r.Terms {
			texts = append(texts, &r.Terms[j].Term, &r.Terms[j].Compared)
		}
		for j := range r.Depends {
			texts = append(texts, &r.Depends[j].Says)
		}
		for _, text := range texts {
			*text = conceal(*text, given, 1)
		}
	}
	for i := range e.Outputs {
		o := &e.Outputs[i]
		given := x.outputs[o.Output]
		texts := []*string{&o.First}
		if o.Writes != nil {
			texts = append(texts, &o.Writes.Detail)
		}
		for j := range o.Terms {
			texts = append(texts, &o.Terms[j].Term, &o.Terms[j].Compared)
		}
		for _, text := range texts {
			*text = conceal(*text, given, 1)
		}
	}
	if e.AfterReplay != nil {
		for i := range e.AfterReplay.Outputs {
			o := &e.AfterReplay.Outputs[i]
			o.Detail = conceal(o.Detail, x.outputs[o.Output], 1)
		}
	}
}
