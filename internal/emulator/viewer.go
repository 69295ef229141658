package emulator

import (
	"embed"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// pagePath is where the page is. No bucket can have this name, and no other service is asked with GET.
const pagePath = "/_alerts/"

//go:embed page.html page.css page.js
var assets embed.FS

// policy lets the page load what is ours, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'"

// viewer serves the page.
type viewer struct {
	messages *messages
	// began names this run, so that a page that outlives it does not mix two of them.
	began string
	// ended ends the streams of open pages.
	ended <-chan struct{}
}

func (v *viewer) handler() http.Handler {
	mux := http.NewServeMux()
	for path, file := range map[string]string{
		pagePath + "{$}": "page.html", pagePath + "page.css": "page.css", pagePath + "page.js": "page.js",
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, assets, file)
		})
	}
	mux.HandleFunc("GET "+strings.TrimSuffix(pagePath, "/"), func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, pagePath, http.StatusSeeOther)
	})
	mux.HandleFunc("GET "+pagePath+"events", v.events)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	})
}

// local says that a Host header is no name that another site may have pointed here. A name without a dot is none: it is
// this machine's, or that of a container.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.ContainsAny(host, ".:") || strings.HasSuffix(host, ".localhost") ||
		strings.HasSuffix(host, ".internal") { // as host.docker.internal; nobody can register such a name
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}

// keepAlive is how often an idle stream says that it is there.
const keepAlive = 15 * time.Second

// events streams the messages as server-sent events: those that are held, and each that follows. A page that was
// connected before gets what it missed.
func (v *viewer) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	last := 0
	if run, id, ok := strings.Cut(r.Header.Get("Last-Event-ID"), "-"); ok && run == v.began {
		last, _ = strconv.Atoi(id)
	}
	if _, err := fmt.Fprintf(w, "retry: 1000\nevent: run\ndata: %s\n\n", v.began); err != nil {
		return
	}
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	for {
		newer, more := v.messages.after(last)
		for _, m := range newer {
			data, err := json.Marshal(m)
			if err != nil {
				return // texts and numbers always encode
			}
			if _, err := fmt.Fprintf(w, "id: %s-%d\ndata: %s\n\n", v.began, m.ID, data); err != nil {
				return
			}
			last = m.ID
		}
		if out.Flush() != nil {
			return
		}
		select {
		case <-more:
		case <-alive.C:
			if _, err := fmt.Fprint(w, ": alive\n\n"); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-v.ended:
			return
		}
	}
}
