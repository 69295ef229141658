package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/testkit"
)

// What answers is not always AWS: an answer without an end takes no memory, a redirect is not followed, and a signal
// ends the command.
func TestPutAndProduceDoNotTrustTheEndpoint(t *testing.T) {
	t.Parallel()
	const much = 64 << 20
	for name, tt := range map[string]struct {
		serve http.HandlerFunc
		says  string
	}{
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for range much >> 16 {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
			t.Error("all of it was read")
		}, "it has more than 1024 KiB"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			if r.URL.Path != "/" {
				t.Error("the redirect was followed")
			}
		}, "it is a redirect, which is not followed"},
		"silent": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, "it may have 1 record more: "},
	} {
		for _, args := range [][]string{
			{"put", "--stream", "s", "1"}, {"produce", "heart-rate", "--stream", "s", "--count", "1"},
		} {
			t.Run(name+" "+args[0], func(t *testing.T) {
				t.Parallel()
				server := httptest.NewServer(tt.serve)
				defer server.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the signal
				defer cancel()
				var out, errs bytes.Buffer
				p := &program{
					env: testkit.Environment(nil), stdout: plain.NewWriter(&out), stderr: plain.NewWriter(&errs),
					stdin: strings.NewReader(""), now: time.Now,
					load: func(context.Context) (aws.Config, error) {
						c := testkit.Emulated(fakeaws.New(fakeaws.Options{}))
						c.BaseEndpoint, c.HTTPClient = &server.URL, &http.Client{Transport: &http.Transport{
							DisableKeepAlives: true,
						}}
						return c, nil
					},
				}
				began := time.Now()
				err := p.Run(ctx, args)
				require.Less(t, time.Since(began), 10*time.Second)
				require.Contains(t, fmt.Sprint(errs.String(), err), tt.says)
			})
		}
	}
}

// Whoever names a pipe that nobody writes into, or a folder, gets an answer, and no success.
func TestPutReadsOnlyWhatEnds(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for file, says := range map[string]string{
		pipe:        "put: --file " + pipe + ": is a pipe without a writer",
		folder:      "put: --file " + folder + ": is a directory; name a file in it",
		"/dev/zero": "put: --file /dev/zero: is a device, not a file",
	} {
		_, _, err := runPut(t, fakeaws.New(fakeaws.Options{}), "", "put", "--stream", "s", "--file", file)
		require.ErrorContains(t, err, says)
	}
}
