package config

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/internal/testkit"
)

// A hostile file is refused, with a reason that can be read, by work and memory that its size bounds: the daemon reads
// it beside its records.
func TestHostileConfigsAreRefused(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	for name, file := range testkit.HostileConfigs() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseConfig(t.Context(), "c.yaml", []byte(file.Text),
			testkit.Environment(map[string]string{"LONG": strings.Repeat("v", 1000)}))
		runtime.ReadMemStats(&after)
		require.ErrorContains(t, err, file.Why, name)
		require.Less(t, len(err.Error()), 40_000, name)
		require.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(256),
			"%s: MiB in all, which is several times what there is at once", name)
	}
}

// The bound that is taken from the bytes alone is one.
func TestValuesAtMost(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a: {b: [1, {c: d}, [e: f, ? g : h, i]], j}\nk:\n- l: m\n  n: o\n- - p\n  - q\n? r\n: s\n", "{a,b,c}",
		`[{"a":1},{"b":[]}]`, "- -\n- ? \n", "[a: ,b: ,]",
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

// FuzzHostileConfig: no text makes reading a configuration panic or run away, none has more values than were foreseen,
// and no error shows what a variable gave.
func FuzzHostileConfig(f *testing.F) {
	f.Add([]byte(testkit.ValidConfig))
	f.Add([]byte(testkit.ReloadConfig))
	f.Add([]byte(testkit.LimitsHead +
		"rules: [{name: \"${SECRET}\", when: 'x = ${SECRET}', message: '{{ .a ${SECRET} }}', labels: {a: ${SECRET}}}]\n"))
	for _, file := range testkit.HostileConfigs() {
		if len(file.Text) < 2000 {
			f.Add([]byte(file.Text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkValues(t, text)
		const secret = "hunter2-Zürich" //nolint:gosec // of nothing
		_, err := ParseConfig(t.Context(), "c.yaml", text, testkit.Environment(map[string]string{"SECRET": secret}))
		if err != nil && !strings.Contains(string(text), secret) {
			require.NotContains(t, err.Error(), secret)
		}
	})
}

// BenchmarkHostileConfig shows that a second is enough for a file of a megabyte.
func BenchmarkHostileConfig(b *testing.B) {
	files := testkit.HostileConfigs()
	files["7,200 rules, valid"] = struct{ Text, Why string }{
		testkit.LimitsHead + "rules:\n" + testkit.Numbered(7200,
			"  - name: rule-#\n    when: f# > # and y == 3\n    key: host\n    severity: critical\n    message: "+
				"\"{{ .Fields.a }} is bad\"\n"), "",
	}
	for name, file := range files {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = ParseConfig(b.Context(), "c.yaml", []byte(file.Text), testkit.Environment(nil))
			}
		})
	}
}
