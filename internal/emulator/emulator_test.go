package emulator

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"kinesis-alerter/internal/fakeaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noEnvironment(string) (string, bool) { return "", false }

// writer is a buffer that several goroutines may use.
type writer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *writer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// started runs the emulator until the test ends, and returns its address and what it writes.
func started(t *testing.T, args ...string) (address string, out *writer) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address = l.Addr().String()
	require.NoError(t, l.Close())
	out = &writer{}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context())) // the test ends before
	ended := make(chan int, 1)
	file := filepath.Join(t.TempDir(), "emulator.env")
	go func() {
		ended <- Main(ctx, append([]string{"--listen", address, "--env-file", file}, args...), noEnvironment, out, out)
	}()
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		stop()
		require.Equal(t, 0, <-ended, out)
	})
	require.Eventually(t, func() bool {
		return strings.Contains(out.String(), "bin/kinesis-alerter put")
	}, 5*time.Second,
		time.Millisecond, out)
	return address, out
}

// publish sends a message as any client does.
func publish(t *testing.T, address, form string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/",
		strings.NewReader("Action=Publish&TopicArn=arn:aws:sns:us-east-1:000000000000:"+form))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", body)
}

func TestMessagesAreShownOnTheTerminal(t *testing.T) {
	address, out := started(t, "--topic", "pages", "--email", "night@example.com")
	publish(t, address, "pages&Subject=Checkout%20is%20slow&Message=900%20ms%1b[2J")
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "└") }, 5*time.Second, time.Millisecond)
	require.Regexp(t, `│ To:      night@example.com +│`, out)
	require.Regexp(t, `│ Subject: Checkout is slow +│`, out)
	require.Regexp(t, `│ 900 ms\\u001b\[2J +│`, out, "a message is text")
	require.NotContains(t, out.String(), "\x1b")
}

// A message that nobody gets is no silence: the terminal says so.
func TestMessagesThatNobodyGets(t *testing.T) {
	out := &writer{}
	e := newEmulator(options{}, noEnvironment, out)
	e.print(message{Topic: "arn:aws:sns:us-east-1:000000000000:empty", Subject: "lost"})
	e.print(message{Subject: "gone", Receipts: []receipt{{"sqs", "arn:q", fakeaws.Undeliverable}}})
	e.print(message{Subject: "flood", Receipts: []receipt{{"email", "a@example.com", fakeaws.Deactivated}}})
	require.Contains(t, out.String(), "nobody     reads arn:aws:sns:us-east-1:000000000000:empty: lost\n")
	require.Contains(t, out.String(), "undeliverable sqs arn:q: gone\n")
	require.Contains(t, out.String(), "lost       email a@example.com: flood: more than ten e-mails in a second.")
}

// What SDKs retry in silence is said here.
func TestNotes(t *testing.T) {
	address, out := started(t, "--limits")
	call := func(op, body string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("X-Amz-Target", "Kinesis_20131202."+op)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	e := newEmulator(options{limits: true}, noEnvironment, io.Discard)
	e.watch(fakeaws.Event{Service: "kinesis", Operation: "GetRecords", At: time.Now(), Err: &fakeaws.Error{
		Code: "ProvisionedThroughputExceededException",
	}})
	require.Contains(t, <-e.notes.new, "kinesis GetRecords is throttled, as AWS does it")
	for range 3 {
		call("RegisterStreamConsumer", "{}")
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.Host = address
	r.Header.Set("Content-Type", "application/x-amz-cbor-1.1")
	w := httptest.NewRecorder()
	e.handler(t.Context().Done()).ServeHTTP(w, r)
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code, "the SDK for Java")
	require.Contains(t, <-e.notes.new, "set AWS_CBOR_DISABLE=true")
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "not emulated") }, 5*time.Second,
		time.Millisecond)
	require.Equal(t, 1, strings.Count(out.String(), "kinesis RegisterStreamConsumer is not emulated"), "once")
}

