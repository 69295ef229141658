package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testkit"
)

// startAdmin serves on loopback and returns a function that sends a request.
func startAdmin(t *testing.T, deps adminDeps) func(method, path, body string, header ...string) (int, string,
	http.Header) {
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
		// which nobody runs
		deps.Reload = NewReloader(config.Config{}, nil, zap.NewNop(), prometheus.NewRegistry()).ServeHTTP
	}
	if deps.Status == nil {
		deps.Status = func() status.Status {
			return status.Status{Verdict: status.Verdict{Level: status.LevelOK, Summary: "All is well."}}
		}
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
	do := startAdmin(t, adminDeps{
		Gatherer: reg, Healthy: func() error { return nil }, Ready: func() error { return nil },
	})
	_, body, _ := do("GET", "/metrics", "")
	require.Contains(t, body, "kinesis_alerter_x_total 1")
	_, body, header := do("GET", "/metrics", "", "Accept", "application/openmetrics-text;version=1.0.0")
	require.Contains(t, header.Get("Content-Type"), "application/openmetrics-text")
	require.True(t, strings.HasSuffix(body, "# EOF\n"))
}

func TestLogLevelPage(t *testing.T) {
	t.Parallel()
	level := zap.NewAtomicLevelAt(zap.InfoLevel)
	do := startAdmin(t, adminDeps{
		LogLevel: logLevel{level}, Healthy: func() error { return nil }, Ready: func() error { return nil },
	})
	_, body, _ := do("GET", "/-/log-level", "")
	require.JSONEq(t, `{"level":"info"}`, body)
	code, _, _ := do("PUT", "/-/log-level", `{"level":"debug"}`, "Content-Type", "application/json")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, zap.DebugLevel, level.Level())
	for body, want := range map[string]zapcore.Level{
		"level=warn": zap.WarnLevel, "error\n": zap.ErrorLevel, `{"level":"info"}`: zap.InfoLevel,
	} {
		// which curl -d says of everything
		code, _, _ = do("PUT", "/-/log-level", body, "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusOK, code, body)
		require.Equal(t, want, level.Level(), body)
	}
	for _, body := range []string{`{"level":"loud"}`, "loud", "", "{}", `{"level":`} {
		code, said, _ := do("PUT", "/-/log-level", body)
		require.Equal(t, http.StatusBadRequest, code, body)
		require.Contains(t, said, "want debug, info, warn or error")
	}
	level.SetLevel(zap.DebugLevel)
	code, _, _ = do("PUT", "/-/log-level", `{"level":"error"}`, "Content-Type", "application/json", "Sec-Fetch-Site",
		"cross-site")
	require.Equal(t, http.StatusForbidden, code, "a web page must not reach into the daemon")
	code, _, _ = do("PUT", "/-/log-level", `{"level":"`+strings.Repeat("x", 100<<10)+`"}`, "Content-Type",
		"application/json")
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

// A page whose name was made to resolve to this machine is still another origin's, on whatever address the server
// listens: a port forward or a published port leads a browser there, too.
func TestServerIsAskedByItsOwnNames(t *testing.T) {
	t.Parallel()
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	handler := knownNames([]string{"pod-7", "Alerts.Example.com", ""}, served)
	ask := func(host, path string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	controlled := []string{
		"/", "/api/v1/status", "/-/reload", "/-/log-level", "/-/else", "/metrics/", "//metrics", "/healthz/../",
	}
	for _, host := range []string{
		"localhost", "localhost:9464", "LOCALHOST:9464", "localhost.", "127.0.0.1:9464", "10.1.2.3", "[::1]:9464",
		"::1", "[fe80::1%eth0]:9464", "pod-7:9464",
		"alerts.example.com", "alerts.example.com.:443",
	} {
		for _, path := range controlled {
			code, _ := ask(host, path)
			require.Equal(t, http.StatusNoContent, code, "%s of %s", path, host)
		}
	}
	for _, host := range []string{
		"evil.example", "evil.example:9464", "localhost.evil.example", "", "127.0.0.1.evil.example", "127.1",
		"0x7f000001", "pod-7.evil.example", "\x1b[2Jevil",
		strings.Repeat("e", 3000),
	} {
		for _, path := range controlled {
			code, said := ask(host, path)
			require.Equal(t, http.StatusMisdirectedRequest, code, "%s of %s", path, host)
			require.Contains(t, said, "server.names")
			require.Less(t, len(said), 500)
			require.NotContains(t, said, "\x1b")
		}
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			code, _ := ask(host, path)
			require.Equal(t, http.StatusNoContent, code, "monitoring asks by any name")
		}
	}
}

// flooded is a server on loopback, with a page of metrics that no socket buffer holds.
func flooded(t *testing.T) (scrape func() error, dial func(request string) net.Conn) {
	t.Helper()
	reg := prometheus.NewRegistry()
	vec := promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{Name: "kinesis_alerter_x", Help: "X."}, []string{"n"})
	for i := range 300 {
		vec.WithLabelValues(fmt.Sprint(strings.Repeat("y", 1000), i))
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ok := func() error { return nil }
	a := newAdmin(t.Context(), l, adminDeps{
		Gatherer: reg, LogLevel: logLevel{zap.NewAtomicLevel()}, Reload: http.NotFound, Log: zap.NewNop(), Healthy: ok,
		Ready: ok,
		Status: func() status.Status {
			return status.Status{Verdict: status.Verdict{Level: status.LevelOK, Summary: strings.Repeat("s", 1<<20)}}
		},
	})
	done := make(chan error, 1)
	go func() { done <- a.Run() }()
	var conns []net.Conn
	t.Cleanup(func() {
		began := time.Now()
		require.NoError(t, a.Stop(context.WithoutCancel(t.Context())), "a stop waits for nobody who reads nothing")
		require.Less(t, time.Since(began), 5*time.Second)
		require.NoError(t, <-done)
		for _, c := range conns {
			_ = c.Close()
		}
	})
	scrape = func() error {
		client := &http.Client{Timeout: 6 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.Addr()+path, nil)
			if err != nil {
				return err
			}
			response, err := client.Do(r)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
			if err != nil || response.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %d, %w", path, response.StatusCode, err)
			}
		}
		return nil
	}
	return scrape, func(request string) net.Conn {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", a.Addr())
		require.NoError(t, err)
		_ = c.(*net.TCPConn).SetReadBuffer(2048)
		_, _ = io.WriteString(c, request) // the server may have closed it by now
		conns = append(conns, c)
		return c
	}
}

