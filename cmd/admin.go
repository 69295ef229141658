package cmd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// ServerConfig is the section "server".
type ServerConfig struct {
	// Listen is the address of the admin server. Defaults to 127.0.0.1:9464: it shows internals and changes the log
	// level without asking who calls, so opening it to a network is a decision. Containers listen on :9464.
	Listen string `yaml:"listen"`
}

// admin serves metrics, health and the log level to operators and orchestrators. It has its own mux, so that nothing
// that registers itself on the default one, such as pprof, appears here.
type admin struct {
	server   *http.Server
	listener net.Listener
}

// adminDeps are what the pages show.
type adminDeps struct {
	Gatherer prometheus.Gatherer
	// LogLevel reads the level with GET and sets it with PUT.
	LogLevel http.Handler
	// Reload reads the configuration file again.
	Reload http.HandlerFunc
	// Status is the state of things now, from memory.
	Status func() Status
	// Healthy returns why the process should be restarted, or nil. AWS being unwell is no reason.
	Healthy func() error
	// Ready returns why the process is not ready, or nil.
	Ready func() error
	Log   *zap.Logger
}

// newAdmin makes the server on an open listener, which it owns from then on.
func newAdmin(ctx context.Context, l net.Listener, deps adminDeps) *admin {
	mux := http.NewServeMux()
	page := newStatusPage(deps.Status, deps.Log)
	mux.HandleFunc("GET /{$}", page.index)
	mux.HandleFunc("GET /api/v1/status", page.json)
	mux.Handle("GET /metrics", promhttp.HandlerFor(deps.Gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		ErrorLog:          zap.NewStdLog(deps.Log),
		// One broken collector must not blind the operator to all others.
		ErrorHandling: promhttp.ContinueOnError,
		// Rendering is cheap, but a scraper that hangs must not collect goroutines.
		MaxRequestsInFlight: 8,
	}))
	mux.HandleFunc("GET /healthz", probe(deps.Healthy))
	mux.HandleFunc("GET /readyz", probe(deps.Ready))
	mux.Handle("GET /-/log-level", deps.LogLevel)
	mux.Handle("PUT /-/log-level", deps.LogLevel)
	mux.HandleFunc("PUT /-/reload", deps.Reload)
	mux.HandleFunc("POST /-/reload", deps.Reload)
	return &admin{
		listener: l,
		server: &http.Server{
			// A page in an operator's browser must not be able to change the level of a daemon on the same machine.
			Handler:           ownNames(l.Addr(), http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, maxAdminBody))),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       10 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    16 << 10,
			ErrorLog:          zap.NewStdLog(deps.Log),
			BaseContext:       func(net.Listener) context.Context { return ctx },
		},
	}
}

// maxAdminBody bounds what a request may send, in bytes: the longest one is a log level.
const maxAdminBody = 64 << 10

// ownNames refuses requests for other hosts than this machine on a server that listens on loopback: a page in an operator's
// browser can have its own name resolve to 127.0.0.1, and would then read the status as its own. Servers on other addresses are
// asked by names that only their network knows.
func ownNames(listens net.Addr, next http.Handler) http.Handler {
	if tcp, ok := listens.(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		if host != "localhost" && net.ParseIP(host) == nil {
			http.Error(w, "this server is asked as localhost or by an address", http.StatusMisdirectedRequest)
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

// Stop lets running requests end while ctx lives, then closes their connections.
func (a *admin) Stop(ctx context.Context) error {
	if err := a.server.Shutdown(ctx); err != nil {
		return errors.Join(err, a.server.Close())
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
			_, _ = fmt.Fprintln(w, err)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	}
}
