package rehearse

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is in a sample is read as it stands there: an array of records, or one a line, whatever ends the lines.
func TestReadSample(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"{\"a\":1}\r\n\r\n{\"b\":2}":    {"line 1", `{"a":1}`, "line 3", `{"b":2}`},
		" [\n{\"a\":1e400},\n \"x\"]\n": {"record 1", `{"a":1e400}`, "record 2", `"x"`},
		"[1]\n[2]\n":                    {"line 1", "[1]", "line 2", "[2]"},
		"[{\"a\":1}\n":                  {"line 1", `[{"a":1}`},
		"\xff\n":                        {"line 1", "\xff"},
	} {
		file := filepath.Join(t.TempDir(), "sample")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		records, err := readSample(t.Context(), file, false)
		require.NoError(t, err)
		var got []string
		for r := range records {
			got = append(got, r.place, string(r.data))
		}
		require.Equal(t, want, got)
	}
}
