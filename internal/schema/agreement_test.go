package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSON()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(FileName, doc))
	s, err := c.Compile(FileName)
	require.NoError(t, err)
	return s
}

// values reads YAML as an editor does.
func values(t *testing.T, text string) any {
	t.Helper()
	var n yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(text), &n), text)
	return value(t, &n)
}

func value(t *testing.T, n *yaml.Node) any {
	t.Helper()
	switch n.Kind { //nolint:exhaustive // the others are scalars
	case yaml.DocumentNode:
		return value(t, n.Content[0])
	case yaml.AliasNode:
		return value(t, n.Alias)
	case yaml.MappingNode:
		m := map[string]any{}
		for pair := range slices.Chunk(n.Content, 2) {
			m[pair[0].Value] = value(t, pair[1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, value(t, item))
		}
		return list
	}
	if n.ShortTag() == "!!str" || n.ShortTag() == "!!timestamp" {
		return n.Value
	}
	var v any
	require.NoError(t, n.Decode(&v), n.Value)
	return v
}

// accepted reports whether check takes a text. Each variable is set.
func accepted(t *testing.T, file, text string) (*config.LoadedConfig, error) {
	t.Helper()
	return config.ParseConfig(t.Context(), file, []byte(text), func(name string) (string, bool) {
		switch {
		case strings.Contains(name, "ARN"):
			return "arn:aws:sns:us-east-1:000000000000:Topic", true
		default:
			return "name", true
		}
	})
}

// The schema accepts all configurations of this repository that check accepts: the files, and those in its tests. It
// also accepts each as check --print writes it, with all defaults.
func TestSchemaAcceptsWhatCheckAccepts(t *testing.T) {
	t.Parallel()
	s, files, inline := compile(t), 0, 0
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && slices.Contains([]string{"node_modules", ".git", "bin"}, entry.Name()) {
			return fs.SkipDir
		}
		var texts []string
		switch {
		case entry.IsDir():
			return nil
		case slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path)):
			data, err := os.ReadFile(path) //nolint:gosec // of this repository
			require.NoError(t, err)
			texts = []string{string(data)}
		case strings.HasSuffix(path, "_test.go"), strings.Contains(path, "testkit"),
			strings.Contains(path, "testdaemon"):
			texts = literals(t, path)
		}
		for _, text := range texts {
			if !strings.Contains(text, "topics:") || !strings.Contains(text, "stream:") {
				continue
			}
			loaded, err := accepted(t, path, text)
			if err != nil {
				continue
			}
			if filepath.Ext(path) == ".go" {
				inline++
			} else {
				files++
			}
			require.NoError(t, s.Validate(values(t, text)), "%s:\n%s", path, text)
			printed, err := loaded.Print()
			require.NoError(t, err)
			require.NoError(t, s.Validate(values(t, string(printed))), "%s, printed:\n%s", path, printed)
		}
		return nil
	}))
	require.Greater(t, files, 6)
	require.Greater(t, inline, 60)
}

// literals are the constant texts of a Go file, as far as the file alone says what they are.
func literals(t *testing.T, path string) []string {
	t.Helper()
	if filepath.Ext(path) != ".go" {
		return nil
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	consts := map[string]ast.Expr{}
	var eval func(e ast.Expr) (string, bool)
	eval = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			if e.Kind == token.STRING {
				return constant.StringVal(constant.MakeFromLiteral(e.Value, e.Kind, 0)), true
			}
		case *ast.Ident:
			if of, ok := consts[e.Name]; ok {
				return eval(of)
			}
		case *ast.SelectorExpr:
			switch e.Sel.Name {
			case "LimitsHead":
				return limitsHead(), true
			case "TestTopicARN":
				return "arn:aws:sns:us-east-1:000000000000:ExampleTopic", true
			case "TestStream":
				return "ExampleOutputStream", true
			}
		case *ast.BinaryExpr:
			a, fine := eval(e.X)
			b, too := eval(e.Y)
			return a + b, fine && too
		}
		return "", false
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for i, name := range spec.Names {
				if i < len(spec.Values) {
					consts[name.Name] = spec.Values[i]
				}
			}
		}
		if e, ok := n.(ast.Expr); ok {
			if text, ok := eval(e); ok {
				out = append(out, text)
			}
		}
		return true
	})
	return out
}

func limitsHead() string {
	return "stream: {name: s}\ntopics: {t: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}}\n"
}

// leaves yields the nodes below n with their paths.
func leaves(path string, n *yaml.Node, yield func(path string, n *yaml.Node)) {
	yield(path, n)
	switch n.Kind { //nolint:exhaustive // the others have nothing below
	case yaml.DocumentNode:
		leaves(path, n.Content[0], yield)
	case yaml.MappingNode:
		for pair := range slices.Chunk(n.Content, 2) {
			leaves(config.Join(path, pair[0].Value), pair[1], yield)
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			leaves(fmt.Sprintf("%s[%d]", path, i), item, yield)
		}
	}
}

