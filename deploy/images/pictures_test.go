// Package images tests that the pictures of the documentation show what there is today.
package images

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var record = flag.Bool("record", false, "note that the pictures are new; deploy/browser/images.sh does that")

// madeFrom has a line for each picture: its name, its hash, and the hash of what it shows.
const madeFrom = "made-from.txt"

// shows are the sources of what is seen in each picture. Of Go files it is the texts: a change of the code that says
// the same makes no new picture.
func shows() map[string][]string {
	page := []string{
		"../../internal/status/status.html", "../../internal/status/status.css",
		"../../internal/tools/browser/images.mjs", "../../internal/demo/alerter.yaml",
	}
	return map[string][]string{
		"demo.svg": {
			"../../internal/demo/story.go", "../../internal/demo/demo.go", "../../internal/demo/alerter.yaml",
			"../../internal/screen/frame.go",
			"../../internal/tools/browser/terminal.mjs",
		},
		"status.png":       page,
		"status-phone.png": page,
	}
}

func TestPicturesShowWhatThereIs(t *testing.T) {
	var lines strings.Builder
	for _, name := range []string{"demo.svg", "status-phone.png", "status.png"} {
		file := sha256.New()
		write(t, file, name)
		fmt.Fprintf(&lines, "%s %s %s\n", name, hex.EncodeToString(file.Sum(nil)), words(t, shows()[name]))
	}
	if *record {
		require.NoError(t, os.WriteFile(madeFrom, []byte(lines.String()), 0o600))
	}
	noted, err := os.ReadFile(madeFrom)
	require.NoError(t, err)
	require.Equal(t, string(noted), lines.String(),
		"a picture is older than what it shows, or was not made by it: run make images")
}

// Every picture is shown somewhere, and has a line.
func TestPicturesAreShown(t *testing.T) {
	var text strings.Builder
	for _, pattern := range []string{"../../README.md", "../../docs/*.md"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range files {
			write(t, &text, name)
		}
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, e := range entries {
		if name := e.Name(); name != madeFrom && !strings.HasSuffix(name, ".go") {
			if !strings.Contains(text.String(), "deploy/images/"+name) {
				t.Errorf("no page shows %s", name)
			}
			require.Contains(t, shows(), name)
		}
	}
}

// words is the hash of the sources that match the patterns.
func words(t *testing.T, patterns []string) string {
	t.Helper()
	sum := sha256.New()
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, name := range files {
			switch {
			case strings.HasSuffix(name, "_test.go"):
			case strings.HasSuffix(name, ".go"):
				texts(t, sum, name)
			default:
				write(t, sum, name)
			}
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// texts writes the string literals of a Go file, but not its imports.
func texts(t *testing.T, w io.Writer, name string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			_, _ = fmt.Fprintln(w, literal.Value)
		}
		_, imports := n.(*ast.ImportSpec)
		return !imports
	})
}

func write(t *testing.T, w io.Writer, name string) {
	t.Helper()
	data, err := os.ReadFile(name) //nolint:gosec // a file of this repository
	require.NoError(t, err)
	_, _ = w.Write(data)
}
