//go:build e2e || bench

package system_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// buildDaemon builds the daemon as a release does and returns the path of the binary.
func buildDaemon(tb testing.TB) string {
	tb.Helper()
	binary := filepath.Join(tb.TempDir(), "kinesis-alerter")
	build := exec.CommandContext(tb.Context(), "go", "build", "-trimpath", "-o",
		binary, "../../cmd/kinesis-alerter")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(tb, err, "go build: %s", out)
	return binary
}

// daemon is one process of the built binary.
type daemon struct {
	tb      testing.TB
	name    string
	cmd     *exec.Cmd
	logPath string
	// admin is the URL of the admin server.
	admin string
	// exited is closed when the process is gone; code is its exit code then.
	exited chan struct{}
	code   int
}

// startDaemon starts `run` with a configuration file's text and waits until the admin server is known. The process is
// killed when the test ends. Its log is an artifact of the test, and its states are shown when the test failed.
func startDaemon(tb testing.TB, binary, name, config string, env ...string) *daemon {
	tb.Helper()
	return startDaemonWith(tb, binary, name, config, nil, env)
}

// startDaemonWith is startDaemon with more flags of `run`.
func startDaemonWith(tb testing.TB, binary, name, config string, flags, env []string) *daemon {
	tb.Helper()
	dir := tb.ArtifactDir()
	file := filepath.Join(dir, name+".yaml")
	require.NoError(tb, os.WriteFile(file, []byte(config), 0o600))
	d := &daemon{tb: tb, name: name, logPath: filepath.Join(dir, name+".log"), exited: make(chan struct{})}
	log, err := os.Create(d.logPath)
	require.NoError(tb, err)
	d.cmd = exec.Command(binary,
		append([]string{"run", "--config", file}, flags...)...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Env = append(os.Environ(), append([]string{
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=000000000000", "AWS_SECRET_ACCESS_KEY=" + name,
		"AWS_EC2_METADATA_DISABLED=true",
	}, env...)...)
	require.NoError(tb, d.cmd.Start())
	go func() {
		defer close(d.exited)
		_ = d.cmd.Wait()
		_ = log.Close()
		d.code = d.cmd.ProcessState.ExitCode()
	}()
	tb.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.exited
		if tb.Failed() {
			_, _ = fmt.Fprintf(tb.Output(), "--- %s (pid %d), all but its audit lines, complete in %s:\n%s", name,
				d.cmd.Process.Pid, d.logPath, d.states(80))
		}
	})
	eventually(tb, 30*time.Second, name+" says where its admin server is", func() bool {
		d.admin = d.adminURL()
		return d.admin != ""
	})
	return d
}

// adminURL finds the address in the daemon's first log lines.
func (d *daemon) adminURL() string {
	d.running()
	for line := range d.lines() {
		var entry struct{ Admin string }
		if json.Unmarshal(line, &entry) == nil && entry.Admin != "" {
			return "http://" + entry.Admin
		}
	}
	return ""
}

// lines yields the log so far.
func (d *daemon) lines() func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		data, err := os.ReadFile(d.logPath)
		require.NoError(d.tb, err)
		for line := range bytes.Lines(data) {
			if !yield(line) {
				return
			}
		}
	}
}

// states are the last lines of the log that are no audit lines.
func (d *daemon) states(last int) string {
	var kept []string
	for line := range d.lines() {
		if !bytes.Contains(line, []byte(`"logger":"audit"`)) {
			kept = append(kept, string(line))
		}
	}
	return strings.Join(kept[max(0, len(kept)-last):], "")
}

// running fails the test when the process has ended by itself.
func (d *daemon) running() {
	d.tb.Helper()
	select {
	case <-d.exited:
		d.tb.Fatalf("%s ended by itself with exit code %d:\n%s", d.name, d.code, d.states(20))
	default:
	}
}

// ready waits for /readyz.
func (d *daemon) ready() {
	d.tb.Helper()
	eventually(d.tb, 60*time.Second, d.name+" is ready", func() bool {
		d.running()
		status, _, err := d.Get("/readyz")
		return err == nil && status == http.StatusOK
	})
}

// Get asks the admin server, on a connection of its own.
func (d *daemon) Get(path string) (status int, body []byte, err error) {
	return d.getWithin(30*time.Second, path)
}

// getWithin is get for a process that may stall.
func (d *daemon) getWithin(limit time.Duration, path string) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(d.tb.Context(), limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.admin+path, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, body, err
}

// metric is the sum of all series of a metric whose text contains every one of the parts, for example
// `outcome="alerted"`.
func (d *daemon) metric(name string, parts ...string) float64 {
	d.tb.Helper()
	_, page, err := d.Get("/metrics")
	require.NoError(d.tb, err)
	sum := 0.0
	lines := bufio.NewScanner(bytes.NewReader(page))
series:
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest == "" || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		for _, part := range parts {
			if !strings.Contains(rest, part) {
				continue series
			}
		}
		var value float64
		_, err := fmt.Sscan(rest[strings.LastIndexByte(rest, ' ')+1:], &value)
		require.NoError(d.tb, err)
		sum += value
	}
	return sum
}

// kill ends the process as a crash of its machine would, and returns when.
func (d *daemon) kill() time.Time {
	d.tb.Helper()
	d.running()
	at := time.Now()
	require.NoError(d.tb, d.cmd.Process.Kill())
	<-d.exited
	return at
}

// signal sends the process a signal, for example SIGSTOP.
func (d *daemon) signal(s syscall.Signal) time.Time {
	d.tb.Helper()
	d.running()
	require.NoError(d.tb, d.cmd.Process.Signal(s))
	return time.Now()
}

// terminate asks the process to stop, as an orchestrator does, and returns its exit code and how long it took.
func (d *daemon) terminate() (code int, took time.Duration) {
	d.tb.Helper()
	d.running()
	began := time.Now()
	require.NoError(d.tb, d.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-d.exited:
	case <-time.After(40 * time.Second):
		d.tb.Fatalf("%s has not stopped 40 s after SIGTERM:\n%s", d.name, d.states(20))
	}
	return d.code, time.Since(began)
}

// eventually asks until the answer is yes.
func eventually(tb testing.TB, limit time.Duration, what string, ask func() bool) {
	tb.Helper()
	for end := time.Now().Add(limit); !ask(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatal(errors.New("not within " + limit.String() + ": " + what))
		}
	}
}
