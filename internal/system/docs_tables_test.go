package system

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// lastCells are the last columns of a page's tables whose first column is code.
func lastCells(page string) (cells []string) {
	for _, m := range regexp.MustCompile("(?m)^\\| `.* \\| (.*) \\|$").FindAllStringSubmatch(page, -1) {
		cells = append(cells, m[1])
	}
	slices.Sort(cells)
	return cells
}

// A README that was edited without the file that its table comes from, or the other way round, is found here: what
// writes and compares the chart's table is in a module of its own, which only deploy-check builds.
func TestTablesSayWhatTheirSourceSays(t *testing.T) {
	t.Parallel()

	const chart = "../../deploy/helm/kinesis-alerter/"
	var schema any
	require.NoError(t, json.Unmarshal([]byte(testkit.TextOf(t, chart+"values.schema.json")), &schema))
	_, table, _ := strings.Cut(testkit.TextOf(t, chart+"README.md"), "<!-- values: ")
	require.Equal(t, descriptions(schema), lastCells(table), "the table is written by "+
		"`go run -C internal/tools/kubernetes ./values -write ../../../deploy/helm/kinesis-alerter`")

	const module = "../../deploy/terraform/"
	var described []string
	for _, file := range []string{"variables.tf", "outputs.tf"} {
		for _, m := range regexp.MustCompile(`(?m)^  description\s+= "((?:[^"\\]|\\.)*)"$`).
			FindAllStringSubmatch(testkit.TextOf(t, module+file), -1) {
			described = append(described, strings.NewReplacer(`\"`, `"`, "$${", "${").Replace(m[1]))
		}
	}
	slices.Sort(described)
	_, table, _ = strings.Cut(testkit.TextOf(t, module+"README.md"), "\n## Checks, inputs and outputs\n")
	require.Equal(t, described, lastCells(table), "the tables of deploy/terraform/README.md, and *.tf")
}

// descriptions are those of a JSON schema, sorted.
func descriptions(schema any) (all []string) {
	of, _ := schema.(map[string]any)
	for key, value := range of {
		if text, is := value.(string); is && key == "description" {
			all = append(all, text)
		}
		if key != "global" { // of a parent chart; not in the table
			all = append(all, descriptions(value)...)
		}
	}
	slices.Sort(all)
	return all
}
