package alert

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
)

// Sealed replaces the last four bytes by the right checksum, so that fuzzing gets behind it.
func Sealed(data []byte) []byte {
	if len(data) < 8 {
		return data
	}
	body := data[:len(data)-4]
	return binary.BigEndian.AppendUint32(slices.Clip(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// KeptByOlder says whether a version that knows nothing of keys that several shards have would hand on, as it is, what is stored of
// them, and for which keys of a rule it would speak.
func KeptByOlder(state []byte, rule string) (kept bool, speaks []string) {
	_, sections, err := openSnapshot(state)
	if err != nil {
		return false, nil
	}
	for _, s := range sections {
		if strings.HasPrefix(s.name, kinSection) {
			if kept = string(s.inherited(func(string) bool { return false }).body) == string(s.body); !kept {
				return false, nil
			}
		}
		if r := (&reader{buf: s.body}); s.name == rule {
			v := &entryView{}
			r.limit()
			for range r.count() {
				r.entry(v)
				speaks = append(speaks, string(v.key))
			}
		}
	}
	return kept, speaks
}

// DistinctHash is what is kept of a text in a distinct window.
func DistinctHash(key HashKey, s string) []byte {
	v := value{kind: text, raw: []byte(s)}
	return binary.BigEndian.AppendUint64(nil, key.hash(v.appendDistinct(nil)))
}

// KeptKey is what is kept of a long key.
func KeptKey(key HashKey, s string) []byte { return key.shorten([]byte(s)) }
