package system

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// TestReloadOfARunningDaemon: through SIGHUP and over HTTP, with real sockets.
func TestReloadOfARunningDaemon(t *testing.T) {
	fake, file, admin := loopbackDaemon(t)
	config, err := os.ReadFile(file) //nolint:gosec // in the test's own folder
	require.NoError(t, err)
	rewrite := func(old, next string) {
		text := strings.Replace(string(config), old, next, 1)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) //nolint:gosec // as above
	}
	post := func() (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+admin+"/-/reload", http.NoBody)
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	var status int
	var body string
	testkit.WaitFor(t, "an answer that is not about starting", func() bool {
		status, body = post()
		return status != http.StatusServiceUnavailable
	})
	require.Equal(t, "200 nothing changed\n", fmt.Sprint(status, " ", body))

	rewrite("heartRate > 149", "heartRate > 20")
	status, body = post()
	require.Equal(t, "200 rule high changed\n", fmt.Sprint(status, " ", body))
	fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":21}`))
	testkit.WaitFor(t, "the alert of the new rule", func() bool { return len(testkit.Messages(fake)) == 1 })

	rewrite("heartRate > 149", "heartRate >")
	status, body = post()
	require.Equal(t, 422, status)
	require.Contains(t, body, file+":")

	rewrite("heartRate > 149", "heartRate > 10")
	require.NoError(t, syscall.Kill(syscall.Getpid(), syscall.SIGHUP))
	testkit.WaitFor(t, "the alert of the newest rule", func() bool {
		fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":11}`))
		return len(testkit.Messages(fake)) > 1
	})
}
