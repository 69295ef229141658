package plain_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/plain"
)

// What is no terminal has no progress line, asks nobody, and has no colours in it. The null device is none, though it
// is a character device as terminals are.
func TestIsTerminal(t *testing.T) {
	t.Parallel()
	require.False(t, plain.IsTerminal(&bytes.Buffer{}))
	for _, name := range []string{os.DevNull, filepath.Join(t.TempDir(), "file")} {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // of the test
		require.NoError(t, err)
		require.False(t, plain.IsTerminal(f), name)
		require.NoError(t, f.Close())
	}
}

// A command that is printed to be pasted does with any name what it says, and nothing else.
func TestShellWord(t *testing.T) {
	t.Parallel()
	for _, word := range []string{
		"", "a.yaml", "my rules.yaml", "it's", "$(id)", "`id`", "a\nb", "-x", "~", "*", "a;b", "ü",
	} {
		command := "printf %s " + plain.ShellWord(word)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command).Output() //nolint:gosec // of the test
		require.NoError(t, err)
		require.Equal(t, word, string(out))
	}
	require.Equal(t, "/etc/kinesis-alerter.yaml", plain.ShellWord("/etc/kinesis-alerter.yaml"))
}
