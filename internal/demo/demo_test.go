package demo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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

// The demo is the first thing that a newcomer runs: it must end by itself, cleanly, with every record accounted for.
func TestDemoEndsByItself(t *testing.T) {
	var out, errs writer
	code := Main(t.Context(), []string{"--for", "8s", "--rate", "100", "--shards", "2"}, &out, &errs)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	require.Equal(t, 0, code, "%s%s", &out, &errs)
	text := out.String()
	for _, want := range []string{
		`status     http://127\.0\.0\.1:\d+/\n`,
		`metrics    http://127\.0\.0\.1:\d+/metrics`,
		`│ To:      oncall@example\.com +│`,
		`│ Subject: Heart rate (1[5-9]\d|200), anomaly score \d\.\d +│`,
		// broken behind a comma
		`│ Anomaly detected \.\.\.  \{"heartRate":(1[5-9]\d|200),"rateType":"HIGH", +│\n│ "ANOMALY_SCORE":\d`,
		`\d+ records/s \| lag \d+\.\d s \| put \d+ \| alerted \d+, suppressed \d+, unmatched \d+ \| alerts \d+`,
		`checkpoints  \d+ written`,
	} {
		require.Regexp(t, want, text)
	}
	put := regexp.MustCompile(`records +(\d+) put, (\d+) with an outcome`).FindStringSubmatch(text)
	require.NotNil(t, put, text)
	require.Equal(t, put[1], put[2], "every record has its outcome: %s", text)
	alerts := regexp.MustCompile(`alerts +(\d+) published, (\d+) e-mails`).FindStringSubmatch(text)
	require.NotNil(t, alerts, text)
	// By chance many alerts may wait for the first seconds to pass, and go as digests. Every alert is in an e-mail or
	// one of these.
	published, err := strconv.Atoi(alerts[1])
	require.NoError(t, err)
	told, err := strconv.Atoi(alerts[2])
	require.NoError(t, err)
	for _, digest := range regexp.MustCompile(`│ Subject: (\d+) alerts?: anomaly`).FindAllStringSubmatch(text, -1) {
		of, err := strconv.Atoi(digest[1])
		require.NoError(t, err)
		told += of - 1
	}
	require.Equal(t, published, told, text)
	gathered := regexp.MustCompile(`warn: more alerts than the topic's rate lets go one by one.*`)
	require.NotContains(t, gathered.ReplaceAllString(text, ""), "warn: ")
	require.NotContains(t, text, "error: ")
}

func TestDemoEndsAtASignal(t *testing.T) {
	var out, errs writer
	ctx, stop := context.WithCancelCause(t.Context())
	time.AfterFunc(time.Second, func() { stop(errors.New("Ctrl-C")) })
	code := Main(ctx, nil, &out, &errs)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	require.Equal(t, 0, code, "%s%s", &out, &errs)
	require.Contains(t, out.String(), "Summary")
}

func TestDemoRefusesNonsense(t *testing.T) {
	for _, args := range [][]string{{"--rate", "5000"}, {"--shards", "0"}, {"now"}, {"--nonsense"}} {
		require.Equal(t, 2, Main(t.Context(), args, io.Discard, io.Discard), "%v", args)
	}
	require.Equal(t, 0, Main(t.Context(), []string{"--help"}, io.Discard, io.Discard))
}
