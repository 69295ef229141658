package envelope

import (
	"bytes"
	"fmt"
	"strings"

	"kinesis-alerter/alert/decode/scan"
	"kinesis-alerter/alert/payload"
)

// fields are members of an object as they are written, in the order of the names; nil is one that is missing.
// count is how many members there are.
func fields(kind string, src []byte, names ...string) (values [][]byte, count int, fault *payload.Fault) {
	values = make([][]byte, len(names))
	i := scan.Space(src, 0)
	end, defect := scan.Value(src, i)
	switch {
	case defect == payload.TooDeep:
		return nil, 0, &payload.Fault{
			Defect: defect, Detail: fmt.Sprintf("%s: more than %d levels", kind, scan.MaxDepth),
		}
	case defect == payload.Truncated:
		return nil, 0, wrong(kind, "the JSON ends in the middle, at byte %d", end)
	case defect != "":
		return nil, 0, wrong(kind, "no JSON from byte %d of %d on", end, len(src))
	case scan.Space(src, end) < len(src):
		return nil, 0, wrong(kind, "there is more behind the JSON, from byte %d on", scan.Space(src, end))
	case src[i] != '{':
		return nil, 0, wrong(kind, "the record is no JSON object")
	}
	for i = scan.Space(src, i+1); src[i] != '}'; count++ {
		name, at, _ := scan.Member(src, i)
		next, _ := scan.Value(src, at)
		value := src[at:next]
		if i = scan.Space(src, next); src[i] == ',' {
			i = scan.Space(src, i+1)
		}
		for n := range names {
			if !scan.Is(name, names[n]) {
				continue
			}
			if values[n] != nil { // which one counts?
				return nil, 0, &payload.Fault{Defect: payload.DuplicateKey, Detail: kind + ": a second " + names[n]}
			}
			values[n] = value
		}
	}
	return values, count, nil
}

// wrong is the fault of what is not the envelope.
func wrong(kind, format string, args ...any) *payload.Fault {
	return &payload.Fault{Defect: payload.BadEnvelope, Detail: kind + ": " + fmt.Sprintf(format, args...)}
}

func isText(value []byte) bool   { return len(value) > 0 && value[0] == '"' }
func isObject(value []byte) bool { return len(value) > 0 && value[0] == '{' }

// isNothing is what is missing or null.
func isNothing(value []byte) bool { return value == nil || string(value) == "null" }

// text is that of a value; empty for anything but a text.
func text(value []byte) string {
	if !isText(value) {
		return ""
	}
	return string(scan.Unquote(value[1 : len(value)-1]))
}

// short is a value as a message shows it.
func short(value []byte) string {
	if len(value) > 40 {
		value = append(bytes.Clone(value[:40]), "..."...)
	}
	return strings.ToValidUTF8(string(value), "\uFFFD")
}
