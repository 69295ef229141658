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
	// formatPlain is the format of the first versions: distinct values are hashed by FNV-1a, and keys are kept whole.
	formatPlain = 1
	// formatKeyed hashes distinct values by SipHash under the application's key, and keeps long keys as a digest.
	formatKeyed = 2
	// formatEnds also keeps which silences covered a key's last record, and what it takes to end an alert whose rule is
	// gone.
	formatEnds = 3

	// StateFormat is the latest format that this version reads and writes.
	StateFormat = formatEnds
)

const (
	// maxKey is the length in bytes up to which a key is kept whole. A partition key, of at most 256 characters, always
	// is: the whole key decides which child of a split owns it.
	maxKey = 1024
	// firstPart is how many bytes of a longer key are kept in front of its digest.
	firstPart = 256
)

// HashKey is the application's secret for hashing what producers write. Without it, no producer can craft two texts
// that count as one.
type HashKey [16]byte

func (k *HashKey) halves() (k0, k1 uint64) {
	return binary.LittleEndian.Uint64(k[:8]), binary.LittleEndian.Uint64(k[8:])
}

// shorten returns what is kept of a long key: its first part, and a digest of all of it.
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

// has reports whether what a format introduced can be kept.
func (a *agreement) has(format byte) bool { return a.format >= format }

func (a *agreement) keyed() bool { return a.has(formatKeyed) }

// Agree sets the key under which the application hashes what producers write, and the latest snapshot format that all
// of its workers read. Called before Restore or Inherit, it sets the format in which the shard starts, unless what is
// restored has a later one. Called after that, it switches to a later format at once and changes nothing else. Without
// a call of Agree, an evaluator uses the latest format and a key that is public.
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

// empty reports whether the memory holds no entry and no claim.
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

// upgrade switches to a later format. A memory that has a hash key keeps it.
func (m *memory) upgrade(to agreement) {
	keyed := m.keyed()
	if keyed {
		to.key = m.key
	}
	if m.agreement = to; !keyed {
		m.rehash()
	}
}

// rehash switches to the hash key. A window keeps the values that it saw under the former hash until all of them have
// left it.
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

// rename gives an entry another key. If another entry already has that key, which takes a collision of digests, that
// one stays.
func (m *memory) rename(en *entry, key string) {
	if en.of.entries[key] != nil {
		m.drop(en)
		return
	}
	delete(en.of.entries, en.key)
	en.key = key
	en.of.entries[key] = en
}

// shortened returns what is kept of a rule's key. A partition key is kept whole.
func (m *memory) shortened(r *rule, key string) string {
	if len(key) <= maxKey || r.key == nil || !m.keyed() {
		return key
	}
	return string(m.key.shorten([]byte(key)))
}

// distinct returns the hash of a value in a distinct window. Equal numbers have the same hash, however they are
// written.
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
