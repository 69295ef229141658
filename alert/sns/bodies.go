package sns

import (
	"maps"
	"slices"
	"sort"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert"
)

const (
	structureJSON = "json"
	// structureLeftOut is that of a message which goes without its structure "string", because SNS refused it with
	// that.
	structureLeftOut = "left out"
	defaultBody      = "default"
	smsProtocol      = "sms"
	// maxSMS is how many characters SNS sends as one SMS, in several parts.
	maxSMS = 1600
)

// protocolBodies makes the JSON object that has a body for each protocol, in at most room bytes: what SNS counts is
// the object, escapes included. Where it does not fit, the longest bodies are cut, all to the same length, each with
// the marker of alert.Truncate. A body that is empty is left out, so that its protocol gets the default. If even the
// shortest bodies do not fit, the object is larger than room.
func protocolBodies(a *alert.Alert, m alert.Message, room int) string {
	names := slices.Sorted(maps.Keys(m.Bodies))
	names = append([]string{defaultBody}, slices.DeleteFunc(names, func(n string) bool { return m.Bodies[n] == "" })...)
	bodies := make([]string, len(names))
	longest := 0
	for i, name := range names {
		bodies[i] = m.Body
		if i > 0 {
			bodies[i] = m.Bodies[name]
		}
		if name == smsProtocol {
			bodies[i] = cutCharacters(bodies[i], maxSMS, a)
		}
		longest = max(longest, len(bodies[i]))
	}
	object := func(limit int) []byte { return appendBodies(nil, names, bodies, limit, a) }
	whole := object(longest)
	if len(whole) <= room {
		return string(whole)
	}
	// The size grows with the limit, but for the few bytes by which a marker is longer than what it replaces. So the
	// search may miss a limit that fits better, and never takes one that does not fit.
	best := object(1)
	sort.Search(min(longest, room), func(limit int) bool {
		b := object(limit)
		if len(b) > room {
			return true
		}
		if len(b) > len(best) || len(best) > room {
			best = b
		}
		return false
	})
	return string(best)
}

// appendBodies appends the object with bodies of at most limit bytes, but at least one character.
func appendBodies(b []byte, names, bodies []string, limit int, a *alert.Alert) []byte {
	b = append(b, '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, name)
		b = append(b, ':')
		_, first := utf8.DecodeRuneInString(bodies[i])
		b = appendText(b, cut(bodies[i], max(limit, first), a))
	}
	return append(b, '}')
}

// appendText appends a JSON string. The text is valid UTF-8, so there is no error.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// cut shortens a body to at most limit bytes, with the marker if there is room for it.
func cut(body string, limit int, a *alert.Alert) string {
	return alert.Truncate(alert.Message{Body: body}, limit, a).Body
}

// cutCharacters shortens a body to at most limit characters.
func cutCharacters(body string, limit int, a *alert.Alert) string {
	most := utf8.RuneCountInString(body)
	if most <= limit {
		return body
	}
	// The marker may have more characters than the bytes that it replaces had.
	for bytes := len(beginningRunes(body, limit)); ; {
		short := cut(body, bytes, a)
		n := utf8.RuneCountInString(short)
		if n <= limit {
			return short
		}
		bytes -= n - limit
	}
}

// beginningRunes is the first n characters of s.
func beginningRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}
