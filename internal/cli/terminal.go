package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"kinesis-alerter/internal/plain"
)

// style is how a text looks on a terminal with colours.
type style string

const (
	noStyle style = ""
	good    style = "32" // green
	caution style = "33" // yellow
	bad     style = "31" // red
	faint   style = "2"
	bold    style = "1"
)

// paint is a text, which has to be printable, in a style.
func (s style) paint(text string) string {
	if s == noStyle {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// screen is where a command shows its results to people: text from outside is escaped, and on a terminal there are
// colours and a width.
type screen struct {
	w      io.Writer // escapes nothing
	colour bool
	width  int // 0 without a terminal: then nothing is shortened
}

// newScreen looks at what w is.
func newScreen(w io.Writer, env func(string) (string, bool)) screen {
	file, ok := w.(*os.File)
	if !ok || !plain.IsTerminal(file) {
		return screen{w: w}
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil {
		width = 0
	}
	return screen{w: w, colour: plain.HasColours(env), width: width}
}

// results is where the command shows what it found.
func (p *program) results() screen {
	if p.out.w == nil { // no terminal
		return screen{w: p.stdout}
	}
	return p.out
}

// complaints is where the command shows what is wrong.
func (p *program) complaints() screen {
	if p.errs.w == nil {
		return screen{w: p.stderr}
	}
	return p.errs
}

// text is a text from anywhere, safe to show, in a style where there are colours.
func (s screen) text(in style, text string) string {
	if text = plain.Text(text); s.colour {
		return in.paint(text)
	}
	return text
}

// cell is a field of a table.
type cell struct {
	text string
	in   style
}

// narrowest is to how few characters a column is shortened. It leaves the end of an id, which differs.
const narrowest = 8

// table writes rows under heads. On a terminal that is too narrow the widest of the columns that may be, are shortened
// at their beginning, until the table fits or nothing is left to shorten; heads are not.
func (s screen) table(heads []string, shorten map[string]bool, rows [][]cell) error {
	widths, floors := make([]int, len(heads)), make([]int, len(heads))
	total := 2 * (len(heads) - 1)
	for i, head := range heads {
		widths[i] = utf8.RuneCountInString(head)
		floors[i] = max(widths[i], narrowest)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(plain.Text(row[i].text)))
		}
		total += widths[i]
	}
	for ; s.width > 0 && total > s.width; total-- {
		widest := -1
		for i, head := range heads {
			if shorten[head] && widths[i] > floors[i] && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	var b strings.Builder
	line := func(of func(i int) (text string, in style)) {
		for i := range heads {
			text, in := of(i)
			if runes := []rune(plain.Text(text)); len(runes) > widths[i] {
				text = "…" + string(runes[len(runes)-widths[i]+1:])
			}
			b.WriteString(s.text(in, text))
			if i < len(heads)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(plain.Text(text))+2))
			}
		}
		b.WriteByte('\n')
	}
	line(func(i int) (string, style) { return heads[i], faint })
	for _, row := range rows {
		line(func(i int) (string, style) { return row[i].text, row[i].in })
	}
	_, err := io.WriteString(s.w, b.String())
	return err
}

const (
	// progressAfter is how long something may take before it is said what it is.
	progressAfter = 2 * time.Second
	progressEvery = time.Second
	// longestProgress keeps the line on one of the narrowest terminals: the way back is to its beginning.
	longestProgress = 78
)

// during says on a terminal what takes longer than two seconds, and for how long it has, in a line of standard error
// that goes away when the function that it returns is called. Call that before anything else is written.
func (p *program) during(ctx context.Context, what string) (done func()) {
	return p.duringThat(ctx, func() string { return what })
}

// duringThat is during with words that change.
func (p *program) duringThat(ctx context.Context, what func() string) (done func()) {
	if !p.terminal {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		began, drawn := p.now(), 0
		ticks := time.NewTicker(progressEvery)
		defer ticks.Stop()
		for {
			select {
			case <-ctx.Done():
				if drawn > 0 {
					_, _ = fmt.Fprintf(p.console, "\r%s\r", strings.Repeat(" ", drawn))
				}
				return
			case <-ticks.C:
			}
			if spent := p.now().Sub(began); spent >= progressAfter {
				line := plain.Text(fmt.Sprintf("%s … %s", what(), spent.Round(time.Second)))
				if runes := []rune(line); len(runes) > longestProgress {
					line = string(runes[:longestProgress])
				}
				_, _ = fmt.Fprintf(p.console, "\r%-*s", drawn, line)
				drawn = max(drawn, utf8.RuneCountInString(line))
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
