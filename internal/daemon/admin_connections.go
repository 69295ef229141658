package daemon

import (
	"context"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// mostConnections bounds the connections of the admin server. Prometheus, the health checks and some browsers need
	// a few.
	mostConnections = 100
	// leastStay is how long a connection may stay at least: enough to read a request that is there and to answer it.
	leastStay = 50 * time.Millisecond
)

// connections is a listener that bounds the open connections of the server behind it, so that idle clients never keep
// out a scrape or a health check. A new connection is always accepted. With too many, another one is closed: of the
// address that has the most, the one that has been idle or in an answer for the longest. An answer takes milliseconds,
// unless the client does not read it.
type connections struct {
	net.Listener

	most int

	mu   sync.Mutex
	open map[net.Conn]*connection
}

type connection struct {
	from  string    // the address without its port
	since time.Time // of its state: waiting for a request, or being answered
}

func newConnections(l net.Listener) *connections {
	return &connections{Listener: l, most: mostConnections, open: map[net.Conn]*connection{}}
}

// Accept implements net.Listener.
func (c *connections) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	from := conn.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(from); err == nil {
		from = host
	}
	c.mu.Lock()
	var victim net.Conn
	if len(c.open) >= c.most {
		victim = c.victim()
	}
	var stayed time.Duration
	if victim != nil {
		stayed = time.Since(c.open[victim].since)
		delete(c.open, victim)
	}
	c.open[conn] = &connection{from: from, since: time.Now()}
	c.mu.Unlock()
	if victim != nil {
		if stayed < leastStay { // a burst: a connection of a moment ago is still being read
			<-time.After(leastStay - stayed) // the listener's queue takes the others meanwhile
		}
		shut(victim)
	}
	return conn, nil
}

// shut closes a connection without waiting for what its peer does not read.
func shut(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// victim is the connection to close. Call it with mu held.
func (c *connections) victim() (out net.Conn) {
	of := map[string]int{}
	for _, k := range c.open {
		of[k.from]++
	}
	var best *connection
	for conn, k := range c.open {
		switch {
		case best == nil, of[k.from] > of[best.from], of[k.from] == of[best.from] && k.since.Before(best.since):
			out, best = conn, k
		}
	}
	return out
}

// changed is the server's callback for the state of a connection.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.open[conn]
	switch {
	case k == nil:
	case state == http.StateClosed, state == http.StateHijacked:
		delete(c.open, conn)
	default:
		k.since = time.Now()
	}
}

// shared has handlers make their whole answer before any of it is sent. One answer is made at a time, and all requests
// that arrive before it is begun share it. So a client that does not read holds up no other, and a request waits for
// two answers at most, however many there are.
type shared struct {
	turn chan struct{}

	mu   sync.Mutex
	next map[answerKind]*madeAnswer // not begun yet
}

func newShared() *shared {
	return &shared{turn: make(chan struct{}, 1), next: map[answerKind]*madeAnswer{}}
}

// answerKind is all of a request that its answer depends on.
type answerKind struct {
	path, accept string
	gzip         bool
}

// kindOf knows the few forms that our pages have, so that no client can ask for one of its own.
func kindOf(r *http.Request) answerKind {
	k := answerKind{
		path: r.URL.Path, accept: "text/plain", gzip: strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"),
	}
	for _, known := range []string{"application/openmetrics-text", "text/html", "application/json"} {
		if strings.Contains(r.Header.Get("Accept"), known) {
			k.accept = known
			break
		}
	}
	return k
}

// request is r as the first of its kind.
func (k answerKind) request(r *http.Request) *http.Request {
	r = r.Clone(context.WithoutCancel(r.Context())) // others wait for the answer, too
	r.Header.Set("Accept", k.accept)
	r.Header.Set("Accept-Encoding", map[bool]string{true: "gzip", false: "identity"}[k.gzip])
	return r
}

func (s *shared) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := kindOf(r)
		s.mu.Lock()
		made, known := s.next[kind]
		if !known {
			made = &madeAnswer{header: http.Header{}, code: http.StatusInternalServerError, done: make(chan struct{})}
			s.next[kind] = made
		}
		s.mu.Unlock()
		if !known {
			s.make(made, kind, next, kind.request(r))
		}
		select {
		case <-made.done:
		case <-r.Context().Done():
			return
		}
		maps.Copy(w.Header(), made.header)
		w.WriteHeader(made.code)
		_, _ = w.Write(made.body)
	})
}

func (s *shared) make(made *madeAnswer, kind answerKind, next http.Handler, r *http.Request) {
	s.turn <- struct{}{}
	s.mu.Lock()
	delete(s.next, kind) // later requests get the next one
	s.mu.Unlock()
	defer func() {
		<-s.turn
		close(made.done)
	}()
	next.ServeHTTP(made, r)
	if !made.coded {
		made.code = http.StatusOK
	}
}

// madeAnswer keeps what a handler writes. After done it does not change.
type madeAnswer struct {
	header http.Header
	code   int
	coded  bool // the code was set
	body   []byte
	done   chan struct{}
}

// Header implements http.ResponseWriter.
func (a *madeAnswer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *madeAnswer) WriteHeader(code int) { a.code, a.coded = code, true }

// Write implements http.ResponseWriter.
func (a *madeAnswer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}
