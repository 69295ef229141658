package cli

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

const inputHead = "stream: {name: s}\ntopics: {t: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}}\n" +
	"rules: [{name: high, when: v > 1}]\n"

// inputFiles writes a configuration and a payload.
func inputFiles(t *testing.T, input, payload string) (config, data string) {
	t.Helper()
	dir := t.TempDir()
	config, data = filepath.Join(dir, "config.yaml"), filepath.Join(dir, "payload")
	require.NoError(t, os.WriteFile(config, []byte(inputHead+"input: "+input+"\n"), 0o600))
	require.NoError(t, os.WriteFile(data, []byte(payload), 0o600))
	return config, data
}

// A payload is explained by its pieces, with the places that the daemon gives them.
func TestExplainPieces(t *testing.T) {
	t.Parallel()
	file, data := inputFiles(t, "[{decompress: gzip}, {split: lines}]",
		string(testkit.Gzip([]byte("{\"v\":1}\n\n{\"v\":2}\nx\n"))))
	explain := func(more ...string) (int, string, string) {
		return invoke(t, append([]string{"explain", "--config", file, "--data", data}, more...)...)
	}
	code, out, stderr := explain()
	require.Zero(t, code, stderr)
	require.Contains(t, out, "The payload (piece 1 of 4), as a record with the key")
	require.Contains(t, out, "The payload (piece 3 of 4), as a record with the key")
	require.NotContains(t, out, "(piece 2 of 4)", "it is blank")
	code, out, stderr = explain("--sub", "2")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "(piece 3 of 4)")
	require.Contains(t, out, "\n  {\"v\":2}\n")
	require.NotContains(t, out, "(piece 1 of 4)")
	code, _, stderr = explain("--sub", "1")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "--sub 1: there is nothing at that place: it is blank, or names columns")
	code, _, stderr = explain("--sub", "4")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "--sub 4: the record has 4 in it, the last is 3")
}

// What cannot be taken apart is explained with what is wrong with it, in explain and in check --sample.
func TestToolsSayWhatIsBroken(t *testing.T) {
	t.Parallel()
	packed := testkit.Gzip([]byte(`{"v":2}`))
	file, data := inputFiles(t, "[{decompress: gzip}]", string(packed[:len(packed)-3]))
	code, out, stderr := invoke(t, "explain", "--config", file, "--data", data)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "invalid (bad_compression)\n")
	require.Contains(t, out, "It cannot be taken apart: gzip: ")
	_, out, _ = invoke(t, "check", file, "--sample", data)
	require.Contains(t, out, "cannot be read (bad_compression), the first in the file: gzip: ")

	file, data = inputFiles(t, "cloudwatch_logs", string(testkit.Gzip(testkit.LogEvents("CONTROL_MESSAGE", "x"))))
	_, out, _ = invoke(t, "explain", "--config", file, "--data", data)
	require.Contains(t, out, "filtered (control_message)\n")
}

// A payload is what its file holds, to the last byte, or lines with partition keys.
func TestExplainTakesPayloadsAsTheyAre(t *testing.T) {
	t.Parallel()
	file, data := inputFiles(t, "[{decode: base64}]", "")
	packed := []byte("{\"v\":2}\n\n")
	for name, payload := range map[string]string{
		"a line": base64.StdEncoding.EncodeToString([]byte(`{"v":2}`)),
		"lines with their keys": fmt.Sprintf("{\"partitionKey\":\"a\",\"data\":%q}\n\n",
			base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString(packed)))),
	} {
		require.NoError(t, os.WriteFile(data, []byte(payload), 0o600))
		code, out, stderr := invoke(t, "explain", "--config", file, "--data", data)
		require.Zero(t, code, stderr)
		require.Contains(t, out, "Rule high: matches", name)
	}
	// the sum at the end of a compressed payload may be white space
	for i := range 2000 {
		payload := testkit.Gzip(fmt.Appendf(nil, `{"v":2,"i":%d}`, i))
		if last := payload[len(payload)-5]; last != '\n' && last != ' ' { // before the length, which ends in zeros
			continue
		}
		file, data = inputFiles(t, "[{decompress: gzip}]", string(payload))
		_, out, _ := invoke(t, "explain", "--config", file, "--data", data)
		require.Contains(t, out, "Rule high: matches")
	}
}

// A sample that is no text is one record. Text is lines, in whatever character set.
func TestSampleIsOneRecordOrLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, input, sample, want string }{
		{"gzip", "[{decompress: auto}]", string(testkit.Gzip([]byte(`{"v":2}`))), "1 record: 1 match"},
		{"an aggregate", "", string(testkit.Aggregate("a", `{"v":2}`, `{"v":1}`)), "2 records: 1 match"},
		{"lines", "", "{\"v\":2}\n{\"v\":1}\n{\"v\":3}\n", "3 records: 2 match"},
		{"lines in Latin-1", "[{decode: iso-8859-1}]", "{\"v\":2,\"s\":\"\xfc\"}\n{\"v\":1}\n", "2 records: 1 match"},
		{"tabs and escapes", "[{split: lines}]", "{\"v\":2}\t\x1b[0m\n{\"v\":2}\n", "2 records: 1 match"},
		{"UTF-16", "[{decode: utf-16}]", "\xff\xfe{\x00\"\x00v\x00\"\x00:\x002\x00}\x00", "1 record: 1 match"},
		{"a bad line", "", "{\"v\":2}\n{\"v\":\"\xff\"}\n", "2 records: 1 match"},
	} {
		file, data := inputFiles(t, c.input, c.sample)
		_, out, stderr := invoke(t, "check", file, "--sample", data)
		require.Contains(t, out, c.want, "%s: %s", c.name, stderr)
	}
}
