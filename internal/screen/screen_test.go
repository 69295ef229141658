package screen

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

func noEnvironment(string) (string, bool) { return "", false }

// A long line is broken, and every line of the frame has the same width, whatever the alphabet.
func TestFrame(t *testing.T) {
	text := Frame(fakeaws.Email{
		From: "no-reply@sns.amazonaws.com", To: "oncall@example.com", Subject: "Täglich " + strings.Repeat("x", 90),
		Body: "one\ttab\r\n\n" + strings.Repeat("ü", 200),
	})
	lines := strings.Split(text, "\n")
	require.Len(t, lines, 1+5+1+5+1, text)
	for _, line := range lines {
		require.Len(t, []rune(line), frameWidth+4, text)
	}
}

// On a terminal the progress line stays below what is printed; elsewhere it is one more line.
func TestProgressLine(t *testing.T) {
	var out bytes.Buffer
	s := New(&out, noEnvironment)
	s.Progress("1 record")
	s.Print("mail")
	require.Equal(t, "1 record\nmail\n", out.String())
	require.Equal(t, 10*time.Second, s.Interval())

	out.Reset()
	s = &Screen{out: &out, tty: true}
	s.Progress("1 record")
	s.Print("mail")
	s.Progress("")
	require.Equal(t, "1 record\r\x1b[2Kmail\n1 record\r\x1b[2K", out.String())
}

// Whoever publishes writes on the terminal of whoever looks: as text only.
func TestEmailsObeyNobody(t *testing.T) {
	text := Frame(fakeaws.Email{
		From: testkit.HostileText, To: testkit.HostileText, Subject: testkit.HostileText, Body: testkit.HostileText,
	})
	testkit.Obeyed(t, text)
}

func TestColours(t *testing.T) {
	mail := fakeaws.Email{Subject: "s", Body: "b"}
	var out bytes.Buffer
	New(&out, noEnvironment).Email(mail)
	require.NotContains(t, out.String(), "\x1b", "not a terminal")
	out.Reset()
	(&Screen{out: &out, colour: true}).Email(mail)
	require.Contains(t, out.String(), "\x1b[1mSubject: s\x1b[0m")
}
