package testkit

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// EMFLine is what CloudWatch makes of one line in its embedded metric format.
type EMFLine struct {
	At        time.Time
	Namespace string
	// Dimensions are those of all metrics, by name.
	Dimensions map[string]string
	Metrics    map[string]float64
	Units      map[string]string
}

// emfUnits are those of CloudWatch that lines of ours have.
func emfUnits() []string { return []string{"Seconds", "Count"} }

// ReadEMF holds a line against the rules of AWS' page "Specification: Embedded metric format" and of the JSON schema
// there, in words of our own, and returns what CloudWatch would take from it. Where the page's versions differ, the
// stricter one counts. It also fails for a line above 4 KiB.
func ReadEMF(t *testing.T, text []byte) EMFLine {
	t.Helper()
	require.LessOrEqual(t, len(text), 4096)
	require.Equal(t, 1, bytes.Count(text, []byte("\n")), "one line: an event is nothing but the object")
	require.True(t, bytes.HasSuffix(text, []byte("}\n")))
	require.True(t, bytes.HasPrefix(text, []byte("{")))
	var root map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(text, &root))
	require.Contains(t, root, "_aws", "the metadata is required")

	// The metadata has these members and no other ones.
	var meta struct {
		Timestamp         *int64
		CloudWatchMetrics *[]struct {
			Namespace  *string
			Dimensions *[][]string
			Metrics    *[]struct {
				Name *string
				Unit *string
			}
		}
	}
	strict := json.NewDecoder(bytes.NewReader(root["_aws"]))
	strict.DisallowUnknownFields()
	require.NoError(t, strict.Decode(&meta), "the time is an integer, names are strings, sets are arrays of strings")
	require.NotNil(t, meta.Timestamp, "required, in milliseconds")
	require.NotNil(t, meta.CloudWatchMetrics, "required")
	require.Len(t, *meta.CloudWatchMetrics, 1)
	d := (*meta.CloudWatchMetrics)[0]
	require.NotNil(t, d.Namespace)
	name(t, *d.Namespace)
	out := EMFLine{
		At: time.UnixMilli(*meta.Timestamp), Namespace: *d.Namespace, Dimensions: map[string]string{},
		Metrics: map[string]float64{}, Units: map[string]string{},
	}

	require.NotNil(t, d.Dimensions)
	require.Len(t, *d.Dimensions, 1, "one set at least; each one more would be a metric of its own, and be billed")
	require.LessOrEqual(t, len((*d.Dimensions)[0]), 9, "30 by the page of today, 9 by that of 2022")
	for _, dimension := range (*d.Dimensions)[0] {
		name(t, dimension)
		require.Contains(t, root, dimension, "a reference names a member of the root")
		var value string
		require.NoError(t, json.Unmarshal(root[dimension], &value), "the value of a dimension is a string")
		require.NotEmpty(t, strings.TrimSpace(value))
		require.LessOrEqual(t, len(value), 1024)
		out.Dimensions[dimension] = value
	}

	require.NotNil(t, d.Metrics)
	require.LessOrEqual(t, len(*d.Metrics), 100)
	for _, m := range *d.Metrics {
		require.NotNil(t, m.Name)
		name(t, *m.Name)
		require.NotContains(t, out.Metrics, *m.Name, "twice")
		require.Contains(t, root, *m.Name, "a reference names a member of the root")
		var value *float64
		require.NoError(t, json.Unmarshal(root[*m.Name], &value), "a value is a number")
		require.NotNil(t, value)
		require.GreaterOrEqual(t, *value, 0.0)
		require.NotNil(t, m.Unit)
		require.True(t, slices.Contains(emfUnits(), *m.Unit), *m.Unit)
		out.Metrics[*m.Name], out.Units[*m.Name] = *value, *m.Unit
	}
	require.Len(t, root, 1+len(out.Dimensions)+len(out.Metrics), "nothing that is not used")
	return out
}

// name holds a name against what the schema and CloudWatch take.
func name(t *testing.T, s string) {
	t.Helper()
	require.NotEmpty(t, s)
	require.LessOrEqual(t, len(s), 250)
	require.False(t, strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }), s)
	require.False(t, strings.HasPrefix(s, ":"), s)
}

// EMFLines are the lines in the embedded metric format among those of a log.
func EMFLines(t *testing.T, log string) []EMFLine {
	t.Helper()
	var out []EMFLine
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"_aws"`) {
			out = append(out, ReadEMF(t, []byte(line)))
		}
	}
	return out
}
