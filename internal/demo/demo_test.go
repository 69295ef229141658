package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/screen"
	"kinesis-alerter/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bubble has its workers as goroutines, whose lines to the emulator can be cut.
type bubble struct {
	fake *fakeaws.AWS
	// change makes the workers' configuration another one than the demo believes.
	change func(*config.LoadedConfig)
	log    testkit.SyncBuffer
	why    string
	// outputs has the workers write every record to a second stream.
	outputs bool
}

func (b *bubble) aws() aws.Config { return testkit.Emulated(b.fake) }

func (b *bubble) page() (address, why string) { return "http://127.0.0.1:1/", b.why }

type goroutine struct {
	label string
	fake  *fakeaws.AWS
	cut   atomic.Bool
	end   context.CancelFunc
	done  chan struct{}
	err   error
}

func (b *bubble) start(ctx context.Context, name, topicARN string) (worker, error) {
	load := loadConfiguration
	if b.outputs {
		load = loadWithOutputs
	}
	loaded, err := load(ctx, topicARN)
	if err != nil {
		return nil, err
	}
	if b.change != nil {
		b.change(loaded)
	}
	ctx, end := context.WithCancel(context.WithoutCancel(ctx))
	w := &goroutine{label: name, fake: b.fake, end: end, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.err = daemon.Run(ctx, loaded.Config, daemon.Options{
			AWS: aws.Config{
				Region: region, Credentials: credentials.NewStaticCredentialsProvider(name, "x", ""),
				HTTPClient: &http.Client{Transport: w},
			},
			Output: &b.log, Registry: prometheus.NewRegistry(), Listener: testkit.NewDeafListener(), Host: name,
		})
	}()
	return w, nil
}

// RoundTrip implements http.RoundTripper.
func (w *goroutine) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.cut.Load() {
		return nil, errors.New("the process is gone")
	}
	return w.fake.RoundTrip(r)
}

func (w *goroutine) name() string           { return w.label }
func (*goroutine) pid() string              { return "4711" }
func (w *goroutine) ended() <-chan struct{} { return w.done }

func (w *goroutine) kill() error {
	w.cut.Store(true)
	w.end()
	return nil // what is left of it can do nothing
}

func (w *goroutine) stop() error {
	w.end()
	<-w.done
	return w.err
}

// told is the demo, told in a bubble.
func told(t *testing.T, o options, prepare func(*bubble)) (text string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		d := newDemo(o, screen.New(&out, func(string) (string, bool) { return "", false }))
		b := &bubble{fake: d.emulator, outputs: o.outputs}
		if o.outputs {
			d.withOutputs()
			defer func() {
				concludeOutputs(d.screen, d.ledger.outputs.count())
				text = out.String()
			}()
		}
		if prepare != nil {
			prepare(b)
		}
		err = d.run(t.Context(), b)
		if d.killed != nil {
			<-d.killed.ended()
		}
		text = out.String()
	})
	return text, err
}

// With --outputs every record is also in a second stream, once but for what the kill has repeated, and one that is
// missing fails the demo.
func TestStoryWithOutputs(t *testing.T) {
	text, err := told(t, options{limit: 62 * time.Second, outputs: true}, nil)
	require.NoError(t, err, text)
	require.Regexp(t, `\nIn all: ([\d,]+) records put, (.|\n)*\nExampleOutputStream: ([\d,]+) records written, each `+
		`with the place that it came from \(\d+ again\), 0 missing, 0 out of order\.\n$`, text)
	counts := regexp.MustCompile(`([\d,]+) records (put, |written)`).FindAllStringSubmatch(text, -1)
	require.Equal(t, counts[0][1], counts[1][1])

	text, err = told(t, options{limit: 20 * time.Second, outputs: true}, func(b *bubble) { b.outputs = false })
	require.ErrorContains(t, err, "not in ExampleOutputStream", text)
}

