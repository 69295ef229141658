package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/testkit"
)

func TestLeaseTablesObeyNobody(t *testing.T) {
	t.Parallel()
	var table admin.LeaseTable
	testkit.Fill(reflect.ValueOf(&table), testkit.HostileText)
	table.Shards = append(table.Shards, admin.LeaseRow{Shard: "x", Fault: testkit.HostileText})
	var b bytes.Buffer
	require.NoError(t, writeTable(&b, table, time.Now()))
	var change admin.Change
	testkit.Fill(reflect.ValueOf(&change), testkit.HostileText)
	change.Before.Owner, change.Live = "x", true
	require.NoError(t, writeChanges(&b, []admin.Change{change}, true))
	testkit.Obeyed(t, b.String())
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
	twisted := write("twisted.yaml",
		fmt.Sprintf("stream: {name: s}\nrules:\n  - {name: a, when: %s, message: %s}\ntopics:\n  t: {arn: "+
			"\"arn:aws:sns:us-east-1:000000000000:t\"}\n",
			strconv.Quote(`name == "`+"\u202e\U000e0041"+`"`), strconv.Quote("two\nlines\u202e\U000e0041")))
	run := func(args ...string) (string, string) {
		var out, errs bytes.Buffer
		Main(t.Context(), args, testkit.Environment(nil), &out, &errs)
		return out.String(), errs.String()
	}
	for name, args := range map[string][]string{
		"did you mean": {
			"check", "--config", rules, "--sample", write("near.jsonl",
				`{"id": 1, "x\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\nOK  forged": {"nam": 1}}`),
		},
		"a payload": {
			"explain", "--config", rules, "--data", write("marks.json",
				"{\"name\": \""+"\u009b31mred\u202egnp.exe"+"\"}"),
		},
		"as JSON": {
			"explain", "--config", rules, "--json", "--data",
			write("marks2.json", "{\"name\": \""+"\u009b31mred\u202egnp.exe"+"\"}"),
		},
		"a command":      {testkit.HostileText},
		"a file's name":  {"check", "--config", testkit.HostileText},
		"a table's name": {"leases", "list", "--table", testkit.HostileText},
		"a test's name": {
			"rules", "test", write("t.yaml", "rules: rules.yaml\ntests: [{name: "+strconv.Quote(testkit.HostileText)+
				", records: [], alerts: []}]\n"),
		},
		"a wrong value": {
			"check", "--config", write("wrong.yaml", "stream: {name: "+strconv.Quote(testkit.HostileText)+"}\n"+
				strconv.Quote(testkit.HostileText)+": 1\n"),
		},
	} {
		out, errs := run(args...)
		testkit.Obeyed(t, out)
		testkit.Obeyed(t, errs)
		require.NotEmpty(t, out+errs, name)
	}

	out, errs := run("check", "--config", twisted, "--print")
	testkit.Obeyed(t, out)
	require.Empty(t, errs)
	var back struct {
		Rules []struct{ When, Message string }
	}
	require.NoError(t, yaml.Unmarshal([]byte(out), &back), out)
	require.Equal(t, "two\nlines\u202e\U000e0041", back.Rules[0].Message, "what it prints is the same configuration")
	require.Contains(t, back.Rules[0].When, "\u202e\U000e0041")
}
