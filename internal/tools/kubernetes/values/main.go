// Command values keeps the table of values in the chart's README: the words come from values.schema.json, the defaults
// from values.yaml, so that neither can be forgotten. It fails when the README differs; with -write it writes it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	goyaml "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

const (
	begin = "<!-- values: from values.schema.json and values.yaml by internal/tools/kubernetes/values -write -->\n"
	end   = "<!-- end of values -->\n"
)

func main() {
	write := flag.Bool("write", false, "write the table into the README")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: values [-write] CHART")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *write); err != nil {
		fmt.Fprintln(os.Stderr, "values:", err)
		os.Exit(1)
	}
}

// property is a JSON schema, as far as the table goes.
type property struct {
	Description string              `json:"description"`
	Properties  map[string]property `json:"properties"`
}

func run(chart string, write bool) error {
	var schema property
	text, err := os.ReadFile(filepath.Join(chart, "values.schema.json")) //nolint:gosec // the developer names the chart
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		return fmt.Errorf("values.schema.json: %w", err)
	}
	text, err = os.ReadFile(filepath.Join(chart, "values.yaml")) //nolint:gosec // the developer names the chart
	if err != nil {
		return err
	}
	var document goyaml.Node
	if err := goyaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("values.yaml: %w", err)
	}
	var table strings.Builder
	table.WriteString("| value | default | means |\n|---|---|---|\n")
	seen, err := rows(&table, "", schema, document.Content[0])
	if err != nil {
		return err
	}
	fmt.Printf("%d values\n", seen)

	file := filepath.Join(chart, "README.md")
	readme, err := os.ReadFile(file) //nolint:gosec // the developer names the chart
	if err != nil {
		return err
	}
	head, rest, ok1 := strings.Cut(string(readme), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", file, begin, end)
	}
	want := head + begin + "\n" + table.String() + "\n" + end + tail
	switch {
	case want == string(readme):
		return nil
	case write:
		return os.WriteFile(file, []byte(want), 0o600) //nolint:gosec // the developer names the chart
	}
	return fmt.Errorf("the table in %s is not that of values.schema.json and values.yaml; run "+
		"bin/tools/kubernetes/values -write %s", file, chart)
}

// rows writes a row for every property with a description, in the order of values.yaml, and looks into the others.
func rows(table *strings.Builder, prefix string, of property, defaults *goyaml.Node) (seen int, err error) {
	left := maps.Clone(of.Properties)
	for pair := range slices.Chunk(defaults.Content, 2) {
		name, value := pair[0].Value, pair[1]
		p, known := left[name]
		delete(left, name)
		switch {
		case !known:
			return 0, fmt.Errorf("%s%s is in values.yaml and not in values.schema.json", prefix, name)
		case p.Description == "":
			n, err := rows(table, prefix+name+".", p, value)
			if err != nil {
				return 0, err
			}
			seen += n
		default:
			text, err := oneLine(value)
			if err != nil {
				return 0, fmt.Errorf("%s%s: %w", prefix, name, err)
			}
			fmt.Fprintf(table, "| `%s%s` | %s | %s |\n", prefix, name, text, p.Description)
			seen++
		}
	}
	for name := range left {
		if prefix+name != "global" { // Helm's own
			return 0, fmt.Errorf("%s%s is in values.schema.json and has no default in values.yaml", prefix, name)
		}
	}
	return seen, nil
}

// oneLine is a default as one would write it on a line; nothing for what is empty.
func oneLine(n *goyaml.Node) (string, error) {
	if n.ShortTag() == "!!null" || n.Value == "" && len(n.Content) == 0 {
		return "", nil
	}
	if n.Kind == goyaml.ScalarNode {
		return "`" + n.Value + "`", nil
	}
	var x any
	if err := n.Decode(&x); err != nil {
		return "", err
	}
	text, err := yaml.Marshal(x)
	if err != nil {
		return "", err
	}
	text, err = yaml.YAMLToJSON(text)
	return "`" + string(text) + "`", err
}
