package alert

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/dchest/siphash"

	"kinesis-alerter/alert/condition"
)

// Formats of snapshots. A worker writes the latest one that every worker of the application reads ([Evaluator.Agree]);
// each of them is read forever.
const (
	// formatPlain is that of the first versions: FNV-1a tells distinct values apart, and keys are kept whole.
	formatPlain = 1
	// formatKeyed tells distinct values apart by SipHash under the application's key, and keeps long keys as a digest.
	formatKeyed = 2
	// formatEnds also keeps what silences said of a key's last record, and what the end of an alert needs once its rule
	// is gone.
	formatEnds = 3

	// StateFormat is the latest format that this version reads and writes.
	StateFormat = formatEnds
)

const (
	// maxKey is how many bytes of a key are kept whole. A partition key, of at most 256 characters, always is: which
	// child of a split owns it is decided by all of it.
	maxKey = 1024
	// firstPart is how many bytes of a longer key are kept in front of its digest.
	firstPart = 256
)

// HashKey is the secret of an application under which it hashes what producers write, so that none of them can make two
// texts that count as one.
type HashKey [16]byte

func (k *HashKey) halves() (k0, k1 uint64) {
	return binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
}

// shorten is what is kept of a long key: its first part, and a digest of all of it.
func (k *HashKey) shorten(key []byte) []byte {
	end := firstPart
	for end > firstPart-utf8.UTFMax && !utf8.RuneStart(key[end]) {
		end--
	}
	k0, k1 := k.halves()
	var sum [16]byte
	h0, h1 := siphash.Hash128(k0, k1, key)
	binary.BigEndian.PutUint64(sum[:8], h0)
	binary.BigEndian.PutUint64(sum[8:], h1)
	return hex.AppendEncode(append(slices.Clone(key[:end]), "…"...), sum[:])
}

// agreement is what the workers of an application have agreed on.
type agreement struct {
	key    HashKey
	format byte
}

// has says whether what came with a format can be kept.
func (a *agreement) has(format byte) bool { return a.format >= format }

func (a *agreement) keyed() bool { return a.has(formatKeyed) }

// Agree tells the evaluator under which key the application hashes what producers write, and the latest format of
// snapshots that all of its workers read. Before Restore or Inherit it decides in which format the shard begins, if
// what is restored is not of a later one. After that a later format is taken up at once, and nothing else changes. An
// evaluator on which nobody calls Agree uses the latest format, with a key that everybody knows.
func (e *Evaluator) Agree(key HashKey, format int) {
	e.agreed = agreement{key, byte(min(max(format, formatPlain), StateFormat))}
	m := e.memory
	if m.empty() {
		m.agreement = e.agreed
		return
	}
	if m.format < e.agreed.format {
		m.upgrade(e.agreed)
	}
}

// empty says whether nothing is remembered.
func (m *memory) empty() bool {
	for _, r := range m.rules {
		if len(r.entries) > 0 || len(r.claims) > 0 {
			return false
		}
	}
	for _, x := range m.scores {
		if len(x.byKey) > 0 {
			return false
		}
	}
	return len(m.former) == 0
}

// upgrade continues in a later format. What has a hash key keeps it.
func (m *memory) upgrade(to agreement) {
	keyed := m.keyed()
	if keyed {
		to.key = m.key
	}
	if m.agreement = to; !keyed {
		m.rehash()
	}
}

// rehash takes up the hash key. A window keeps what it has seen by the hash of before until all of that has passed.
func (m *memory) rehash() {
	for _, r := range m.rules {
		for _, en := range r.entries {
			en.grade = en.severity // what a restart would have kept
			if en.window != nil {
				en.window.upgrade()
			}
			if short := m.shortened(r.rule, en.key); short != en.key {
				m.rename(en, short)
			}
			m.pressure.weigh(en)
		}
		for key, c := range r.claims {
			if short := m.shortened(r.rule, key); short != key {
				m.dropClaim(r, key)
				m.setClaim(r, short, c)
			}
		}
	}
	for _, x := range m.scores {
		x.shorten()
	}
	m.timers.restore()
}

// rename gives an entry another key. Two that become one, which takes a digest met twice, continue as the one that has
// it.
func (m *memory) rename(en *entry, key string) {
	if en.of.entries[key] != nil {
		m.drop(en)
		return
	}
	delete(en.of.entries, en.key)
	en.key = key
	en.of.entries[key] = en
}

// shortened is what is kept of a key of a rule. A partition key is kept whole.
func (m *memory) shortened(r *rule, key string) string {
	if len(key) <= maxKey || r.key == nil || !m.keyed() {
		return key
	}
	return string(m.key.shorten([]byte(key)))
}

// distinct is a hash that tells a value from others. Equal numbers are one value, however they are written.
func (k *HashKey) distinct(v *condition.Value) uint64 {
	var fixed [8]byte
	text := v.Raw
	switch {
	case v.Kind == condition.Span:
		binary.BigEndian.PutUint64(fixed[:], uint64(v.NS)) //nolint:gosec // all of its bits
		text = fixed[:]
	case v.Kind == condition.Moment:
		text = strconv.AppendInt(nil, v.At.UnixNano(), 10)
	case v.Kind == condition.Number && v.Wide:
		if x, exact := v.Rational().Float64(); exact {
			binary.BigEndian.PutUint64(fixed[:], math.Float64bits(x))
			text = fixed[:]
		}
	case v.Kind == condition.Number, v.Kind == condition.Boolean:
		binary.BigEndian.PutUint64(fixed[:], math.Float64bits(v.Num+0)) // -0 is 0
		text = fixed[:]
	}
	k0, k1 := k.halves()
	return siphash.Hash(k0^uint64(v.Kind), k1, text) // the kinds have keys of their own
}