// TestScrapesAreNeverStarved: clients that hold a connection without use, or read nothing, take neither a scrape nor a
// health check from those who ask, however many there are.
func TestScrapesAreNeverStarved(t *testing.T) {
	t.Parallel()
	const get = "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, tt := range map[string]struct {
		n       int
		request string
	}{
		"idle":          {250, fmt.Sprintf(get, "/healthz")},
		"nothing sent":  {250, ""},
		"half a header": {250, "GET /metrics HTTP/1.1\r\nHost: "},
		"half a body": {
			150, "PUT /-/log-level HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
		},
		"twenty that read nothing":   {20, strings.Repeat(fmt.Sprintf(get, "/metrics"), 20)},
		"nothing read of /metrics":   {150, strings.Repeat(fmt.Sprintf(get, "/metrics"), 20)},
		"nothing read of the page":   {150, strings.Repeat(fmt.Sprintf(get, "/"), 20)},
		"nothing read of the status": {150, strings.Repeat(fmt.Sprintf(get, "/api/v1/status"), 20)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scrape, dial := flooded(t)
			for i := range tt.n {
				dial(tt.request)
				if i%50 == 49 {
					require.NoError(t, scrape(), "after %d", i+1)
				}
			}
			for range 3 {
				require.NoError(t, scrape())
			}
		})
	}
}

