package daemon

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/status/statustest"
	"kinesis-alerter/internal/testkit"
)

// The names in the JSON are a promise, and what the text looks like is what operators see first.
func TestStatusGolden(t *testing.T) {
	t.Parallel()
	do := startAdmin(t, adminDeps{
		Status: statustest.ExampleStatus, Healthy: func() error { return nil }, Ready: func() error { return nil },
	})
	code, body, header := do("GET", "/api/v1/status", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "application/json", header.Get("Content-Type"))
	testkit.Golden(t, "status.json", body)
	_, again, _ := do("GET", "/", "", "Accept", "application/json")
	require.Equal(t, body, again)
	_, text, header := do("GET", "/", "", "Accept", "*/*")
	require.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
	testkit.Golden(t, "status.txt", text)
}

// The page runs only what was compiled in, is not cached and cannot be framed.
func TestStatusPageIsLockedDown(t *testing.T) {
	t.Parallel()
	do := startAdmin(t, adminDeps{
		Status: statustest.ExampleStatus, Healthy: func() error { return nil }, Ready: func() error { return nil },
	})
	_, page, header := do("GET", "/", "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
	policy := header.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "connect-src 'self'",
	} {
		require.Contains(t, policy, want)
	}
	require.NotContains(t, policy, "unsafe")
	for _, tag := range []string{"style", "script"} {
		inline := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		require.Len(t, inline, 1, tag)
		require.Contains(t, policy, tag+"-src "+status.HashSource(inline[0][1]),
			"the hash is that of what the browser sees")
	}
	require.NotRegexp(t, `(?i)<[^>]* (style|on[a-z]+)=`, page, "nothing inline that the policy would refuse")
	require.NotRegexp(t, `(?:src|action)="https?:`, page, "nothing from elsewhere")
	for _, link := range regexp.MustCompile(`<[a-z]+ [^>]*href="https?:[^>]*>`).FindAllString(page, -1) {
		require.Regexp(t, `^<a .*rel="noreferrer noopener"`, link, "a runbook, which tells nobody where it was found")
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Vary":                         "Accept, Accept-Encoding",
	} {
		require.Equal(t, want, header.Get(name))
	}
	require.Contains(t, page, `<noscript><meta http-equiv="refresh"`)
	require.Contains(t, page, "DynamoDB: no success for 6.0 s (InternalServerError), trust in the leases ends in 3.0 s")
}
