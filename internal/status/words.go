package status

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// because is the reason of failed calls, in brackets.
func because(code string) string {
	switch code {
	case "":
		return ""
	case "timeout":
		return " (no answer)"
	}
	return " (" + code + ")"
}

func first(ids []string) string {
	const most = 3
	if len(ids) <= most {
		return ": " + strings.Join(ids, ", ")
	}
	return ": " + strings.Join(ids[:most], ", ") + ", …"
}

// Number writes a count with its thing.
func Number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(uint64(max(0, n))) + " " + thing + "s"
}

func number(n uint64, thing string) string { return Number(int(min(n, math.MaxInt32)), thing) }

func are(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " is"
	}
	return Number(n, thing) + " are"
}

func have(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " has"
	}
	return Number(n, thing) + " have"
}

func wait(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing + " waits"
	}
	return grouped(n) + " " + thing + "s wait"
}

// grouped writes 1234567 as 1,234,567.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Count writes a number of things, in groups of three digits.
func Count(n int) string { return grouped(uint64(max(0, n))) }

// seconds is a duration of the model.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// words writes a duration with at most two units: 0.2 s, 40 s, 3 m 20 s, 2 h 5 m, 3 d 4 h.
func words(d time.Duration) string {
	s := d.Seconds()
	switch {
	case s < 0.05:
		return "0 s"
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	}
	n := int64(math.Round(s))
	pair := func(unit int64, big, small string, smallUnit int64) string {
		if rest := n % unit / smallUnit; rest > 0 {
			return fmt.Sprintf("%d %s %d %s", n/unit, big, rest, small)
		}
		return fmt.Sprintf("%d %s", n/unit, big)
	}
	switch {
	case n < 60:
		return fmt.Sprintf("%d s", n)
	case n < 3600:
		return pair(60, "m", "s", 1)
	case n < 86400:
		return pair(3600, "h", "m", 60)
	}
	return pair(86400, "d", "h", 3600)
}

// Moment is a time for JSON: nil where it is not known.
func Moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

// shortShard is the part of a shard's id that distinguishes it within the stream.
func shortShard(id string) string {
	number := strings.TrimLeft(strings.TrimPrefix(id, "shardId-"), "0")
	return "…" + strings.Repeat("0", max(0, 4-len(number))) + number
}

// ActiveWhen says in words when a silence is active.
func ActiveWhen(from, until, now time.Time) string {
	switch in := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }; {
	case !until.After(now):
		return "ended " + in(until)
	case from.After(now):
		return "from " + in(from) + " until " + in(until)
	default:
		return "active until " + in(until)
	}
}
