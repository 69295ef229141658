package alert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"time"
)

// stateHead is what precedes the sections of a snapshot.
type stateHead struct {
	agreement

	eventTime, clock, watchdog int64
}

// openState checks a snapshot and splits it into its sections. Their bodies are parts of data.
func openState(data []byte) (head stateHead, sections []section, err error) {
	if len(data) < len(stateMagic)+1+4 || len(data) > maxState || string(data[:3]) != stateMagic {
		return head, nil, fmt.Errorf("%w: it is not one", ErrState)
	}
	if head.format = data[3]; head.format < formatPlain || head.format > StateFormat {
		return head, nil, fmt.Errorf("%w: it has version %d, this program reads up to %d", ErrState, head.format,
			StateFormat)
	}
	body, sum := data[:len(data)-4], binary.BigEndian.Uint32(data[len(data)-4:])
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return head, nil, fmt.Errorf("%w: its checksum is wrong", ErrState)
	}
	r := &reader{buf: body[4:]}
	head.eventTime, head.clock, head.watchdog = r.int(), r.time(), r.time()
	if head.keyed() {
		copy(head.key[:], r.take(uint64(len(head.key))))
	}
	n := r.count()
	if n > maxSections {
		r.fail()
	}
	for range n {
		s := section{name: r.text()}
		copy(s.fingerprint[:], r.take(16))
		s.used = r.time()
		if head.has(formatEnds) {
			s.covers = r.coverList()
		}
		if s.body = r.take(r.uint()); r.failed {
			break
		}
		sections = append(sections, s)
	}
	if r.failed || len(r.buf) > 0 {
		return head, nil, fmt.Errorf("%w: its parts do not fit together", ErrState)
	}
	return head, sections, nil
}

// A snapshot is a header, sections by rule, and a checksum:
//
//	magic, format | event time, clock, watchdog | hash key, 16 bytes (from format 2 on) | number of sections |
//	  { name, fingerprint, time of the last use, length, body } ... | CRC-32C
//
// Numbers are varints. Format 1 differs from 2 in that keys are kept whole and that distinct windows have no values by
// the hash key. A snapshot is checked before memory is allocated for it: it may have been tampered with. A section
// whose name and fingerprint no rule has is kept as it is, so that a rolled-back rule set finds its state again.
// Entries carry a rank that orders those of one rule and phase by their last use (eviction.go).
const (
	stateMagic = "KAS"
	// maxState bounds what Restore reads, maxSections and maxNames how many sections and shard names it may have.
	maxState    = 1 << 30
	maxSections = 1 << 16
	maxNames    = 1 << 16
	// maxMillis is the latest time that fits in nanoseconds: the year 2262.
	maxMillis = math.MaxInt64 / int64(time.Millisecond)
)

// scorePrefix precedes the name of a score in the name of its section; no rule name has a colon.
const scorePrefix = "score:"

// section is the state of one rule, as stored in a snapshot.
type section struct {
	name        string
	fingerprint [16]byte
	used        int64 // the time reached, in milliseconds, when a rule last used it
	body        []byte
	// covers are the hashes of the conditions behind the bits of its entries; format 3.
	covers []uint32

	// What follows is about former rules (edited_rules.go). owedEnds counts the entries of which a topic is owed the
	// end, and over are those whose end the present rule has sent in the meantime.

	notified *notifiedSection
	owedEnds int
	over     map[string][]string
}

// ErrState says that a snapshot cannot be read: it is damaged, or of a later format.
var ErrState = errors.New("evaluator state cannot be read")

// MaxState is how large a snapshot may be to be stored. What rules remember always fits; scores may not.
const MaxState = 23 << 20

// Heaviest returns what takes most of a snapshot, "rule NAME" or "score NAME", with its bytes.
func Heaviest(state []byte) (name string, most int) {
	_, sections, err := openState(state)
	if err != nil {
		return "no rule", 0
	}
	for _, s := range sections {
		if len(s.body) < most {
			continue
		}
		most = len(s.body)
		if score, ok := strings.CutPrefix(s.name, scorePrefix); ok {
			name = "score " + score
		} else {
			name = "rule " + strings.TrimPrefix(strings.TrimPrefix(s.name, inheritedPrefix), notifiedPrefix)
		}
	}
	return name, most
}
