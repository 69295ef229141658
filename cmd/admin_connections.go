package cmd

import (
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// mostConnections bounds the connections of the admin server. Prometheus, the health checks and some browsers need a few.
	mostConnections = 100
	// leastStay is how long a connection may stay at least: enough to read a request that is there and to answer it.
	leastStay = 50 * time.Millisecond
)

// connections is a listener that bounds the open connections of the server behind it, so that those who hold theirs without use
// never keep out a scrape or a health check. A new connection is always let in. With too many, another one is closed: of the
// address that has the most, the one that has waited for a request, or has been answered, for the longest. An answer takes
// milliseconds, but for a client that does not read it.
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
		if stayed < leastStay { // a burst: whoever came a moment ago is still being read
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

// changed is told by the server what becomes of a connection.
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

// whole has handlers make their whole answer before any of it is sent, one answer of them at a time: what a client does not read
// holds up nobody else's, and those who read fast keep no more than one processor busy.
func whole() func(http.Handler) http.Handler {
	turn := make(chan struct{}, 1)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case turn <- struct{}{}:
			case <-r.Context().Done():
				return
			}
			made := &madeAnswer{ResponseWriter: w, code: http.StatusOK}
			func() {
				defer func() { <-turn }()
				next.ServeHTTP(made, r)
			}()
			w.WriteHeader(made.code)
			_, _ = w.Write(made.body)
		})
	}
}

// madeAnswer keeps what a handler writes.
type madeAnswer struct {
	http.ResponseWriter

	code int
	body []byte
}

// WriteHeader implements http.ResponseWriter.
func (a *madeAnswer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *madeAnswer) Write(p []byte) (int, error) {
	a.body = append(a.body, p...)
	return len(p), nil
}
