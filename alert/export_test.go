package alert

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"

	"kinesis-alerter/alert/condition"
)

// Sealed replaces the last four bytes by the right checksum, so that fuzzing gets behind it.
func Sealed(data []byte) []byte {
	if len(data) < 8 {
		return data
	}
	body := data[:len(data)-4]
	return binary.BigEndian.AppendUint32(slices.Clip(body), crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
}

// KeptByOlder reports whether a version without shared keys would keep their section unchanged, and for which keys of a
// rule it would make the alerts.
func KeptByOlder(state []byte, rule string) (kept bool, speaks []string) {
	_, sections, err := openState(state)
	if err != nil {
		return false, nil
	}
	for _, s := range sections {
		if strings.HasPrefix(s.name, inheritedPrefix) {
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

// DistinctHash returns what is kept of a text in a distinct window.
func DistinctHash(key HashKey, s string) []byte {
	v := condition.Value{Kind: condition.Text, Raw: []byte(s)}
	return binary.BigEndian.AppendUint64(nil, key.distinct(&v))
}

// KeptKey returns what is kept of a long key.
func KeptKey(key HashKey, s string) []byte { return key.shorten([]byte(s)) }

// HostileStates returns the largest possible malformed snapshots, by what is wrong with them.
func HostileStates(rules []RuleConfig) map[string][]byte {
	const size = 23 << 20
	c, err := compileConfig(Config{Topics: map[string]TopicConfig{"t": {}}, Rules: rules}.WithDefaults())
	if err != nil {
		panic(err)
	}
	seal := func(kin bool, of int, body *writer) []byte {
		w := &writer{buf: append([]byte(stateMagic), formatPlain)}
		w.int(0)
		w.int(0)
		w.int(0)
		w.uint(1)
		name := c.rules[of].name
		if kin {
			name = inheritedPrefix + name
		}
		w.text(name)
		w.buf = append(w.buf, c.rules[of].fingerprint[:]...)
		w.int(1)
		w.blob(body.buf)
		return Sealed(append(w.buf, 0, 0, 0, 0))
	}
	rule := func(of, most int, each func(w *writer, i int)) []byte {
		entries := &writer{}
		n := 0
		for ; n < most && len(entries.buf) < size; n++ {
			each(entries, n)
		}
		body := &writer{}
		body.float(0)
		body.int(0)
		body.uint(uint64(n))
		body.buf = append(body.buf, entries.buf...)
		return seal(false, of, body)
	}
	plain := func(w *writer, i int) {
		w.entry(0, &entry{
			of:  &ruleMemory{rule: c.rules[0]},
			key: keyNumber(i),
		})
	}
	counted := func(n uint64) *writer {
		w := &writer{}
		w.float(0)
		w.int(0)
		w.uint(n)
		w.buf = append(w.buf, make([]byte, size)...)
		return w
	}
	family := &writer{}
	family.float(0)
	family.int(0)
	family.uint(0)
	family.uint(inheritedVersion)
	family.uint(size / 3)
	for range size / 3 {
		family.uint(1)
		family.text("s")
	}
	relatives := &writer{}
	relatives.float(0)
	relatives.int(0)
	relatives.uint(0)
	relatives.uint(inheritedVersion)
	relatives.uint(1)
	relatives.uint(1)
	relatives.text("s")
	relatives.uint(0)
	relatives.uint(0)
	relatives.uint(size / 6)
	for i := range size / 6 {
		relatives.uint(0)
		relatives.int(1)
		relatives.buf = binary.BigEndian.AppendUint32(append(relatives.buf, 3), uint32(i))[:len(relatives.buf)+4]
	}
	return map[string][]byte{
		"as many entries as bytes": seal(false, 0, counted(size)),
		"more entries than bytes":  seal(false, 0, counted(1<<60)),
		"small entries":            rule(0, size, plain),
		"entries, the last of which is cut": func() []byte {
			b := rule(0, size, plain)
			return Sealed(b[:len(b)-1])
		}(),
		"empty windows": rule(1, size, func(w *writer, i int) {
			w.entry(0, &entry{
				of: &ruleMemory{rule: c.rules[0]}, key: keyNumber(i),
				window: &window{last: 1000, size: 120},
			})
		}),
		"windows of few values": rule(2, size, func(w *writer, i int) {
			w.entry(0, &entry{
				of: &ruleMemory{rule: c.rules[0]}, key: keyNumber(i),
				window: &window{last: 1000, size: 12, legacy: map[uint64]int64{1: 1}},
			})
		}),
		"families": seal(true, 0, family),
		"claims":   seal(true, 0, relatives),
	}
}

// Sizes returns the sizes in memory and in a snapshot, as updated step by step and as counted from scratch.
func Sizes(e *Evaluator) (noted, counted [2]int) {
	var b bulk
	for _, r := range e.memory.rules {
		for _, en := range r.entries {
			b.add(en.bulk())
		}
		for key := range r.claims {
			b.add(bulk{claimHeap + len(key), claimStored + len(key)})
		}
	}
	return [2]int{e.memory.pressure.bulk.heap, e.memory.pressure.bulk.stored}, [2]int{b.heap, b.stored}
}

// NewOf is New for a configuration.
func NewOf(config Config, deps Deps) (*Pipeline, error) {
	rules, err := config.Compile()
	if err != nil {
		return nil, err
	}
	return New(rules, deps)
}

// UpdateTo is Update for a configuration.
func (p *Pipeline) UpdateTo(config Config) error {
	rules, err := config.Compile()
	if err != nil {
		return err
	}
	return p.Update(rules)
}

// keyNumber is a short key.
func keyNumber(i int) string { return string(binary.AppendUvarint(nil, uint64(i))) } //nolint:gosec // a count