func TestPortIsTaken(t *testing.T) {
	address, _ := started(t)
	var errs bytes.Buffer
	require.Equal(
		t, 1, Main(t.Context(), []string{"--listen", address, "--env-file", ""}, noEnvironment, io.Discard, &errs),
	)
	require.Contains(t, errs.String(), "emulator: "+address+" is taken, perhaps by another emulator; end that one, or "+
		`choose another port: make emulator ARGS="--listen 127.0.0.1:`)
}

func TestEndsByItself(t *testing.T) {
	var out bytes.Buffer
	began := time.Now()
	require.Equal(t, 0, Main(t.Context(), []string{"--listen", "127.0.0.1:0", "--env-file", "", "--for", "50ms"},
		noEnvironment, &out, io.Discard))
	require.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)
	require.Contains(t, out.String(), "The emulator has ended: 0 puts, 0 messages published, 0 e-mails.")
}

func TestRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{
		{"--shards", "0"}, {"now"}, {"--nonsense"}, {"--listen", "4566"}, {"--for", "-1s"},
	} {
		require.Equal(t, 2, Main(t.Context(), args, noEnvironment, io.Discard, io.Discard), "%v", args)
	}
	for _, args := range [][]string{{"--stream", "a b"}, {"--topic", "a b"}, {"--email", "nobody"}} {
		var errs bytes.Buffer
		code := Main(
			t.Context(), append(args, "--listen", "127.0.0.1:0", "--env-file", ""), noEnvironment, io.Discard, &errs,
		)
		require.Equal(t, 1, code, "%v", args)
		require.Contains(t, errs.String(), strings.Join(args, " "))
	}
	require.Equal(t, 0, Main(t.Context(), []string{"--help"}, noEnvironment, io.Discard, io.Discard))
}

// A shell that has read the exports does not reach AWS, whatever it knew before, and whatever version of the AWS CLI.
func TestExportsLeadHere(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o700)) //nolint:gosec // a program
		return file
	}
	write("aws", "#!/bin/sh\nprintf '%s|' \"$@\"\n")
	file := write("emulator.env", exports("http://127.0.0.1:4566"))
	run := func(script string) string {
		shell := exec.CommandContext(t.Context(), "/bin/sh", "-euc", ". "+file+"; "+script) //nolint:gosec // ours
		shell.Env = []string{
			"PATH=" + folder + ":" + os.Getenv("PATH"), "AWS_PROFILE=production", "AWS_SESSION_TOKEN=x",
			"AWS_ENDPOINT_URL_SNS=https://sns.eu-west-1.amazonaws.com", "AWS_REGION=eu-west-1",
		}
		out, err := shell.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	require.Equal(t, "--endpoint-url|http://127.0.0.1:4566|sqs|list queues|", run("aws sqs 'list queues'"))
	require.Equal(t, "sqs|", run("unset AWS_ENDPOINT_URL; aws sqs"))
	require.Equal(t,
		"AWS_ACCESS_KEY_ID=emulator\nAWS_CBOR_DISABLE=true\nAWS_DEFAULT_REGION=us-east-1\nAWS_ENDPOINT_URL=http://127.0.0.1:4566\n"+
			"AWS_REGION=us-east-1\nAWS_SECRET_ACCESS_KEY=emulator\n", run("env | grep ^AWS | sort"))
}

func TestReached(t *testing.T) {
	for listened, want := range map[string]string{
		"127.0.0.1:4566": "127.0.0.1:4566", "0.0.0.0:4566": "127.0.0.1:4566", "[::]:4566": "127.0.0.1:4566",
		"[::1]:4566": "[::1]:4566",
	} {
		addr, err := net.ResolveTCPAddr("tcp", listened)
		require.NoError(t, err)
		require.Equal(t, want, reached(addr))
	}
}