// full has every key.
func full(t *testing.T) (text string, tree *yaml.Node) {
	t.Helper()
	data, err := os.ReadFile("testdata/full.yaml")
	require.NoError(t, err)
	tree = &yaml.Node{}
	require.NoError(t, yaml.Unmarshal(data, tree))
	return string(data), tree
}

// Nothing that check accepts is refused by the schema: each value of a configuration with all keys is replaced by
// values of every kind, and every key is left out.
func TestSchemaRefusesNothingThatCheckAccepts(t *testing.T) {
	t.Parallel()
	s := compile(t)
	_, tree := full(t)
	var nodes []*yaml.Node
	var paths []string
	seen, kinds := map[string]bool{}, map[string]string{}
	keys := allKeys(t)
	each(keys, func(k *key) {
		text, err := json.Marshal(k.value())
		require.NoError(t, err)
		kinds[k.path] = string(text)
	})
	tried := map[string]bool{} // of the keys that are alike, one is enough
	leaves("", tree.Content[0], func(path string, n *yaml.Node) {
		if kind := kinds[general(path)]; kind != "" && !tried[kind] {
			nodes, paths = append(nodes, n), append(paths, path)
			tried[kind] = true
		}
		seen[general(path)] = true
	})
	each(keys, func(k *key) {
		if !slices.Contains(
			[]string{"stream.arn", "stream.fan_out", "filter_file", "dead_letter.sns", "dead_letter.s3"}, k.path,
		) {
			require.True(t, seen[k.path], "testdata/full.yaml has no %s", k.path)
		}
	})
	refused := 0
	compare := func(what string) {
		wrong := s.Validate(value(t, tree))
		if wrong == nil {
			return
		}
		refused++
		text, err := yaml.Marshal(clone(tree))
		require.NoError(t, err)
		_, err = accepted(t, "full.yaml", string(text))
		require.Error(t, err, "%s: check accepts it, and the schema says: %v", what, wrong)
	}
	others := []string{
		"null", `""`, "true", "TRUE", "false", `"true"`, "t", "0", "1", "3", "-1", "007", "1.5", "0.4", "1e30",
		"1e3",
		".inf", ".nan", "-0", `"5"`, "12345678901234567890", "x", "name with blanks", "2s", "0s", "-5s", "1.5h",
		"1µs",
		"+3s", `"0"`, "64MiB", "64 MiB", "1TiB", "9000000GiB", "8/s", "9/m", "1/30000h", "unlimited", "8 / 1m",
		"2027-01-02T03:04:05Z", "2027-01-02", "Sat", "12:34", "9:00", `"> 5"`, `">5"`, "critical", "warning",
		"latest",
		"${VAR}", "${VAR:-5}", "a${VAR}", "$${VAR}", "[]", "{}", "[x]", "[1]", "[null]", "{a: b}",
		"{a: {value: b}}",
		"!!str 5", "[{}]", "{arn: \"arn:aws:sns:us-east-1:000000000000:t\"}", "info", "auto",
	}
	type change struct {
		node  int
		other string
	}
	var changes []change
	for i := range nodes {
		for _, other := range others {
			changes = append(changes, change{i, other})
		}
	}
	for c := range testkit.Cases(changes, 300) {
		n := nodes[c.node]
		was := *n
		var doc yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(c.other), &doc), c.other)
		*n = *doc.Content[0]
		compare(paths[c.node] + ": " + c.other)
		*n = was
	}
	leaves("", tree.Content[0], func(path string, n *yaml.Node) {
		if n.Kind != yaml.MappingNode {
			return
		}
		for at := 0; at < len(n.Content); at += 2 {
			was := n.Content
			n.Content = slices.Delete(slices.Clone(was), at, at+2)
			compare(path + " without " + was[at].Value)
			n.Content = was
		}
	})
	require.Greater(t, refused, 100)
}

// clone is what is written, since that changes the tags.
func clone(n *yaml.Node) *yaml.Node {
	c := *n
	c.Content = nil
	for _, item := range n.Content {
		c.Content = append(c.Content, clone(item))
	}
	return &c
}

// general is a path as keys have it.
func general(path string) string {
	for i := range 10 {
		path = strings.ReplaceAll(path, "["+strconv.Itoa(i)+"]", "[]")
	}
	for _, of := range []string{"topics.plain", "topics.oncall"} {
		path = strings.ReplaceAll(path, of, "topics.NAME")
	}
	for _, of := range []string{"outputs.scored", "outputs.whole"} {
		path = strings.ReplaceAll(path, of, "outputs.NAME")
	}
	return strings.ReplaceAll(path, "attributes.latency", "attributes.NAME")
}

