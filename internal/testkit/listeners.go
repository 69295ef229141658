package testkit

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// deafListener is a listener that never gets a connection: a bubble cannot hold a real socket.
type deafListener struct {
	closed chan struct{}
	once   sync.Once
}

// NewDeafListener returns a listener that accepts nothing.
func NewDeafListener() *deafListener { return &deafListener{closed: make(chan struct{})} }

func (l *deafListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l *deafListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (*deafListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9464} }

// Pipes is a listener without sockets, which works in a bubble.
type Pipes struct {
	Conns  chan net.Conn
	Closed chan struct{}
	once   sync.Once
}

// NewPipes returns a listener whose connections are pipes.
func NewPipes() *Pipes { return &Pipes{Conns: make(chan net.Conn), Closed: make(chan struct{})} }

// Accept implements net.Listener.
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.Conns:
		return c, nil
	case <-p.Closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *Pipes) Close() error {
	p.once.Do(func() { close(p.Closed) })
	return nil
}

// Addr implements net.Listener.
func (*Pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9464} }

// Get asks the daemon behind the listener for a page.
func (p *Pipes) Get(t *testing.T, path, accept string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			select {
			case p.Conns <- there:
				return here, nil
			case <-p.Closed:
				return nil, net.ErrClosed
			}
		},
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:9464"+path, nil)
	require.NoError(t, err)
	r.Header.Set("Accept", accept)
	response, err := client.Do(r)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}
