package screen

import (
	"fmt"
	"io"
	"sync"
	"time"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/plain"
)

// Screen prints lines above one progress line. On a terminal that line is rewritten in place, and there are colours,
// unless NO_COLOR is set. It is safe for concurrent use.
type Screen struct {
	mu     sync.Mutex
	out    io.Writer
	tty    bool
	colour bool
	last   string // the progress line on the screen now
}

// New is a screen on out. env looks environment variables up.
func New(out io.Writer, env func(string) (string, bool)) *Screen {
	tty := plain.IsTerminal(out)
	return &Screen{out: out, tty: tty, colour: tty && plain.HasColours(env)}
}

// Style is a way to show a text, as the terminal's code has it.
type Style string

// The styles.
const (
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Paint is text in a style, or text alone where there are no colours.
func (s *Screen) Paint(style Style, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + string(style) + "m" + text + "\x1b[0m"
}

// Terminal reports whether a person watches the output.
func (s *Screen) Terminal() bool { return s.tty }

// Interval is how often the progress line is worth renewing.
func (s *Screen) Interval() time.Duration {
	if s.tty {
		return 250 * time.Millisecond
	}
	return 10 * time.Second
}

// Print writes text and a line break.
func (s *Screen) Print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	_, _ = fmt.Fprintln(s.out, text)
	s.redraw()
}

// Email prints an e-mail in its frame.
func (s *Screen) Email(e fakeaws.Email) { s.Print(frame(e, s.Paint)) }

// Progress shows a new progress line; an empty one takes it away.
func (s *Screen) Progress(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tty {
		if line != "" {
			_, _ = fmt.Fprintln(s.out, line)
		}
		return
	}
	s.erase()
	s.last = line
	s.redraw()
}

func (s *Screen) erase() {
	if s.tty && s.last != "" {
		_, _ = fmt.Fprint(s.out, "\r\x1b[2K")
	}
}

func (s *Screen) redraw() {
	if s.tty && s.last != "" {
		_, _ = fmt.Fprint(s.out, s.last)
	}
}
