package cli

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// A health check asks where the configuration says. A file that was edited into something wrong since the daemon's
// start must not have a daemon killed that works.
func TestHealthcheckReadsTheConfiguration(t *testing.T) {
	t.Parallel()
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = fmt.Fprintln(w, "ok")
	}))
	defer daemon.Close()
	_, port, err := net.SplitHostPort(daemon.Listener.Addr().String())
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "c.yaml")
	const rest = "\nstream: {name: s}\ntopics: {t: {arn: 'arn:aws:sns:us-east-1:000000000000:T'}}\n"
	check := func(env map[string]string, text string, args ...string) (int, string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		var out, errs bytes.Buffer
		code := Main(t.Context(), append([]string{"healthcheck"}, args...), testkit.Environment(env), &out, &errs)
		return code, errs.String()
	}
	code, stderr := check(nil, "server: {listen: ':"+port+"'}"+rest, "--config", file)
	require.Equal(t, ExitOK, code, stderr)
	code, stderr = check(
		map[string]string{"PORT": port}, "server: {listen: '127.0.0.1:${PORT}'}"+rest, "--config", file,
	)
	require.Equal(t, ExitOK, code, stderr)
	code, stderr = check(map[string]string{"KINESIS_ALERTER_CONFIG": file}, "server: {listen: ':"+port+"'}"+rest)
	require.Equal(t, ExitOK, code, stderr)
	text := "server: {listen: ':" + port + "'}" + rest
	code, stderr = check(
		map[string]string{"KINESIS_ALERTER_CONFIG": text}, "", "--config", "env:KINESIS_ALERTER_CONFIG",
	)
	require.Equal(t, ExitOK, code, stderr)
	code, stderr = check(map[string]string{"KINESIS_ALERTER_CONFIG": text}, "")
	require.Equal(t, ExitOK, code, stderr)
	code, stderr = check(nil, "server: {listen: ':"+port+"'}\nrulez: []"+rest, "--config", file)
	require.Equal(t, ExitOK, code, stderr)
	code, stderr = check(nil, "server: {listen: ':1'}"+rest, "--config", file, "--listen", "127.0.0.1:"+port)
	require.Equal(t, ExitOK, code, stderr)
	code, stderr = check(nil, "server: {listen: ':1'}"+rest, "--config", file)
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr, "127.0.0.1:1/healthz")
}

// Another program at the daemon's address does not make it healthy.
func TestHealthcheckKnowsTheDaemon(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]http.HandlerFunc{
		"page":     func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>ok</html>") },
		"empty":    func(http.ResponseWriter, *http.Request) {},
		"no words": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthz" {
				http.Redirect(w, r, "/other", http.StatusFound)
				return
			}
			_, _ = fmt.Fprintln(w, "ok")
		},
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = fmt.Fprintln(w, "ok")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := httptest.NewServer(serve)
			defer other.Close()
			code, stdout, stderr := invoke(t, "healthcheck", "--listen", other.Listener.Addr().String())
			require.Equal(t, ExitFailed, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, "no answer of kinesis-alerter")
			require.Less(t, len(stderr), 500)
		})
	}
}
