package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/status"
)

// admin serves metrics, health and the log level to operators and orchestrators. It has its own mux, so that nothing
// that registers itself on the default one, such as pprof, appears here.
type admin struct {
	server   *http.Server
	listener *connections
}

// adminDeps are what the pages show.
type adminDeps struct {
	Gatherer prometheus.Gatherer
	// LogLevel reads the level with GET and sets it with PUT.
	LogLevel http.Handler
	// Reload reads the configuration file again.
	Reload http.HandlerFunc
	// Status is the state of things now, from memory.
	Status func() status.Status
	// Healthy returns why the process should be restarted, or nil. An outage of AWS is no reason.
	Healthy func() error
	// Ready returns why the process is not ready, or nil.
	Ready func() error
	// Names are those under which the server is reached, besides addresses and localhost.
	Names []string
	Log   *zap.Logger
}

// newAdmin makes the server on an open listener, which it owns from then on.
func newAdmin(ctx context.Context, l net.Listener, deps adminDeps) *admin {
	mux := http.NewServeMux()
	page := status.NewPage(deps.Status, deps.Log)
	pages, scrapes := newShared(), newShared()
	mux.Handle("GET /{$}", pages.handler(http.HandlerFunc(page.Index)))
	mux.Handle("GET /api/v1/status", pages.handler(http.HandlerFunc(page.Json)))
	mux.Handle("GET /metrics", scrapes.handler(promhttp.HandlerFor(deps.Gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		ErrorLog:          zap.NewStdLog(deps.Log),
		// One broken collector must not blind the operator to all others.
		ErrorHandling: promhttp.ContinueOnError,
	})))
	mux.HandleFunc("GET /healthz", probe(deps.Healthy))
	mux.HandleFunc("GET /readyz", probe(deps.Ready))
	mux.Handle("GET /-/log-level", deps.LogLevel)
	mux.Handle("PUT /-/log-level", deps.LogLevel)
	mux.HandleFunc("PUT /-/reload", deps.Reload)
	mux.HandleFunc("POST /-/reload", deps.Reload)
	bounded := newConnections(l)
	return &admin{
		listener: bounded,
		server: &http.Server{
			// A page in an operator's browser must not be able to change the level of a daemon on the same machine.
			Handler: knownNames(deps.Names, http.NewCrossOriginProtection().
				Handler(http.MaxBytesHandler(mux, maxAdminBody))),
			ConnState:         bounded.changed,
			ReadHeaderTimeout: 3 * time.Second,
			ReadTimeout:       5 * time.Second,
			WriteTimeout:      10 * time.Second,
			IdleTimeout:       20 * time.Second,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          zap.NewStdLog(deps.Log),
			BaseContext:       func(net.Listener) context.Context { return ctx },
		},
	}
}

// maxAdminBody bounds what a request may send, in bytes: the longest one is a log level.
const maxAdminBody = 64 << 10

// knownNames refuses requests for a host name that is not ours, except for metrics and health. It stops DNS rebinding:
// a page in an operator's browser can have its own name resolve to any address that the browser reaches, also through a
// port forward, and could then read the status and reload. It cannot have a name of ours, and an address is not a name.
func knownNames(names []string, next http.Handler) http.Handler {
	known := map[string]bool{"localhost": true}
	for _, name := range names {
		known[strings.ToLower(name)] = name != ""
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics", "/healthz", "/readyz":
			next.ServeHTTP(w, r)
			return
		}
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
		if _, err := netip.ParseAddr(host); err != nil && !known[host] {
			http.Error(w,
				fmt.Sprintf("this server is not known as %q: ask for it by an address or as localhost, or add the "+
					"name to server.names in the configuration and restart",
					plain.Text(host[:min(len(host), 253)])), http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Addr is the address that the server listens on.
func (a *admin) Addr() string { return a.listener.Addr().String() }

// Run serves until Stop.
func (a *admin) Run() error {
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admin server on %s: %w", a.Addr(), err)
	}
	return nil
}

// patience is how long running requests may take at a stop.
const patience = 500 * time.Millisecond

// Stop lets running requests end for a moment, then closes their connections: a slow client does not hold up a stop.
func (a *admin) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		return a.server.Close()
	}
	return nil
}

// probe answers 200, or 503 with the reason.
func probe(ask func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if err := ask(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = plain.Fprintln(w, err)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	}
}