// TestAnswersAreShared: one is made, and one waits, of which all have the answer who ask meanwhile, each in the form
// that they asked for.
func TestAnswersAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		made, let := map[string]int{}, make(chan struct{})
		handler := newShared().handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			form := r.Header.Get("Accept") + " " + r.Header.Get("Accept-Encoding")
			made[form]++
			<-let
			w.Header().Set("Content-Type", form)
			if r.URL.Path == "/bad" {
				w.WriteHeader(http.StatusTeapot)
			}
			_, _ = fmt.Fprint(w, made[form])
		}))
		ask := func(path, accept, encoding string) <-chan string {
			answer := make(chan string, 1)
			go func() {
				w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, path,
					http.NoBody)
				r.Header.Set("Accept", accept)
				r.Header.Set("Accept-Encoding", encoding)
				handler.ServeHTTP(w, r)
				answer <- fmt.Sprint(w.Code, " ", w.Header().Get("Content-Type"), " ", w.Body)
			}()
			return answer
		}
		first := ask("/metrics", "*/*", "")
		synctest.Wait()
		var others []<-chan string
		for i := range 100 {
			others = append(others, ask("/metrics", fmt.Sprintf("text/plain;q=0.%d", i), "br"))
		}
		form := ask("/metrics", "application/openmetrics-text;version=1.0.0;q=0.9,*/*;q=0.1", "gzip, br")
		bad := ask("/bad", "", "")
		synctest.Wait()
		close(let)
		require.Equal(t, "200 text/plain identity 1", <-first)
		for _, o := range others {
			require.Equal(t, "200 text/plain identity 2", strings.Replace(<-o, "identity 3", "identity 2", 1))
		}
		require.Equal(t, "200 application/openmetrics-text gzip 1", <-form)
		require.Contains(t, <-bad, "418 text/plain identity ")
		require.LessOrEqual(t, made["text/plain identity"], 3)
	})
}

// TestConnectionsAreBounded: who is closed for a new one.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newConnections(testkit.NewPipes())
		c.most = 4
		now := time.Now()
		add := func(from string, age time.Duration) net.Conn {
			here, there := net.Pipe()
			t.Cleanup(func() { _, _ = here.Close(), there.Close() })
			c.open[there] = &connection{from: from, since: now.Add(-age)}
			return there
		}
		add("a", time.Second)
		oldest := add("a", time.Minute)
		require.Equal(t, oldest, c.victim(), "the one that has stayed longest")
		for range 3 {
			add("b", 0)
		}
		require.NotEqual(t, oldest, c.victim(), "of the address that has the most")
		delete(c.open, oldest)

		l := c.Listener.(*testkit.Pipes)
		here, there := net.Pipe()
		t.Cleanup(func() { _, _ = here.Close(), there.Close() })
		began := time.Now()
		go func() { l.Conns <- there }()
		got, err := c.Accept()
		require.NoError(t, err)
		require.Equal(t, there, got)
		require.Len(t, c.open, 4)
		require.Equal(t, leastStay, time.Since(began), "whoever came a moment ago is still read")
		c.changed(there, http.StateActive)
		require.Contains(t, c.open, there)
		c.changed(there, http.StateClosed)
		require.NotContains(t, c.open, there)
		c.changed(there, http.StateActive)
		require.NotContains(t, c.open, there, "gone is gone")
	})
}

// Requests that are slow or large take nothing from those of others.
func TestAdminServerIsBounded(t *testing.T) {
	t.Parallel()
	do := startAdmin(t, adminDeps{})
	code, _, _ := do(http.MethodPut, "/-/log-level", `{"level":"`+strings.Repeat("x", maxAdminBody)+`"}`)
	require.Equal(t, http.StatusBadRequest, code, "cut at the limit, so no JSON")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	a := newAdmin(t.Context(), l, adminDeps{
		Gatherer: prometheus.NewRegistry(), LogLevel: logLevel{zap.NewAtomicLevel()}, Reload: http.NotFound,
		Log: zap.NewNop(),
	})
	require.NoError(t, l.Close())
	for name, d := range map[string]time.Duration{
		"header": a.server.ReadHeaderTimeout, "read": a.server.ReadTimeout, "write": a.server.WriteTimeout,
		"idle": a.server.IdleTimeout,
	} {
		require.Positive(t, d, name)
		require.LessOrEqual(t, d, 20*time.Second, name)
	}
	require.LessOrEqual(t, a.server.MaxHeaderBytes, 16<<10)
}
