package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// What never ends, or holds nothing, is refused at once by everything that reads a file, with its name and the reason.
func TestFilesThatDoNotEnd(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1") // an import looks at its table later
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o600))
	sparse, err := os.Create(at("sparse"))
	require.NoError(t, err)
	require.NoError(t, sparse.Truncate(10<<30))
	require.NoError(t, sparse.Close())
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", at("socket"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	files := map[string]string{
		"/dev/zero": "is a device", at("fifo"): "is a pipe without a writer", folder: "is a directory",
		at("sparse"): "is larger than",
		at("socket"): "is not a regular file", at("none"): "no such file or directory",
	}
	commands := map[string]func(file string) []string{
		"config": func(file string) []string { return []string{"check", "--config", file} },
		"run":    func(file string) []string { return []string{"run", "--config", file} },
		"filter_file": func(file string) []string {
			return []string{"check", "--config", testkit.ConfigFile(t, "filter_file: "+file+"\n"+testkit.ReloadConfig)}
		},
		"sample": func(file string) []string {
			return []string{"check", "--config", testkit.ConfigFile(t, testkit.ReloadConfig), "--sample", file}
		},
		"data": func(file string) []string {
			return []string{"explain", "--config", testkit.ConfigFile(t, testkit.ReloadConfig), "--data", file}
		},
		"tests": func(file string) []string { return []string{"rules", "test", file} },
		"import": func(file string) []string {
			return []string{"leases", "import", file, "--config", testkit.ConfigFile(t, testkit.ReloadConfig)}
		},
		"letters": func(file string) []string {
			return []string{"letters", "list", "--config", testkit.ConfigFile(t, testkit.ReloadConfig), "--from", file}
		},
		"lambda": func(file string) []string { return []string{"check", "--explain-lambda", file} },
		"archive": func(file string) []string {
			return []string{
				"rules", "backtest", "--config", testkit.ConfigFile(t, testkit.ReloadConfig), "--archive", file,
			}
		},
	}
	for name, command := range commands {
		for file, why := range files {
			if name == "archive" && (file == at("sparse") || file == at("fifo")) {
				continue // read line by line, of any size; an empty one has no records
			}
			if name == "tests" && file == folder {
				continue // stands for the files in it
			}
			code, _, stderr := invoke(t, command(file)...)
			require.NotEqual(t, ExitOK, code, "%s %s", name, file)
			require.Contains(t, stderr, file)
			require.Contains(t, stderr, why, "%s %s", name, file)
			require.Less(t, len(stderr), 1000)
		}
	}
}

// An export of rows without anything in them would take seventy times its size.
func TestImportIsBoundedInRows(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	file := filepath.Join(t.TempDir(), "export.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"shards":[`+strings.Repeat("{},", 1_000_000)+`{}]}`), 0o600))
	code, _, stderr := invoke(t, "leases", "import", file, "--config", testkit.ConfigFile(t, testkit.ReloadConfig))
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr, "more than 100000 rows")
}

// What is no regular file is written by no command, and none waits for its reader.
func TestFilesThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	sample := testkit.ConfigFile(t, initSample)
	for name, c := range map[string]struct {
		make func(file string) error
		says string
	}{
		"pipe":   {func(file string) error { return syscall.Mkfifo(file, 0o600) }, "is a pipe, not a file"},
		"device": {func(file string) error { return os.Symlink("/dev/null", file) }, "is a device, not a file"},
		"folder": {func(file string) error { return os.Mkdir(file, 0o700) }, "is a directory"},
	} {
		for _, of := range []string{"kinesis-alerter.yaml", "rules.test.yaml"} {
			folder := t.TempDir()
			require.NoError(t, c.make(filepath.Join(folder, of)))
			_, _, err := initialize(t, nil, nil, nil, "--stream", "s", "--topic-arn", testkit.TestTopicARN, "--sample",
				sample, "--force", "--output", filepath.Join(folder, "kinesis-alerter.yaml"))
			require.ErrorContains(t, err, of+": "+c.says, name)
			files, err := os.ReadDir(folder)
			require.NoError(t, err)
			require.Len(t, files, 1, "nothing is written by half")
		}
		svg := filepath.Join(t.TempDir(), "plot.svg")
		require.NoError(t, c.make(svg))
		code, _, stderr := invoke(t, "rules", "backtest", "--config", "testdata/backtest/candidate.yaml", "--archive",
			"testdata/backtest/archive.jsonl", "--svg", svg)
		require.Equal(t, ExitUsage, code)
		require.Contains(t, stderr, "--svg "+svg+": "+c.says, name)
	}
}

// A shell's <(command) is a pipe.
func TestPipesAreRead(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	written := make(chan error, 1)
	go func() { // waits for a reader
		written <- os.WriteFile(fifo, []byte(strings.Repeat("#", 100_000)+"\n"+testkit.ReloadConfig), 0o600)
	}()
	var loaded *config.LoadedConfig
	require.Eventually(t, func() bool { // the writer may not have come so far
		var err error
		loaded, err = config.LoadConfig(t.Context(), fifo, testkit.Environment(nil))
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, <-written)
	require.Len(t, loaded.Rules, 2)
}

// Nothing waits for a file once its context has ended: neither SIGINT of a command nor the stop of a daemon.
func TestFilesAreLeftBehind(t *testing.T) {
	t.Parallel()
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	writer, err := os.OpenFile(fifo, os.O_RDWR, 0) //nolint:gosec // its own file; and writes nothing
	require.NoError(t, err)
	t.Cleanup(func() { _ = writer.Close() })
	stop := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	_, err = config.LoadConfig(ctx, fifo, testkit.Environment(nil))
	require.ErrorIs(t, err, stop)
}
