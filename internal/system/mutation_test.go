//go:build mutation

package system_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
)

// killer is a test that has to fail on a mutated source, and pass on the true one.
type killer struct {
	pkg    string // folder
	test   string // pattern of go test -run
	checks int    // drawn cases, of a property or a simulation; 0 for a test that draws none
}

// mutation is one line of the delivery contract, or of the protocol under it, and a change of the source that breaks
// it. The change is laid over the source with go build -overlay: production code knows no hooks and no tags for it.
type mutation struct {
	breaks   string // the guarantee
	file     string
	old, new string // old occurs exactly once in the file
	by       killer
	says     string // pattern that the failure must match, so that the mutation is found for the right reason
}

// finding is a line of the table.
type finding struct {
	mutation

	words string
	took  time.Duration
}

// TestMutationsFitTheSource: what a mutation replaces stands in its file once. It takes no time, so that a list which
// the source has outgrown is noticed at once.
func TestMutationsFitTheSource(t *testing.T) {
	for _, m := range mutations() {
		source, err := os.ReadFile(filepath.Join("../..", m.file))
		require.NoError(t, err, m.breaks)
		require.Equal(t, 1, strings.Count(string(source), m.old), "%s: %s: %q", m.breaks, m.file, m.old)
	}
}

// TestMutations breaks the daemon in every way that its guarantees exclude, one at a time, and shows that a test finds
// it.
func TestMutations(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	var (
		mu       sync.Mutex
		findings = make([]finding, len(mutations()))
	)
	t.Run("group", func(t *testing.T) {
		seen := map[killer]bool{}
		for i, m := range mutations() {
			if !seen[m.by] { // a test that always fails finds nothing
				seen[m.by] = true
				t.Run("true source/"+m.by.pkg+"/"+m.by.test, func(t *testing.T) {
					t.Parallel()
					output, err := m.by.Run(t, root, "")
					require.NoError(t, err, "%s", output)
				})
			}
			t.Run(m.breaks, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				words := m.find(t, root)
				t.Logf("found by %s: %.100s", m.by.test, words)
				mu.Lock()
				defer mu.Unlock()
				findings[i] = finding{m, words, time.Since(began)}
			})
		}
	})
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "guarantee\tbroken in\tfound by\tafter\tin the words")
	for i, m := range mutations() {
		v := findings[i]
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\t%.90s\n", m.breaks, m.file, m.by.pkg, m.by.test,
			v.took.Round(100*time.Millisecond), cmp.Or(v.words, "NOT FOUND"))
	}
	require.NoError(t, w.Flush())
	t.Logf("\n%s", &table)
}

// find runs the killer on the mutated source and answers the words in which it failed.
func (m *mutation) find(t *testing.T, root string) string {
	t.Helper()
	path := filepath.Join(root, m.file)
	source, err := os.ReadFile(path) //nolint:gosec // a path of this repository
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(source), m.old),
		"the mutation is stale: %s must hold this text exactly once:\n%s", m.file, m.old)
	dir := t.TempDir()
	mutated := filepath.Join(dir, filepath.Base(m.file))
	require.NoError(t,
		os.WriteFile(mutated, //nolint:gosec // into a directory of the test's own
			[]byte(strings.Replace(string(source), m.old, m.new, 1)), 0o600))
	overlay := filepath.Join(dir, "overlay.json")
	content, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, content, 0o600))
	output, err := m.by.Run(t, root, overlay)
	require.Error(t, err, "the mutation survived: %s found nothing in\n%s", m.by.test, m.new)
	require.NotContains(t, output, "panic: test timed out", "a test that hangs has found nothing")
	words := regexp.MustCompile("(?m)" + m.says).FindString(output)
	require.NotEmpty(t, words, "found, but not in the words %q:\n%s", m.says, output)
	return strings.Join(strings.Fields(words), " ")
}

// Run builds the test over an overlay and runs it. A build that fails is the mutation's fault and ends the test.
func (k *killer) Run(t *testing.T, root, overlay string) (output string, err error) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "mutated.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", //nolint:gosec // the list of mutations
		overlay, "-o", binary, "./"+k.pkg)
	build.Dir = root
	built, err := build.CombinedOutput()
	require.NoError(t, err, "the mutation does not compile:\n%s", built)
	args := []string{"-test.run", "^(" + k.test + ")$", "-test.timeout", "100s", "-test.failfast"}
	if k.checks > 0 {
		// The seed repeats the schedules; what goroutines do inside one is the scheduler's.
		args = append(args, "-rapid.checks", strconv.Itoa(k.checks), "-rapid.seed", "7", "-rapid.shrinktime", "1ns",
			"-rapid.nofailfile")
	}
	run := exec.CommandContext(t.Context(), binary, args...) //nolint:gosec // as above
	run.Dir = filepath.Join(root, k.pkg)
	run.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := run.CombinedOutput()
	require.NotContains(t, string(out), "no tests to run")
	return string(out), err
}
