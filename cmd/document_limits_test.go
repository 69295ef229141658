package cmd

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

const limitsHead = "stream: {name: s}\ntopics: {t: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}}\n"

// numbered makes one text of what each of n numbers gives.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, strings.ReplaceAll(format, "#", "%[1]d"), i)
	}
	return b.String()
}

// aliasBomb is a list of lists of aliases, nine to each, nine deep.
func aliasBomb(indent string) string {
	var b strings.Builder
	b.WriteString(indent + "- &l0 [x]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "%s- &l%d [%s]\n", indent, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 9), ", "))
	}
	return b.String()
}

// hostileConfigs are files that a person was given. None is valid.
func hostileConfigs() map[string]struct{ text, why string } {
	const self, many = "refers to itself", "keys and values"
	return map[string]struct{ text, why string }{
		"bomb in a filter":             {limitsHead + "filter:\n  - data:\n      a:\n" + aliasBomb("        "), many},
		"bomb in silences":             {limitsHead + "silences:\n" + aliasBomb("  "), many},
		"bomb in an unknown key":       {limitsHead + "x:\n" + aliasBomb("  "), many},
		"bomb of texts":                {limitsHead + "rules:\n  - {name: a, when: x, message: &m \"" + strings.Repeat("a", 500_000) + "\"}\n" + numbered(9, "  - {name: r#, when: x, message: *m}\n"), "4 MiB of text"},
		"bomb of paths":                {limitsHead + "filter:\n  - data: {? " + strings.Repeat("a", 1000) + " : {" + numbered(19_000, "b#: [1], ") + "}}\n", "keys that are too long"},
		"itself in a filter":           {limitsHead + "filter: [{data: &d {a: *d}}]\n", self},
		"itself as a list":             {limitsHead + "filter: &f [*f]\n", self},
		"itself in $or":                {limitsHead + "filter: [{data: {\"$or\": &o [{a: [1]}, {b: *o}]}}]\n", self},
		"itself in labels":             {limitsHead + "rules:\n  - {name: a, when: x > 3, labels: &l {k: *l}}\n", self},
		"itself as a key":              {limitsHead + "rules: &r\n  ? *r\n  : 3\n", self},
		"itself by way of another":     {limitsHead + "x: &a [&b [*a]]\n", self},
		"itself as topics":             {"stream: {name: s}\ntopics: &t\n  t: *t\n", self},
		"levels":                       {limitsHead + "filter:\n  - data: " + strings.Repeat("{a: ", 5000) + "[1]" + strings.Repeat("}", 5000) + "\n", "nested deeper than 100 levels"},
		"commas":                       {limitsHead + "x: [" + strings.Repeat("a,", 500_000) + "]\n", many},
		"keys":                         {limitsHead + "x: {" + strings.Repeat("a,", 500_000) + "}\n", many},
		"dashes":                       {limitsHead + "x:\n" + strings.Repeat("-\n", 500_000), many},
		"empty rules":                  {limitsHead + "rules:\n" + strings.Repeat("-\n", 50_000), "at most 10000 are allowed"},
		"wrong rules":                  {limitsHead + "rules:\n" + numbered(9000, "  - {name: \"a b#\", when: x >}\n"), "or more further faults"},
		"unknown keys":                 {limitsHead + "rules:\n" + numbered(9000, "  - {name: r#, whem: x}\n"), "or more further faults"},
		"wrong fields of a filter":     {limitsHead + "filter:\n  - data: {" + numbered(20_000, "a#: 3, ") + "}\n", "must be a list of alternatives"},
		"values of a filter":           {limitsHead + "filter:\n  - data: {a: [" + strings.Repeat("1,", 55_000) + "]}\n", "more than 50000 values"},
		"brackets of a condition":      {limitsHead + "rules: [{name: a, when: '" + strings.Repeat("(", 400_000) + "x" + strings.Repeat(")", 400_000) + "'}]\n", "brackets and prefixes"},
		"prefixes of a condition":      {limitsHead + "rules: [{name: a, when: '" + strings.Repeat("not ", 200_000) + "x'}]\n", "brackets and prefixes"},
		"terms of a condition":         {limitsHead + "rules: [{name: a, when: '" + strings.Repeat("x == 3 or ", 90_000) + "x == 3'}]\n", "exceeds maximum allowed nodes"},
		"brackets of a template":       {limitsHead + "rules: [{name: a, when: x, message: '{{" + strings.Repeat("(", 400_000) + "}}'}]\n", ""},
		"repetitions of an expression": {limitsHead + "rules:\n" + numbered(2000, "  - {name: r#, when: 'x matches \"(a{30}){33}\"'}\n"), "repetitions such as {1000}"},
		"variables":                    {limitsHead + "rules: [{name: a, when: '" + strings.Repeat("${LONG}", 90_000) + "'}]\n", "what all variables give together"},
		"a long key":                   {limitsHead + strings.Repeat("a", 1_000_000) + ": 3\n", "unknown key"},
		"too large":                    {limitsHead + strings.Repeat("#", 1<<20), "larger than 1 MiB"},
	}
}

