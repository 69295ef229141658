package npm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// Moto starts moto, which has STS and many accounts behind one address, and returns its URL: a call that is signed with
// credentials from AssumeRole reaches the account of the role. The server ends with the test.
func Moto(tb testing.TB) string {
	tb.Helper()
	program := filepath.Join(toolsDir(tb), "..", "..", "bin", "moto", "bin", "moto_server")
	if _, err := os.Stat(program); err != nil {
		tb.Fatalf("npm: moto is not installed, run `make moto`: %v", err)
	}
	cmd := exec.Command(program, "-H", "127.0.0.1", "-p", "0") //nolint:gosec,noctx // fixed; the clean-up ends it
	log := launch(tb, "moto", cmd)

	ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	listens := regexp.MustCompile(`Running on (http://127\.0\.0\.1:\d+)`)
	for {
		if at := listens.FindStringSubmatch(log.String()); at != nil {
			if err := answers(ctx, at[1]+"/moto-api/"); err != nil {
				tb.Fatalf("npm: moto says %s and does not answer: %v", at[0], err)
			}
			return at[1]
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("npm: moto never listened:\n%s", log)
		case <-tick.C:
		}
	}
}

// launch starts a server that lives until the clean-up, and returns what it prints.
func launch(tb testing.TB, name string, cmd *exec.Cmd) *buffer {
	tb.Helper()
	log := &buffer{}
	cmd.Dir, cmd.Stdout, cmd.Stderr = tb.TempDir(), log, log
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		tb.Fatalf("npm: start %s: %v", name, err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	tb.Cleanup(func() {
		killGroup(cmd)
		<-exited
		if tb.Failed() {
			_, _ = fmt.Fprintf(tb.Output(), "--- %s (pid %d) printed:\n%s\n", name, cmd.Process.Pid, log)
		}
	})
	return log
}
