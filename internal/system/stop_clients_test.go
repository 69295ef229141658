package system

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStopWithSlowClients: neither clients that read nothing nor reloads that wait make a stop fail or long;
// loopbackDaemon wants exit 0.
func TestStopWithSlowClients(t *testing.T) {
	var conns []net.Conn
	t.Cleanup(func() { // after the stop
		for _, c := range conns {
			_ = c.Close()
		}
	})
	_, file, admin := loopbackDaemon(t)
	text, err := os.ReadFile(file) //nolint:gosec // in the test's own folder
	require.NoError(t, err)
	var more strings.Builder
	for i := range 300 {
		fmt.Fprintf(&more, ", {name: r%d, when: 'v >= %d and name matches \"a.*b%d\"'}", i, i, i)
	}
	many := strings.Replace(string(text), `149"}`, `149"}`+more.String(), 1)
	require.NoError(t, os.WriteFile(file, []byte(many), 0o600)) //nolint:gosec // as above
	for i := range 60 {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", admin)
		require.NoError(t, err)
		conns = append(conns, c)
		_ = c.(*net.TCPConn).SetReadBuffer(2048)
		request := strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 100)
		if i%2 == 0 {
			request = "POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
		}
		_, err = io.WriteString(c, request)
		require.NoError(t, err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+admin+"/healthz", http.NoBody)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
}
