package cmd

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"
)

// startAdmin serves on loopback and returns a function that sends a request.
func startAdmin(t *testing.T, deps adminDeps) func(method, path, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	if deps.Gatherer == nil {
		deps.Gatherer = prometheus.NewRegistry()
	}
	if deps.LogLevel == nil {
		deps.LogLevel = logLevel{zap.NewAtomicLevel()}
	}
	if deps.Reload == nil {
		deps.Reload = newReloader(Config{}, nil, zap.NewNop(), prometheus.NewRegistry()).ServeHTTP
	}
	if deps.Status == nil {
		deps.Status = func() Status { return Status{Level: LevelOK, Summary: "All is well."} }
	}
	deps.Log = zaptest.NewLogger(t)
	a := newAdmin(t.Context(), l, deps)
	done := make(chan error, 1)
	go func() { done <- a.Run() }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		require.NoError(t, a.Stop(context.WithoutCancel(t.Context())))
		require.NoError(t, <-done)
	})
	return func(method, path, body string, header ...string) (int, string, http.Header) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+a.Addr()+path, strings.NewReader(body))
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		response, err := client.Do(r)
		require.NoError(t, err)
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, string(text), response.Header
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	notReady := errors.New("the lease table was not reached yet")
	do := startAdmin(t, adminDeps{Healthy: func() error { return nil }, Ready: func() error { return notReady }})
	code, body, _ := do("GET", "/healthz", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ok\n", body)
	code, body, header := do("GET", "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "the lease table was not reached yet\n", body)
	require.Equal(t, "no-store", header.Get("Cache-Control"))
}

func TestMetricsPage(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	promauto.With(reg).NewCounter(prometheus.CounterOpts{Name: "kinesis_alerter_x_total", Help: "X."}).Inc()
	do := startAdmin(t, adminDeps{Gatherer: reg, Healthy: func() error { return nil }, Ready: func() error { return nil }})
	_, body, _ := do("GET", "/metrics", "")
	require.Contains(t, body, "kinesis_alerter_x_total 1")
	_, body, header := do("GET", "/metrics", "", "Accept", "application/openmetrics-text;version=1.0.0")
	require.Contains(t, header.Get("Content-Type"), "application/openmetrics-text")
	require.True(t, strings.HasSuffix(body, "# EOF\n"))
}

func TestLogLevelPage(t *testing.T) {
	t.Parallel()
	level := zap.NewAtomicLevelAt(zap.InfoLevel)
	do := startAdmin(t, adminDeps{LogLevel: logLevel{level}, Healthy: func() error { return nil }, Ready: func() error { return nil }})
	_, body, _ := do("GET", "/-/log-level", "")
	require.JSONEq(t, `{"level":"info"}`, body)
	code, _, _ := do("PUT", "/-/log-level", `{"level":"debug"}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, zap.DebugLevel, level.Level())
	for body, want := range map[string]zapcore.Level{
		"level=warn": zap.WarnLevel, "error\n": zap.ErrorLevel, `{"level":"info"}`: zap.InfoLevel,
	} {
		code, _, _ = do("PUT", "/-/log-level", body, "Content-Type", "application/x-www-form-urlencoded") // which curl -d says of everything
		require.Equal(t, http.StatusOK, code, body)
		require.Equal(t, want, level.Level(), body)
	}
	for _, body := range []string{`{"level":"loud"}`, "loud", "", "{}", `{"level":`} {
		code, said, _ := do("PUT", "/-/log-level", body)
		require.Equal(t, http.StatusBadRequest, code, body)
		require.Contains(t, said, "want debug, info, warn or error")
	}
	level.SetLevel(zap.DebugLevel)
	code, _, _ = do("PUT", "/-/log-level", `{"level":"error"}`, "Content-Type", "application/json", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusForbidden, code, "a web page must not reach into the daemon")
	code, _, _ = do("PUT", "/-/log-level", `{"level":"`+strings.Repeat("x", 100<<10)+`"}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusBadRequest, code, "a body over the limit")
	require.Equal(t, zap.DebugLevel, level.Level())
	code, _, _ = do("POST", "/-/log-level", `{}`)
	require.Equal(t, http.StatusMethodNotAllowed, code)
}

func TestIndexNamesThePages(t *testing.T) {
	t.Parallel()
	do := startAdmin(t, adminDeps{Healthy: func() error { return nil }, Ready: func() error { return nil }})
	_, body, _ := do("GET", "/", "")
	for _, page := range []string{"/metrics", "/healthz", "/readyz", "/-/log-level", "/-/reload", "/api/v1/status"} {
		require.Contains(t, body, page)
	}
	code, _, _ := do("GET", "/debug/pprof/", "")
	require.Equal(t, http.StatusNotFound, code, "nothing leaks in from the default mux")
}

// A page whose name was made to resolve to this machine is still another origin's.
func TestLoopbackServerAnswersForThisMachineOnly(t *testing.T) {
	t.Parallel()
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	ask := func(listens, host string) int {
		address, err := net.ResolveTCPAddr("tcp", listens)
		require.NoError(t, err)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		ownNames(address, served).ServeHTTP(w, r)
		return w.Code
	}
	for _, host := range []string{"localhost", "localhost:9464", "127.0.0.1:9464", "[::1]:9464", "::1"} {
		require.Equal(t, http.StatusNoContent, ask("127.0.0.1:9464", host), host)
	}
	for _, host := range []string{"evil.example", "evil.example:9464", "localhost.evil.example", ""} {
		require.Equal(t, http.StatusMisdirectedRequest, ask("[::1]:9464", host), host)
		require.Equal(t, http.StatusNoContent, ask(":9464", host), "other addresses have names that only their network knows")
	}
}

// Requests that are slow or large take nothing from those of others.
func TestAdminServerIsBounded(t *testing.T) {
	t.Parallel()
	do := startAdmin(t, adminDeps{})
	code, _, _ := do(http.MethodPut, "/-/log-level", `{"level":"`+strings.Repeat("x", maxAdminBody)+`"}`)
	require.Equal(t, http.StatusBadRequest, code, "cut at the limit, so no JSON")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := newAdmin(t.Context(), l, adminDeps{Gatherer: prometheus.NewRegistry(), LogLevel: logLevel{zap.NewAtomicLevel()}, Reload: http.NotFound, Log: zap.NewNop()})
	require.NoError(t, l.Close())
	require.Positive(t, a.server.ReadHeaderTimeout)
	require.Positive(t, a.server.ReadTimeout)
	require.Positive(t, a.server.WriteTimeout)
	require.Positive(t, a.server.IdleTimeout)
	require.LessOrEqual(t, a.server.MaxHeaderBytes, 16<<10)
}
