package screen

import (
	"strings"
	"time"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/plain"
)

// frameWidth is the inner width of a framed e-mail, in characters.
const frameWidth = 74

// Frame draws an e-mail as a mail program would show it, without colours.
func Frame(e fakeaws.Email) string {
	return frame(e, func(_ Style, text string) string { return text })
}

func frame(e fakeaws.Email, paint func(Style, string) string) string {
	var b strings.Builder
	border := func(left, right string) {
		b.WriteString(paint(Dim, left+strings.Repeat("─", frameWidth+2)+right))
	}
	// A line is broken where it does not fit: behind a blank or a comma, if there is one.
	lines := func(text string, style Style) {
		runes := []rune(plain.Text(strings.ReplaceAll(text, "\t", "    ")))
		for first := true; first || len(runes) > 0; first = false {
			n := min(len(runes), frameWidth)
			if n < len(runes) {
				for at := n; at > frameWidth/2; at-- {
					if runes[at-1] == ',' || runes[at-1] == ' ' {
						n = at
						break
					}
				}
			}
			line := string(runes[:n])
			if style != "" {
				line = paint(style, line)
			}
			b.WriteString(paint(Dim, "│") + " " + line + strings.Repeat(" ", frameWidth-n) + " " + paint(Dim, "│") +
				"\n")
			runes = runes[n:]
		}
	}
	border("┌", "┐\n")
	lines("From:    "+e.From, Dim)
	lines("To:      "+e.To, Dim)
	lines("Date:    "+e.At.Format(time.RFC1123Z), Dim)
	lines("Subject: "+e.Subject, Bold)
	border("├", "┤\n")
	for line := range strings.Lines(e.Body) {
		lines(strings.TrimRight(line, "\r\n"), "")
	}
	border("└", "┘")
	return b.String()
}
