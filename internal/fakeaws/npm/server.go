package npm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// startTimeout bounds how long an emulator may take to answer. A busy two-core machine needs up to 2 s.
const startTimeout = 60 * time.Second

// Kinesis starts kinesis-local and returns its URL. opts are environment variables of kinesis-local, for example
// "SPLIT_SHARD_DURATION=50ms". The server ends with the test.
func Kinesis(tb testing.TB, opts ...string) string {
	tb.Helper()
	dir := toolsDir(tb)
	module := filepath.Join(dir, "node_modules", "kinesis-local")
	env := append([]string{
		"KINESIS_MOCK_PLAIN_PORT=4568", "KINESIS_MOCK_TLS_PORT=4567", // loopback.cjs moves them
		"KINESIS_MOCK_CERT_PATH=" + filepath.Join(module, "server.json"),
		"SHARD_LIMIT=1000", "LOG_LEVEL=ERROR",
		"AWS_ACCOUNT_ID=" + Account, "AWS_REGION=" + Region,
	}, opts...)
	return start(tb, server{
		name: "kinesis-local", node: anyNode(tb), asks: 4568, health: "/healthcheck", env: env,
		args: []string{filepath.Join(module, "main.js")},
	})
}

// DynamoDB starts dynalite, in memory, and returns its URL. The server ends with the test.
func DynamoDB(tb testing.TB) string {
	tb.Helper()
	dir := toolsDir(tb)
	return start(tb, server{
		name: "dynalite", node: anyNode(tb), asks: 4567, health: "/",
		args: []string{
			filepath.Join(dir, "node_modules", "dynalite", "cli.js"), "--createTableMs", "50", "--deleteTableMs",
			"50",
		},
	})
}

// Messaging starts fauxqs, which is SNS, SQS and S3 behind one address, and returns its URL. The server ends with the
// test.
func Messaging(tb testing.TB) string {
	tb.Helper()
	dir := toolsDir(tb)
	return start(tb, server{
		name: "fauxqs", node: node22(tb, dir), asks: 4566, health: "/health",
		args: []string{filepath.Join(dir, "fauxqs.mjs")},
	})
}

// Account and Region are those of the ARNs that all three emulators hand out.
const (
	Account = "000000000000"
	Region  = "us-east-1"
)

// server is how one emulator is started.
type server struct {
	name   string
	node   string
	args   []string
	env    []string
	asks   int    // the port that it asks for; loopback.cjs gives it another
	health string // path that answers when the server is up
}

func start(tb testing.TB, s server) string {
	tb.Helper()
	if _, err := os.Stat(s.args[0]); err != nil {
		tb.Fatalf("npm: %s is not installed, run `make npm-emulators`: %v", s.name, err)
	}
	ports, announce, err := os.Pipe()
	if err != nil {
		tb.Fatalf("npm: pipe for the port of %s: %v", s.name, err)
	}
	ctx, cancel := context.WithTimeout(tb.Context(), startTimeout)
	defer cancel()

	// Not CommandContext: the server lives until the clean-up, past the end of the test's context.
	args := append([]string{"-r", filepath.Join(toolsDir(tb), "loopback.cjs")}, s.args...)
	cmd := exec.Command(s.node, args...) //nolint:gosec,noctx // fixed programs; the clean-up ends it
	cmd.Env = append(os.Environ(), s.env...)
	cmd.ExtraFiles = []*os.File{announce}
	launch(tb, s.name, cmd)
	_ = announce.Close()
	tb.Cleanup(func() { _ = ports.Close() })

	port, err := chosenPort(ctx, ports, s.asks)
	if err != nil {
		tb.Fatalf("npm: %s never listened: %v", s.name, err)
	}
	url := "http://127.0.0.1:" + strconv.Itoa(port)
	if err := answers(ctx, url+s.health); err != nil {
		tb.Fatalf("npm: %s listens on port %d and does not answer: %v", s.name, port, err)
	}
	return url
}

// chosenPort reads the announcements of loopback.cjs up to the one of the port that was asked for.
func chosenPort(ctx context.Context, announcements *os.File, asked int) (int, error) {
	if deadline, ok := ctx.Deadline(); ok {
		if err := announcements.SetReadDeadline(deadline); err != nil {
			return 0, err
		}
	}
	lines := bufio.NewScanner(announcements)
	for lines.Scan() {
		if port, ok := strings.CutPrefix(lines.Text(), strconv.Itoa(asked)+" "); ok {
			return strconv.Atoi(port)
		}
	}
	return 0, errors.Join(errors.New("it ended before it listened"), lines.Err())
}

// answers waits until the server gives any HTTP answer.
func answers(ctx context.Context, url string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		req.Close = true // no test closes its idle connections
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			return res.Body.Close()
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// toolsDir finds internal/tools from the package directory in which go test runs.
func toolsDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatalf("npm: working directory: %v", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		tools := filepath.Join(dir, "internal", "tools")
		if _, err := os.Stat(filepath.Join(tools, "package-lock.json")); err == nil {
			return tools
		}
		if dir == filepath.Dir(dir) {
			tb.Fatal(
				"npm: internal/tools/package-lock.json is in no folder above the test's; run the test inside the " +
					"module",
			)
		}
	}
}

func anyNode(tb testing.TB) string {
	tb.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		tb.Fatalf("npm: node 20 or newer must be on the PATH: %v", err)
	}
	return node
}

// node22 returns a node that fauxqs runs on. The lock file brings one for Linux, which serves as well where node 20 is
// installed; elsewhere the one on the PATH has to be new enough.
func node22(tb testing.TB, tools string) string {
	tb.Helper()
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	pinned := filepath.Join(tools, "node_modules", "node-"+runtime.GOOS+"-"+arch, "bin", "node")
	if _, err := os.Stat(pinned); err == nil {
		return pinned
	}
	node := anyNode(tb)
	out, err := exec.CommandContext(tb.Context(), node, "--version").Output() //nolint:gosec // the node of the PATH
	if err != nil {
		tb.Fatalf("npm: %s --version: %v", node, err)
	}
	version := strings.TrimPrefix(strings.TrimSpace(string(out)), "v")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 22 {
		tb.Fatalf(
			"npm: fauxqs needs node 22 and %s is %s; run `make npm-emulators` (Linux) or install node 22", node,
			version,
		)
	}
	return node
}

// buffer is a log that is written by the child and read by the test.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