// events reads server-sent events: the data of the next n messages.
func events(t *testing.T, server *httptest.Server, lastID string, n int) (ids, data []string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+pagePath+"events", nil)
	require.NoError(t, err)
	r.Header.Set("Last-Event-ID", lastID)
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	lines := bufio.NewScanner(res.Body)
	for len(data) < n && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
			require.True(t, lines.Scan())
			data = append(data, strings.TrimPrefix(lines.Text(), "data: "))
		}
	}
	return ids, data
}

func TestPageIsLive(t *testing.T) {
	m := newMessages()
	ended := make(chan struct{})
	server := httptest.NewServer((&viewer{messages: m, began: "run", ended: ended}).handler())
	defer server.Close()
	defer close(ended)
	for i := range kept + 5 {
		m.add(fakeaws.Published{Subject: fmt.Sprint("s", i+1), Body: "<script>\n"})
	}
	ids, data := events(t, server, "", kept)
	require.Equal(t, "run-6", ids[0], "the oldest are gone")
	require.Contains(t, data[0], `"subject":"s6","body":"\u003cscript\u003e\n"`)
	time.AfterFunc(time.Millisecond, func() { m.add(fakeaws.Published{Subject: "next"}) })
	_, data = events(t, server, ids[kept-1], 1)
	require.Contains(t, data[0], `"id":506,`, "who comes back gets what is new")
	ids, _ = events(t, server, "earlier-505", 1)
	require.Equal(t, "run-7", ids[0], "a page of an earlier run begins anew")
}

func TestPageLetsNobodyElseIn(t *testing.T) {
	e := newEmulator(options{}, noEnvironment, io.Discard)
	e.emulate("http://127.0.0.1:4566")
	handler := e.handler(t.Context().Done())
	get := func(host, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/_alerts/", "/_alerts/page.js", "/_alerts/page.css"} {
		w := get("127.0.0.1:4566", path)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';")
		require.NotEmpty(t, w.Body.String())
	}
	require.NotRegexp(t, `(?i)<script>|style=|onclick=|https?://`, get("localhost", "/_alerts/").Body.String())
	require.Equal(t, http.StatusForbidden, get("evil.example", "/_alerts/page.js").Code)
	require.Equal(t, http.StatusOK, get("LOCALHOST:4566", "/_alerts/page.js").Code)
	require.Equal(t, pagePath, get("127.0.0.1:4566", "/").Header().Get("Location"))
	require.Equal(t, pagePath, get("127.0.0.1:4566", "/_alerts").Header().Get("Location"))
}

// A site that is open in a browser cannot publish here: neither by a name of its own, nor with a form.
func TestServicesLetNoSiteIn(t *testing.T) {
	e := newEmulator(options{}, noEnvironment, io.Discard)
	e.emulate("http://127.0.0.1:4566")
	handler := e.handler(t.Context().Done())
	for _, tt := range []struct {
		host, header, value string
		code                int
	}{
		{"evil.example:4566", "", "", http.StatusForbidden},
		{"127.0.0.1:4566", "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"127.0.0.1:4566", "Origin", "http://evil.example", http.StatusForbidden},
		{"127.0.0.1:4566", "Origin", "null", http.StatusForbidden},
		{"127.0.0.1:4566", "", "", http.StatusOK},
		{"LocalHost.:4566", "", "", http.StatusOK},
		{"[::1]:4566", "", "", http.StatusOK},
		{"emulator:4566", "", "", http.StatusOK},
		{"host.docker.internal:4566", "", "", http.StatusOK},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("Action=ListTopics"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Host = tt.host
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, tt.code, w.Code, "%+v: %s", tt, w.Body)
	}
}

// A terminal that is not read must not keep a publisher waiting.
func TestTerminalHoldsNobodyUp(t *testing.T) {
	e := newEmulator(options{}, noEnvironment, io.Discard)
	for range 10 * kept {
		e.messages.add(fakeaws.Published{})
	}
	newest, _ := e.messages.after(0)
	require.Len(t, newest, kept)
}