// A hostile file is refused, with a reason that can be read, by work and memory that its size bounds: the daemon reads it beside
// its records.
func TestHostileConfigsAreRefused(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	for name, file := range hostileConfigs() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := parseConfig(t.Context(), "c.yaml", []byte(file.text), environment(map[string]string{"LONG": strings.Repeat("v", 1000)}))
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, file.why, name)
		require.Less(t, len(err.Error()), 40_000, name)
		require.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(256), "%s: MiB in all, which is several times what there is at once", name)
	}
}

// A thousand faults of one kind are told a few times, then counted.
func TestAlikeFaultsAreCounted(t *testing.T) {
	t.Parallel()
	code, _, stderr := invoke(t, "check", configFile(t, limitsHead+"rules:\n  - &r {name: a, when: x > 3}\n"+strings.Repeat("  - *r\n", 150)+"log: {level: x}\n"))
	require.Equal(t, exitUsage, code)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Len(t, lines, mostAlike+2)
	require.Contains(t, lines[mostAlike], "log.level")
	require.Equal(t, "and 140 further faults of these kinds", lines[mostAlike+1])
}

// The bound that is taken from the bytes alone is one.
func TestValuesAtMost(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a: {b: [1, {c: d}, [e: f, ? g : h, i]], j}\nk:\n- l: m\n  n: o\n- - p\n  - q\n? r\n: s\n", "{a,b,c}", `[{"a":1},{"b":[]}]`, "- -\n- ? \n", "[a: ,b: ,]",
		"{{a: b}: c}", "[{{}},{{}}]", "-\u0085-\u2028", "--- a\n--- b\n", "{a: 'it''s', \"b\":c}",
	} {
		checkValues(t, []byte(text))
	}
	// Many of a kind, beside which what is always counted is little.
	for _, text := range []string{"a: b\n", "- \n", "? a\n", "- a: b\n"} {
		checkValues(t, []byte(strings.Repeat(text, 100)))
	}
	for _, text := range []string{"[a: ,]", "[? ,]", "{a,}", "[{a,}]", `["a":1,]`, "[[],]", "{{}: {{a}},}"} {
		inner := text[1 : len(text)-1]
		checkValues(t, []byte(text[:1]+strings.Repeat(inner, 100)+text[len(text)-1:]))
	}
}

func checkValues(t *testing.T, text []byte) {
	t.Helper()
	var root yaml.Node
	if loadNode(text, &root) == nil {
		require.LessOrEqual(t, nodeCount(&root), valuesAtMost(text)*4/3, "%q", text)
	}
}

func nodeCount(n *yaml.Node) int {
	count := 1
	for _, item := range n.Content {
		count += nodeCount(item)
	}
	return count
}

// FuzzHostileConfig: no text makes reading a configuration panic or run away, none has more values than were foreseen, and no error shows
// what a variable gave.
func FuzzHostileConfig(f *testing.F) {
	f.Add([]byte(validConfig))
	f.Add([]byte(reloadConfig))
	f.Add([]byte(limitsHead + "rules: [{name: \"${SECRET}\", when: 'x = ${SECRET}', message: '{{ .a ${SECRET} }}', labels: {a: ${SECRET}}}]\n"))
	for _, file := range hostileConfigs() {
		if len(file.text) < 2000 {
			f.Add([]byte(file.text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkValues(t, text)
		const secret = "hunter2-Zürich" //nolint:gosec // of nothing
		_, err := parseConfig(t.Context(), "c.yaml", text, environment(map[string]string{"SECRET": secret}))
		if err != nil && !strings.Contains(string(text), secret) {
			require.NotContains(t, err.Error(), secret)
		}
	})
}

// BenchmarkHostileConfig shows that a second is enough for a file of a megabyte.
func BenchmarkHostileConfig(b *testing.B) {
	files := hostileConfigs()
	files["7,200 rules, valid"] = struct{ text, why string }{
		limitsHead + "rules:\n" + numbered(7200, "  - name: rule-#\n    when: f# > # and y == 3\n    key: host\n    severity: critical\n    message: \"{{ .Fields.a }} is bad\"\n"), "",
	}
	for name, file := range files {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = parseConfig(b.Context(), "c.yaml", []byte(file.text), environment(nil))
			}
		})
	}
}
