//go:build e2e

package system_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// proxy stands between the daemons and one server, and is the network that fails. It carries TCP connections one to
// one. Its address stays the same in all states. Every change of state but that of the delay cuts the connections: what
// a black hole has swallowed cannot be given back.
//
//	pass       carries everything, each chunk late by the delay
//	refuse     nobody listens: connection refused
//	blackHole  takes connections and bytes, and never answers; connections that were open fall silent
type proxy struct {
	t      *testing.T
	addr   string
	target string

	mu       sync.Mutex
	state    proxyState
	late     time.Duration
	listener net.Listener // nil while refusing
	conns    map[net.Conn]struct{}
	running  sync.WaitGroup
}

type proxyState int

const (
	passing proxyState = iota
	refusing
	swallowing
)

// newProxy starts a proxy in front of a server's URL; it ends with the test.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	u, err := url.Parse(target)
	require.NoError(t, err)
	p := &proxy{t: t, addr: "127.0.0.1:0", target: u.Host, conns: map[net.Conn]struct{}{}}
	p.listen()
	p.addr = p.listener.Addr().String()
	t.Cleanup(func() {
		p.refuse()
		p.running.Wait()
	})
	return p
}

func (p *proxy) url() string { return "http://" + p.addr }

// pass carries everything from now on.
func (p *proxy) pass() { p.become(passing) }

// refuse makes the server unreachable, and says so.
func (p *proxy) refuse() { p.become(refusing) }

// blackHole makes the server unreachable and silent. Open connections are not cut: the client would notice.
func (p *proxy) blackHole() { p.become(swallowing) }

// cut resets all connections once.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reset()
}

// delay makes each chunk late, in both directions: a request and its answer by twice as much.
func (p *proxy) delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = d
}

func (p *proxy) become(state proxyState) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	if state != swallowing {
		p.reset()
	}
	switch {
	case state == refusing && p.listener != nil:
		_ = p.listener.Close()
		p.listener = nil
	case state != refusing && p.listener == nil:
		p.listen()
	}
}

func (p *proxy) reset() {
	for c := range p.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset, not an orderly end
		}
		_ = c.Close()
	}
	clear(p.conns)
}

// listen opens the address. Meanwhile the kernel may have lent the port to an outgoing connection.
func (p *proxy) listen() {
	p.t.Helper()
	var l net.Listener
	var err error
	for range 100 {
		if l, err = net.Listen("tcp", p.addr); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	require.NoError(p.t, err, "the proxy's port was taken while it refused")
	p.listener = l
	p.running.Go(func() { p.serve(l) })
}

func (p *proxy) serve(l net.Listener) {
	for {
		down, err := l.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.carry(down) })
	}
}

// carry joins a client's connection to one of its own.
func (p *proxy) carry(down net.Conn) {
	if !p.keep(down) {
		return
	}
	defer p.drop(down)
	up, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	if !p.keep(up) {
		return
	}
	defer p.drop(up)
	both := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{up, down}, {down, up}} {
		p.running.Go(func() {
			p.pump(way[0], way[1])
			both <- struct{}{}
		})
	}
	<-both
}

// pump carries one direction until either end is closed.
func (p *proxy) pump(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		state, late := p.now()
		if late > 0 && n > 0 {
			time.Sleep(late)
			state, _ = p.now()
		}
		if n > 0 && state == passing {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) now() (proxyState, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state, p.late
}

// keep notes an open connection, or closes it when the proxy refuses by now.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == refusing {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	_ = c.Close()
}

func TestE2EProxyFailsAsItIsTold(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var echoing sync.WaitGroup
	echoing.Go(func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			echoing.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() {
		_ = server.Close()
		echoing.Wait()
	})
	p := newProxy(t, "http://"+server.Addr().String())
	dial := func() net.Conn {
		c, err := net.Dial("tcp", p.addr)
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	echo := func(c net.Conn, limit time.Duration) error {
		require.NoError(t, c.SetDeadline(time.Now().Add(limit)))
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	c := dial()
	require.NoError(t, echo(c, 5*time.Second))
	p.delay(30 * time.Millisecond)
	began := time.Now()
	require.NoError(t, echo(c, 5*time.Second))
	require.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond, "late in both directions")
	p.delay(0)
	p.cut()
	require.Error(t, echo(c, 5*time.Second))

	c = dial()
	require.NoError(t, echo(c, 5*time.Second))
	p.blackHole()
	require.ErrorIs(t, echo(c, 50*time.Millisecond), os.ErrDeadlineExceeded, "an open connection falls silent")
	require.ErrorIs(t, echo(dial(), 50*time.Millisecond), os.ErrDeadlineExceeded,
		"a new one is taken, and hears nothing")

	p.refuse()
	_, err = net.Dial("tcp", p.addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	p.pass()
	require.NoError(t, echo(dial(), 5*time.Second), "at the same address as before")
}
