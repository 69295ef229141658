package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/testkit"
)

func TestLeaseTablesObeyNobody(t *testing.T) {
	t.Parallel()
	var table admin.LeaseTable
	testkit.Fill(reflect.ValueOf(&table), testkit.HostileText)
	table.Shards = append(table.Shards, admin.LeaseRow{Shard: "x", Fault: testkit.HostileText})
	var b bytes.Buffer
	require.NoError(t, writeTable(screen{w: &b}, table, time.Now()))
	var change admin.Change
	testkit.Fill(reflect.ValueOf(&change), testkit.HostileText)
	change.Before.Owner, change.Live = "x", true
	require.NoError(t, writeChanges(screen{w: &b}, []admin.Change{change}, true))
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

// A table fits a terminal: ids are shortened at their beginning, of the widest column first. In a pipe nothing is.
func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	rows := [][]cell{
		{{text: "shardId-000000000002"}, {"held", good}, {text: strings.Repeat("1", 50) + "5154"}},
		{{text: "shardId-000000000012"}, {"paused", caution}, {text: "x\x1b[2J"}},
	}
	show := func(width int, colour bool) string {
		var b bytes.Buffer
		require.NoError(t, screen{w: &b, width: width, colour: colour}.table([]string{"SHARD", "STATE", "CHECKPOINT"},
			map[string]bool{"SHARD": true, "CHECKPOINT": true}, rows))
		return b.String()
	}
	for _, width := range []int{40, 60, 79} {
		for line := range strings.Lines(show(width, false)) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), width)
		}
	}
	require.Equal(t, ""+
		"SHARD            STATE   CHECKPOINT\n"+
		"…d-000000000002  held    …11111111115154\n"+
		"…d-000000000012  paused  x\\u001b[2J\n", show(40, false))
	require.Contains(t, show(0, false), strings.Repeat("1", 50)+"5154\n", "a pipe has no width")
	require.Contains(t, show(10, false), "…0000002  held    ", "what is left tells shards apart")
	coloured := show(0, true)
	require.Contains(t, coloured, "\x1b[32mheld\x1b[0m    1111")
	require.NotContains(t, coloured, "\x1b[2J")
	require.Equal(t, show(0, false), regexp.MustCompile("\x1b\\[\\d*m").ReplaceAllString(coloured, ""),
		"colours move nothing")
}

func TestNoColour(t *testing.T) {
	t.Parallel()
	for want, envs := range map[bool][]map[string]string{
		true:  {nil, {"NO_COLOR": ""}, {"TERM": "xterm"}},
		false: {{"NO_COLOR": "1"}, {"TERM": "dumb"}},
	} {
		for _, env := range envs {
			require.Equal(t, want, plain.HasColours(testkit.Environment(env)), "%v", env)
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	require.Equal(t, screen{w: file}, newScreen(file, testkit.Environment(nil)), "a file has neither")
	require.NoError(t, file.Close())
}

// What takes longer than two seconds is said, on a terminal, and goes away.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := &program{console: &b, terminal: true, now: time.Now}
		done := p.during(t.Context(), "reading\x1b[2J")
		time.Sleep(1900 * time.Millisecond)
		done()
		require.Empty(t, b.String(), "quick things are silent")
		done = p.during(t.Context(), "reading\x1b[2J")
		time.Sleep(3500 * time.Millisecond)
		done()
		line := `reading\u001b[2J … 3s`
		blank := strings.Repeat(" ", utf8.RuneCountInString(line))
		require.Equal(t, "\r"+`reading\u001b[2J … 2s`+"\r"+line+"\r"+blank+"\r", b.String())
		b.Reset()
		p.terminal = false
		done = p.during(t.Context(), "reading")
		time.Sleep(time.Minute)
		done()
		require.Empty(t, b.String())
	})
}
