package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/checkpoint"
)

// hostileText is what a stranger may call a field, an owner, a version or an error.
const hostileText = "E\x1b]0;owned\x07\x1b[2J\u009b31m\u202e\nOK  forged\r\u2028"

// obeyed fails where a text holds what a terminal obeys or a reader is misled by, or a line that a stranger made up.
func obeyed(t *testing.T, text string) {
	t.Helper()
	require.True(t, utf8.ValidString(text))
	for _, r := range text {
		require.True(t, strconv.IsPrint(r) || r == '\n', "%q in %q", r, text)
	}
	for line := range strings.SplitSeq(text, "\n") {
		require.False(t, strings.HasPrefix(line, "OK  forged"), text)
	}
}

// fill puts a text into every text of a value, and one element into every list.
func fill(v reflect.Value, text string) {
	switch v.Kind() { //nolint:exhaustive // the rest holds no text
	case reflect.Pointer:
		if v.IsNil() && v.CanSet() && v.Type() != reflect.TypeFor[*time.Time]() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		if !v.IsNil() {
			fill(v.Elem(), text)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for _, field := range v.Fields() {
			if field.CanSet() {
				fill(field, text)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text)
		fill(value, text)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(text)
	}
}

// TestPageAsTextObeysNobody: whatever a name, an owner, an error or a version is, the page as text is printable, and no line of it
// is a stranger's.
func TestPageAsTextObeysNobody(t *testing.T) {
	t.Parallel()
	var st Status
	fill(reflect.ValueOf(&st), hostileText)
	text := statusText(&st)
	obeyed(t, text)
	require.Greater(t, strings.Count(text, `\u001b`), 20)

	page := newStatusPage(func() Status { return st }, zap.NewNop())
	for _, accept := range []string{"text/html", "application/json", ""} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		page.index(w, r)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		for _, c := range w.Body.String() {
			require.True(t, strconv.IsPrint(c) || c == '\n' || c == '\t', "%q in %s", c, accept)
		}
		if accept == "application/json" {
			var back Status
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &back))
			require.Equal(t, hostileText, back.Summary, "the same document")
		}
	}
}

func TestLeaseTablesObeyNobody(t *testing.T) {
	t.Parallel()
	var table checkpoint.LeaseTable
	fill(reflect.ValueOf(&table), hostileText)
	table.Shards = append(table.Shards, checkpoint.LeaseRow{Shard: "x", Fault: hostileText})
	var b bytes.Buffer
	require.NoError(t, writeTable(&b, table, time.Now()))
	var change checkpoint.Change
	fill(reflect.ValueOf(&change), hostileText)
	change.Before.Owner, change.Live = "x", true
	require.NoError(t, writeChanges(&b, []checkpoint.Change{change}, true))
	obeyed(t, b.String())
	require.Contains(t, b.String(), `\u009b`)
}

// TestCommandsObeyNobody: what a producer or a file's author wrote reaches the terminal as text.
func TestCommandsObeyNobody(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	rules := write("rules.yaml", `stream: {name: s}
rules:
  - {name: a, when: 'name == "x"', key: name, message: "{{ .Fields.name }}"}
  - {name: b, when: 'nam == 3'}
topics:
  t: {arn: "arn:aws:sns:us-east-1:000000000000:t"}
`)
	twisted := write("twisted.yaml", fmt.Sprintf("stream: {name: s}\nrules:\n  - {name: a, when: %s, message: %s}\ntopics:\n  t: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}\n",
		strconv.Quote(`name == "`+"\u202e\U000e0041"+`"`), strconv.Quote("two\nlines\u202e\U000e0041")))
	run := func(args ...string) (string, string) {
		var out, errs bytes.Buffer
		Main(t.Context(), args, environment(nil), &out, &errs)
		return out.String(), errs.String()
	}
	for name, args := range map[string][]string{
		"did you mean":   {"check", "--config", rules, "--sample", write("near.jsonl", `{"id": 1, "x\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\nOK  forged": {"nam": 1}}`)},
		"a payload":      {"explain", "--config", rules, "--data", write("marks.json", "{\"name\": \""+"\u009b31mred\u202egnp.exe"+"\"}")},
		"as JSON":        {"explain", "--config", rules, "--json", "--data", write("marks2.json", "{\"name\": \""+"\u009b31mred\u202egnp.exe"+"\"}")},
		"a command":      {hostileText},
		"a file's name":  {"check", "--config", hostileText},
		"a table's name": {"leases", "list", "--table", hostileText},
		"a test's name":  {"rules", "test", write("t.yaml", "rules: rules.yaml\ntests: [{name: "+strconv.Quote(hostileText)+", records: [], alerts: []}]\n")},
		"a wrong value":  {"check", "--config", write("wrong.yaml", "stream: {name: "+strconv.Quote(hostileText)+"}\n"+strconv.Quote(hostileText)+": 1\n")},
	} {
		out, errs := run(args...)
		obeyed(t, out)
		obeyed(t, errs)
		require.NotEmpty(t, out+errs, name)
	}

	out, errs := run("check", "--config", twisted, "--print")
	obeyed(t, out)
	require.Empty(t, errs)
	var back struct {
		Rules []struct{ When, Message string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(out), &back), out)
	require.Equal(t, "two\nlines\u202e\U000e0041", back.Rules[0].Message, "what it prints is the same configuration")
	require.Contains(t, back.Rules[0].When, "\u202e\U000e0041")
}