// Several changes at once: what the schema refuses, check refuses.
func TestSchemaAndCheckOnRandomChanges(t *testing.T) {
	t.Parallel()
	s := compile(t)
	text, _ := full(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not for secrets
	refused := 0
	for range testkit.Runs(300, 40) {
		var tree yaml.Node
		require.NoError(t, yaml.Unmarshal([]byte(text), &tree))
		for range 1 + random.IntN(3) {
			var nodes []*yaml.Node
			leaves("", tree.Content[0], func(_ string, n *yaml.Node) { nodes = append(nodes, n) })
			n, other := nodes[1+random.IntN(len(nodes)-1)], nodes[random.IntN(len(nodes))]
			switch {
			case n.Kind == yaml.MappingNode && random.IntN(2) == 0:
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "unknown"},
					&yaml.Node{Kind: yaml.ScalarNode, Value: "5"})
			case other.Kind == yaml.ScalarNode:
				*n = *other
			default:
				*n = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
			}
		}
		changed, err := yaml.Marshal(&tree)
		require.NoError(t, err)
		if wrong := s.Validate(values(t, string(changed))); wrong != nil {
			refused++
			_, err := accepted(t, "full.yaml", string(changed))
			require.Error(t, err, "check accepts this, and the schema says %v:\n%s", wrong, changed)
		}
	}
	require.Greater(t, refused, 20)
}

// The schema refuses an unknown key in every section, and a value of a wrong type for every key.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	s := compile(t)
	text, _ := full(t)
	require.NoError(t, s.Validate(values(t, text)))
	_, err := accepted(t, "full.yaml", text)
	require.NoError(t, err)

	_, tree := full(t)
	leaves("", tree.Content[0], func(path string, n *yaml.Node) {
		if strings.HasPrefix(path, "filter[") || path == "topics" || path == "outputs" { // names of one's own
			return
		}
		was := *n
		if n.Kind == yaml.MappingNode && !strings.HasSuffix(path, ".labels") && !strings.HasSuffix(path, ".tags") {
			n.Content = append(slices.Clone(n.Content), &yaml.Node{Kind: yaml.ScalarNode, Value: "unknown"},
				&yaml.Node{Kind: yaml.ScalarNode, Value: "5"})
			require.Error(t, s.Validate(value(t, tree)), "an unknown key in %q", path)
			*n = was
		}
		if path == "" {
			return
		}
		for _, wrong := range []string{"[[x]]", "{a: [b]}"} {
			var doc yaml.Node
			require.NoError(t, yaml.Unmarshal([]byte(wrong), &doc))
			*n = *doc.Content[0]
			require.Error(t, s.Validate(value(t, tree)), "%s: %s", path, wrong)
		}
		*n = was
	})
	for change, to := range map[string]string{
		"parallelism: 20": "parallelism: 1001", "level: debug": "level: loud", "memory: 128MiB": "memory: 128MB",
		"min_records: 20": "min_records: 1000000001", "memory: 33554432": "memory: 99999999999999",
		"poll_interval: 1s": "poll_interval: 1",
		"per_shard: false":  "per_shard: 0", "name: orders\n": "name: 5\n", "name: slow": "name: so slow",
		"is: \"> 250\", ": "", "when: latency > 10\n": "\n", "days: [sat, sun]": "days: [saturday]",
		"mode: shadow": "mode: dark", "{sqs: '{{ .Record.Data }}'}": "{fax: x}", "aggregate: avg": "aggregate: median",
	} {
		require.Contains(t, text, change)
		changed := strings.Replace(text, change, to, 1)
		require.Error(t, s.Validate(values(t, changed)), "%s", to)
		_, err := accepted(t, "full.yaml", changed)
		require.Error(t, err, "%s", to)
	}
}

// The defaults that are described are those that hold: check --print has them.
func TestDefaultsAreTrue(t *testing.T) {
	t.Parallel()
	const given = `stream: {name: s}
topics: {plain: {arn: "arn:aws:sns:us-east-1:000000000000:t"}}
rules: [{name: r, absence: {after: 5m}}]
score: {fields: [x], threshold: auto}
`
	loaded, err := accepted(t, "given.yaml", given)
	require.NoError(t, err)
	printed, err := loaded.Print()
	require.NoError(t, err)
	var tree yaml.Node
	require.NoError(t, yaml.Unmarshal(printed, &tree))
	is := map[string]string{}
	leaves("", tree.Content[0], func(path string, n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			is[general(path)] = n.Value
		}
	})
	compared := 0
	each(allKeys(t), func(k *key) {
		value, known := is[k.path]
		if !known || slices.Contains([]string{"", "0", "0s", "false"}, value) && k.tag.Get("default") != value {
			return // it has none, or gets it where it is used
		}
		switch want, described := k.tag.Lookup("default"); {
		case strings.Contains(given, k.name+": "), k.tag.Get("unset") != "":
		case described:
			if d, err := time.ParseDuration(value); err == nil && formOf(k.typ) == formDuration {
				of, _ := time.ParseDuration(want)
				require.Equal(t, of, d, k.path)
			} else {
				require.Equal(t, want, value, k.path)
			}
			compared++
		default:
			require.Empty(t, value, "%s has a default that is not described", k.path)
		}
	})
	require.Greater(t, compared, 25)
}
