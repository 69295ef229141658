package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
)

// worker is a whole daemon.
type worker interface {
	// name is also the access key by which it calls the emulator.
	name() string
	// pid names the process.
	pid() string
	// kill ends it as SIGKILL does: nothing is handed over.
	kill() error
	// stop ends it in order and waits.
	stop() error
	// ended is closed when it has ended.
	ended() <-chan struct{}
}

// stage is where the emulator and the workers are.
type stage interface {
	// aws is how the demo itself calls the emulator.
	aws() aws.Config
	// start starts a worker that publishes to the topic.
	start(ctx context.Context, name, topicARN string) (worker, error)
	// page is the address of the first worker's status page, and why it is not the usual one.
	page() (address, why string)
}

const (
	// workerCommand is the hidden argument that makes the demo's program a worker.
	workerCommand = "worker"
	// adminFile is the worker's listener, behind standard error.
	adminFile = 3

	envName, envEndpoint, envTopic, envOutputs = "DEMO_WORKER", "DEMO_ENDPOINT", "DEMO_TOPIC_ARN", "DEMO_OUTPUTS"
)

// processes are workers as processes of their own: the demo's own program, which calls the emulator on loopback.
type processes struct {
	demo   *demo
	stderr io.Writer
	server *http.Server
	url    string
	admin  net.Listener // of the first worker
	taken  error        // why it is not on the usual port
	first  string
}

func newProcesses(ctx context.Context, d *demo, stderr io.Writer) (*processes, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no port for the emulator: %w", err)
	}
	p := &processes{
		demo: d, stderr: stderr, url: "http://" + l.Addr().String(),
		server: &http.Server{Handler: d.emulator, ReadHeaderTimeout: 5 * time.Second},
	}
	go func() { _ = p.server.Serve(l) }()
	if p.admin, p.taken = lc.Listen(ctx, "tcp", config.DefaultListen); p.taken != nil {
		if p.admin, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, errors.Join(fmt.Errorf("no port for the status page: %w", err), p.close())
		}
	}
	p.first = "http://" + p.admin.Addr().String() + "/"
	return p, nil
}

func (p *processes) close() error { return p.server.Close() }

func (p *processes) aws() aws.Config { return emulated(p.url, "demo") }

func (p *processes) page() (address, why string) {
	if p.taken != nil {
		why = fmt.Sprintf("%s is taken by another program, perhaps another demo", config.DefaultListen)
	}
	return p.first, why
}

// emulated is how to call an emulator that is served on loopback.
func emulated(url, accessKey string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(url), HTTPClient: fakeaws.LoopbackClient(),
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, "demo", ""),
	}
}

func (p *processes) start(ctx context.Context, name, topicARN string) (worker, error) {
	l := p.admin
	p.admin = nil
	if l == nil {
		var err error
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("no port for %s: %w", name, err)
		}
	}
	defer func() { _ = l.Close() }() // the worker has its own
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("no TCP listener for %s", name)
	}
	file, err := tcp.File()
	if err != nil {
		return nil, fmt.Errorf("listener of %s: %w", name, err)
	}
	defer func() { _ = file.Close() }()
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the demo's own program: %w", err)
	}
	w := &process{
		label: name, done: make(chan struct{}),
		//nolint:gosec // itself; a worker ends with its standard input
		cmd: exec.CommandContext(context.WithoutCancel(ctx), program, workerCommand),
	}
	w.cmd.Env = []string{envName + "=" + name, envEndpoint + "=" + p.url, envTopic + "=" + topicARN}
	if p.demo.outputs {
		w.cmd.Env = append(w.cmd.Env, envOutputs+"=1")
	}
	w.cmd.ExtraFiles = []*os.File{file}
	tap := &logTap{report: p.demo.report, name: name, all: io.Discard}
	if p.demo.verbose {
		tap.all = p.stderr
	}
	w.cmd.Stdout, w.cmd.Stderr = tap, p.stderr
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		w.err = w.cmd.Wait()
		close(w.done)
	}()
	return w, nil
}

// process is a worker that is a process.
type process struct {
	label string
	cmd   *exec.Cmd
	stdin io.Closer
	done  chan struct{}
	err   error // once done is closed
}

func (w *process) name() string           { return w.label }
func (w *process) pid() string            { return strconv.Itoa(w.cmd.Process.Pid) }
func (w *process) ended() <-chan struct{} { return w.done }

func (w *process) kill() error {
	err := w.cmd.Process.Kill()
	<-w.done
	return err
}

func (w *process) stop() error {
	_ = w.stdin.Close()
	<-w.done
	if w.err != nil {
		return fmt.Errorf("%s: %w", w.label, w.err)
	}
	return nil
}

// runWorker is a worker's process. It lives until its standard input ends, so that it does not outlive the demo; a
// signal of the terminal is for the demo, which stops its workers when their records have their outcomes.
func runWorker(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer) int {
	name := os.Getenv(envName)
	ctx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		stop(errors.New("the demo ends"))
	}()
	fail := func(err error) int {
		_, _ = fmt.Fprintf(stderr, "demo: %s: %v\n", name, err)
		return 1
	}
	load := loadConfiguration
	if os.Getenv(envOutputs) != "" {
		load = loadWithOutputs
	}
	loaded, err := load(ctx, os.Getenv(envTopic))
	if err != nil {
		return fail(err)
	}
	admin, err := net.FileListener(os.NewFile(adminFile, "admin"))
	if err != nil {
		return fail(err)
	}
	if err := daemon.Run(ctx, loaded.Config, daemon.Options{
		AWS: emulated(os.Getenv(envEndpoint), name), Output: stdout, Listener: admin, FailFast: true, Loaded: loaded,
		Host: name,
	}); err != nil {
		return fail(err)
	}
	return 0
}

// logTap reports the errors in a worker's log, and passes it on with the worker's name before each line.
type logTap struct {
	report func(text string)
	name   string
	all    io.Writer
	rest   []byte // of a line that has not ended
}

// Write implements io.Writer.
func (t *logTap) Write(p []byte) (int, error) {
	t.rest = append(t.rest, p...)
	for {
		line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		t.rest = rest
		_, _ = fmt.Fprintf(t.all, "%s %s\n", t.name, line)
		var entry struct{ Level, Msg, Error string }
		if json.Unmarshal(line, &entry) == nil && entry.Level == "error" {
			t.report(strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", t.name, entry.Msg, entry.Error), ": "))
		}
	}
}
