package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/testkit"
)

// runPut runs a command that puts records into an emulated stream.
func runPut(t *testing.T, fake *fakeaws.AWS, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{
		env: testkit.Environment(nil), stdout: plain.NewWriter(&out), stderr: plain.NewWriter(&errs),
		stdin: strings.NewReader(stdin), now: time.Now,
		load: func(context.Context) (aws.Config, error) { return testkit.Emulated(fake), nil },
	}
	err = p.Run(t.Context(), args)
	return out.String(), errs.String(), err
}

// The stream is that of the configuration, and what is printed is the command that explains the record.
func TestPutThenExplain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create("ExampleInputStream", 1)
		file := filepath.Join(t.TempDir(), "it's mine.yaml")
		text := strings.ReplaceAll(testkit.TextOf(t, "testdata/explain.yaml"), testkit.TestStream, "ExampleInputStream")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		out, errs, err := runPut(t, fake, "", "put", "--config", file, `{"kind":"reading","score":9,"rateType":"HIGH"}`)
		require.NoError(t, err)
		require.Empty(t, errs)
		require.Regexp(t,
			`^shard            shardId-000000000000\nsequence number  \d+\npartition key    partitionkey\n`+
				`1 record put into ExampleInputStream in 0s\nWhat the rules made of the last one:\n`+
				`  kinesis-alerter explain `,
			out)
		_, command, _ := strings.Cut(out, "  kinesis-alerter explain ")
		require.Contains(t, command, `--config '`+filepath.Dir(file)+`/it'\''s mine.yaml' --shard`)
		_, place, _ := strings.Cut(strings.TrimSpace(command), "yaml' ")
		out, err = runExplainWith(t, fake, "", append(strings.Fields(place), "--config", file)...)
		require.NoError(t, err)
		require.Contains(t, out, "Outcome")
	})
}

func TestPutLinesOfStandardInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create("s", 1)
		lines := `{"host":"web-1"}` + "\n\nno JSON\n"
		out, errs, err := runPut(t, fake, lines, "put", "--stream", "s", "--file", "-", "--key", "\x1bk")
		require.NoError(t, err)
		require.Regexp(
			t, `^line 1: shardId-000000000000 \d+, key \\u001bk\nline 3: .*\n2 records put into s in \d+m?s\n`, out,
		)
		require.Contains(t, out, "  kinesis-alerter explain --config FILE --shard shardId-000000000000 --sequence ")
		require.Equal(
			t, "warning: 1 record is no JSON, the first in line 3: rules that look at fields do not see any\n", errs,
		)

		out, errs, err = runPut(t, fake, lines, "put", "--stream", "s", "--file", "-", "--key-field", "host", "--json")
		require.ErrorContains(t, err, "put: line 3: the record is no JSON, so that it has no field host")
		require.Regexp(t,
			`^\{"line":1,"shard":"shardId-000000000000","sequence_number":"\d+","partition_key":"web-1"\}\n$`,
			out)
		require.Regexp(t, `^1 record put into s in \d+m?s\n$`, errs)

		_, errs, err = runPut(t, fake, "", "put", "--stream", "s", "{latency: 900}")
		require.NoError(t, err)
		require.Equal(t, "warning: the record is no JSON: rules that look at fields do not see any. "+
			"Is it in single quotes?\n", errs)
	})
}

// An endpoint that is away for a while is no end, and no silence either.
func TestPutAndProduceSayWhatTheyWaitFor(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"put", "--stream", "s", "1"}, {"produce", "heart-rate", "--stream", "s", "--count", "1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake := fakeaws.New(fakeaws.Options{})
			fake.Kinesis.Create("s", 1)
			fake.Faults.Add(fakeaws.Fault{Operation: "PutRecords", Kind: fakeaws.Lost, Times: 1})
			out, errs, err := runPut(t, fake, "", args...)
			require.NoError(t, err)
			require.Contains(t, out,
				"1 record put into s in 30.05s; 1 was put again because a call had no answer, and may be "+
					"there twice\n")
			require.Regexp(t, "^"+args[0]+`: trying again, for up to two minutes: .*deadline exceeded\n`+args[0]+
				`: the stream takes records again\n$`, errs)

			fake.Kinesis.Delete("s")
			_, _, err = runPut(t, fake, "", args...)
			require.ErrorContains(t, err, "stream s does not exist in this region and account")
		})
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	for text, args := range map[string][]string{
		`put: which record? As in kinesis-alerter put '{"latency": 900}'`: {"put", "--stream", "s"},
		"put: give one record, in quotes, or --file FILE": {
			"put", "--stream", "s", "{latency:", "900}",
		},
		"put: give either a record or --file": {"put", "--stream", "s", "1", "--file", "-"},
		"put: give either --key or --key-field": {
			"put", "--stream", "s", "1", "--key", "a", "--key-field", "b",
		},
		"put: --file /nowhere: no such file":    {"put", "--stream", "s", "--file", "/nowhere"},
		"give --config FILE, or --stream NAME;": {"put", "1"},
	} {
		_, _, err := runPut(t, fakeaws.New(fakeaws.Options{}), "", args...)
		require.ErrorContains(t, err, text)
		var usage config.UsageError
		require.ErrorAs(t, err, &usage)
	}
}

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