// The story is the first thing that a newcomer sees: each chapter shows what it promises, and its figures add up.
func TestStory(t *testing.T) {
	text, err := told(t, options{limit: 62 * time.Second}, nil)
	require.NoError(t, err, text)
	rest := text
	for _, want := range []string{
		`page +http://127\.0\.0\.1:1/\n`,
		`\n1  A message for a person\n`,
		// what, where, how bad, since when, what to do
		`│ Subject: web-017 in rack A2 is too hot: \d\d °C +│`,
		`│ What:   web-017 is at \d\d °C; the limit is 85`, `│ Where:  hall 2, rack A2`, `│ Since:  \d\d:\d\d:\d\d UTC`,
		`│ Do:     drain it`, `│ Runbook: https://`,
		`SNS had it 0\.\d\d s after the reading was put`,
		`\n2  A storm becomes a few messages\n`,
		`│ Subject: 1\d\d alerts: overheating`,
		`299 alerts in \d messages`,
		`\n3  It is over\n`,
		`│ Subject: web-017 in rack A2 has cooled down`,
		`│ It was too hot from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d UTC`,
		`1\d\d resolved alerts: overheating`,
		`299 alerts that it is over, in \d messages`,
		`\n4  A worker is killed\n`,
		`kill -9 4711  worker-2 is gone`,
		`worker-1 has taken its shards over, [2-5]\.\d s after the kill`,
		`The alert that waited longest for that came [2-6]\.\d s after`,
		`records put +\d\d,\d{3}`,
		`alerts due +(\d+)  too hot (\d+), over (\d+)`,
		`alerts delivered +(\d+)  in \d\d messages`,
		`delivered again +\d+`,
		`\n   lost +0`,
		`\n5  Now your own records\n`, `make emulator`,
		`\nIn all: .*, 0 lost\.`,
	} {
		at := regexp.MustCompile(want).FindStringIndex(rest)
		require.NotNil(t, at, "%s\n\nis not in its place of\n\n%s", want, text)
		rest = rest[at[0]:]
	}
	makefile := testkit.TextOf(t, "../../Makefile")
	require.Contains(t, makefile, "\n"+strings.TrimPrefix(nextCommand, "make ")+": ", "the next command exists")
	due := regexp.MustCompile(`alerts due +(\d+)  too hot (\d+), over (\d+)`).FindStringSubmatch(text)
	require.Equal(t, due[2], due[3], "whatever got too hot has cooled down")
	require.Regexp(t, `alerts delivered +`+due[1]+` `, text)
	require.NotContains(t, text, "Not told")
	require.NotContains(t, text, "error")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len([]rune(line)), 81, line) // a terminal and a line break
	}
}

// With --for the chapters that do not fit are named.
func TestStoryThatIsCutShort(t *testing.T) {
	text, err := told(t, options{limit: 5 * time.Second}, func(b *bubble) { b.why = "it is taken" })
	require.NoError(t, err, text)
	require.Contains(t, text, "(not the usual port: it is taken)")
	require.Contains(t, text, "Subject: web-017 in rack A2 is too hot")
	require.NotContains(t, text, "\n2 ")
	require.Contains(t, text, "1 alert due, 1 delivered (0 again), 0 lost.\n"+
		"Not told: 2 A storm becomes a few messages; 3 It is over; 4 A worker is killed.\n")
}

// An alert that does not come fails the demo.
func TestStoryWithALostAlert(t *testing.T) {
	text, err := told(t, options{limit: 5 * time.Second}, func(b *bubble) {
		b.change = func(c *config.LoadedConfig) { c.Rules[0].When = "celsius > 200" }
	})
	require.ErrorContains(t, err, "1 alert of 1 lost", text)
	require.Contains(t, text, "1 alert due, 0 delivered (0 again), 1 lost.")
}

// Nor does one that no record calls for pass.
func TestLedger(t *testing.T) {
	l := newLedger()
	now := time.Unix(1, 0)
	send := func(kind, id, body string) {
		l.published(&fakeaws.Published{
			At: now.Add(time.Second), Body: body, Attributes: map[string]fakeaws.MessageAttribute{
				"kind": {StringValue: kind}, "alert_id": {StringValue: id},
			},
		})
	}
	l.took(now, place{}, map[string]string{"a": "firing", "b": "resolved"})
	l.took(now, place{}, nil)
	send("firing", "a", "")
	c := l.count(time.Time{})
	require.Equal(t, []string{"b"}, c.lost)
	require.ErrorContains(t, c.fault(), "1 alert of 2 lost")
	send("digest", "d", "2 alerts\n"+idsBegin+"a\nb")
	c = l.count(time.Time{})
	require.NoError(t, c.fault())
	require.Equal(t, [5]int{2, 2, 2, 1, 2}, [5]int{c.records, c.due, c.delivered, c.again, c.messages})
	send("firing", "c", "")
	require.ErrorContains(t, l.count(time.Time{}).fault(), "1 alert delivered for which no record calls")
}

func TestDemoRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{{"--for", "-1s"}, {"now"}, {"--nonsense"}} {
		require.Equal(t, 2, Main(t.Context(), args, io.Discard, io.Discard), "%v", args)
	}
	require.Equal(t, 0, Main(t.Context(), []string{"--help"}, io.Discard, io.Discard))
}

// A worker's log comes in pieces. Its errors are shown, and --verbose says whose line it is.
func TestLogTap(t *testing.T) {
	var reported []string
	var all bytes.Buffer
	tap := &logTap{report: func(text string) { reported = append(reported, text) }, name: "worker-2", all: &all}
	for _, piece := range []string{
		`{"level":"info","msg":"starting"}` + "\n" + `{"level":"error","ms`, `g":"cannot read","error":"gone"}` + "\n",
		"no JSON\n",
	} {
		n, err := tap.Write([]byte(piece))
		require.NoError(t, err)
		require.Len(t, piece, n)
	}
	require.Equal(t, []string{"worker-2: cannot read: gone"}, reported)
	require.Equal(t, "worker-2 "+`{"level":"info","msg":"starting"}`+"\nworker-2 "+
		`{"level":"error","msg":"cannot read","error":"gone"}`+"\nworker-2 no JSON\n", all.String())
}
