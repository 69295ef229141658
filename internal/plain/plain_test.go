package plain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/plain"
)

const evil = "E\x1b]0;owned\x07\x1b[2J\u009b31m\u202e\nOK  forged\r\t\u2028\u00a0\U000e0041\xff"

type word string

type named struct{ name string }

func (n named) String() string { return n.name }

type listed []string

func (l listed) Error() string   { return strings.Join(l, "\n") }
func (l listed) Lines() []string { return l }

func printable(t *testing.T, s string) {
	t.Helper()
	require.True(t, utf8.ValidString(s))
	for _, r := range s {
		require.True(t, strconv.IsPrint(r), "%q", s)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	require.Equal(
		t, `E\u001b]0;owned\u0007\u001b[2J\u009b31m\u202e\nOK  forged\r\t\u2028\u00a0\udb40\udc41\xff`,
		plain.Text(evil),
	)
	for _, s := range []string{"", "plain", "Grüße, 東京 – 🚨 e\u0301", `a\nb`} {
		require.Equal(t, s, plain.Text(s), "it is left alone")
	}
	for r := range rune(0x11_0000) {
		if utf8.ValidRune(r) && plain.Text(string(r)) != string(r) == strconv.IsPrint(r) {
			t.Fatalf("%U", r)
		}
	}
}

func TestArgumentsAreOneLineEach(t *testing.T) {
	t.Parallel()
	for _, arg := range []any{evil, word(evil), errors.New(evil), named{evil}} {
		var b bytes.Buffer
		_, err := plain.Fprintf(&b, "a %v\nb\t%d\n", arg, 7)
		require.NoError(t, err)
		first, rest, _ := strings.Cut(b.String(), "\n")
		printable(t, first)
		require.Equal(t, "b\t7\n", rest, "the format's own")
		b.Reset()
		_, err = plain.Fprintln(&b, "x", arg, nil)
		require.NoError(t, err)
		printable(t, strings.TrimSuffix(b.String(), "\n"))
	}
}

func TestLinesOfErrors(t *testing.T) {
	t.Parallel()
	forged := errors.New("a\nOK  forged")
	require.Equal(t, []string{"a\nOK  forged"}, plain.Lines(forged), "one line, whatever it says")
	require.Equal(t, []string{"x: a\nOK  forged"}, plain.Lines(fmt.Errorf("x: %w", forged)))
	two := fmt.Errorf("both: %w", errors.Join(forged, errors.New("b")))
	require.Equal(t, []string{"both: a\nOK  forged", "b"}, plain.Lines(two))
	require.Equal(t, []string{"both: a\nOK  forged", "b", "c", "d"}, plain.Lines(errors.Join(two, listed{"c", "d"})))
	require.Equal(t, []string{"in: c", "d"}, plain.Lines(fmt.Errorf("in: %w", listed{"c", "d"})))
	require.Equal(t, []string{"a: b, c"}, plain.Lines(fmt.Errorf("a: %w, %w", errors.New("b"), errors.New("c"))))
}

func TestWriter(t *testing.T) {
	t.Parallel()
	document, err := json.Marshal(strings.ToValidUTF8(evil, "?"))
	require.NoError(t, err)
	want := strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(plain.Text(evil))
	for size := 1; size < 9; size++ { // characters in parts
		var b bytes.Buffer
		w := plain.NewWriter(&b)
		for part := range chunks(evil, size) {
			n, err := w.Write([]byte(part))
			require.NoError(t, err)
			require.Len(t, part, n)
		}
		require.NoError(t, w.Flush())
		require.Equal(t, want, b.String())

		b.Reset()
		for part := range chunks(string(document), size) {
			_, err := w.Write([]byte(part))
			require.NoError(t, err)
		}
		printable(t, b.String())
		var back string
		require.NoError(t, json.Unmarshal(b.Bytes(), &back), "the same document")
		require.Equal(t, strings.ToValidUTF8(evil, "?"), back)
	}
	var b bytes.Buffer
	w := plain.NewWriter(&b)
	_, _ = w.Write([]byte("half \xe2\x80"))
	require.NoError(t, w.Flush())
	require.Equal(t, `half \xe2\x80`, b.String())
}

func chunks(s string, size int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := 0; i < len(s); i += size {
			if !yield(s[i:min(len(s), i+size)]) {
				return
			}
		}
	}
}
