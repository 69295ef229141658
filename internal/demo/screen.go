package demo

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"kinesis-alerter/internal/fakeaws"
)

// screen prints lines above one progress line. On a terminal that line is rewritten in place. Its methods print and
// progress are safe for concurrent use.
type screen struct {
	emails int // how many were printed; used by one goroutine only

	mu   sync.Mutex
	out  io.Writer
	tty  bool
	last string // the progress line on the screen now
}

func newScreen(out io.Writer) *screen {
	s := &screen{out: out}
	if f, ok := out.(*os.File); ok {
		info, err := f.Stat()
		s.tty = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return s
}

// interval is how often the progress line is renewed.
func (s *screen) interval() time.Duration {
	if s.tty {
		return 250 * time.Millisecond
	}
	return 2 * time.Second
}

// print writes text and a line break.
func (s *screen) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	_, _ = fmt.Fprintln(s.out, text)
	s.redraw()
}

// progress shows a new progress line; an empty one takes it away.
func (s *screen) progress(line string) {
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

func (s *screen) erase() {
	if s.tty && s.last != "" {
		_, _ = fmt.Fprint(s.out, "\r\x1b[2K")
	}
}

func (s *screen) redraw() {
	if s.tty && s.last != "" {
		_, _ = fmt.Fprint(s.out, s.last)
	}
}

// frameWidth is the inner width of a framed e-mail, in characters.
const frameWidth = 74

// frame draws an e-mail as a mail program would show it.
func frame(e fakeaws.Email) string {
	var b strings.Builder
	rule := strings.Repeat("─", frameWidth+2)
	b.WriteString("┌" + rule + "┐\n")
	for _, line := range []string{
		"From:    " + e.From, "To:      " + e.To, "Date:    " + e.At.Format(time.RFC1123Z), "Subject: " + e.Subject,
	} {
		frameLines(&b, line)
	}
	b.WriteString("├" + rule + "┤\n")
	for line := range strings.Lines(e.Body) {
		frameLines(&b, strings.TrimRight(line, "\r\n"))
	}
	b.WriteString("└" + rule + "┘")
	return b.String()
}

// frameLines writes one line of text, broken where it does not fit: behind a comma, if there is one, so that JSON stays
// readable.
func frameLines(b *strings.Builder, text string) {
	runes := []rune(strings.ReplaceAll(text, "\t", "    "))
	for first := true; first || len(runes) > 0; first = false {
		n := min(len(runes), frameWidth)
		if n < len(runes) {
			for at := n; at > frameWidth/2; at-- {
				if runes[at-1] == ',' {
					n = at
					break
				}
			}
		}
		fmt.Fprintf(b, "│ %s%s │\n", string(runes[:n]), strings.Repeat(" ", frameWidth-n))
		runes = runes[n:]
	}
}
