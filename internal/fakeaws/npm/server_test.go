package npm_test

import (
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws/npm"
)

// The emulators need an npm installation, which `make test` does not; `make conformance` and `make e2e` do it.
func TestServersAnswerOnLoopbackAndEndWithTheTest(t *testing.T) {
	if os.Getenv("CONFORMANCE_NPM") == "" {
		t.Skip("CONFORMANCE_NPM is not set: `make conformance` runs this")
	}
	for name, start := range map[string]func(testing.TB) string{
		"kinesis-local": func(tb testing.TB) string { tb.Helper(); return npm.Kinesis(tb) },
		"dynalite":      npm.DynamoDB,
		"fauxqs":        npm.Messaging,
	} {
		t.Run(name, func(t *testing.T) {
			var addr string
			t.Run("life", func(t *testing.T) {
				at := start(t)
				res, err := http.Get(at) //nolint:gosec // a loopback address that the launcher chose
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				u, err := url.Parse(at)
				require.NoError(t, err)
				require.Equal(t, "127.0.0.1", u.Hostname())
				addr = u.Host
				_, err = net.Dial("tcp", net.JoinHostPort("127.0.0.2", u.Port()))
				require.Error(t, err, "it listens on more than 127.0.0.1")
			})
			_, err := net.Dial("tcp", addr)
			require.Error(t, err, "it outlived its test")
		})
	}
}
