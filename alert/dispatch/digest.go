package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"strings"
	"time"

	"kinesis-alerter/alert"
)

const (
	// mostMembers is from how many members on a digest does not wait for its time. Gather takes no more.
	mostMembers = 50_000
	// chunkMembers are the members of one piece of memory: a digest grows without being copied.
	chunkMembers = 1024
)

// member is one alert of a digest, with as much of it as the digest's words and the audit log need, and nothing of the
// record's payload. It holds no memory of the record's page.
type member struct {
	id, sequence string
	key          uint64 // hash of what the rule takes for "the same alert"
	value        float64
	arrival      int64 // Unix nanoseconds; 0 is unknown
	// done or asked takes the end of a member, from Gather or Publish; both are nil when it has met its end.
	done  func(error)
	asked *request
	sub   uint32
	line  uint32 // in digest.lines
	from  uint32 // in digest.origins
	kind  kind
}

func (m *member) ended() bool { return m.done == nil && m.asked == nil }

func (m *member) arrived() time.Time {
	if m.arrival == 0 {
		return time.Time{}
	}
	return time.Unix(0, m.arrival)
}

// kind is an alert.Kind in a byte.
type kind uint8

const (
	kindFiring kind = iota
	kindRepeat
	kindResolved
	kindWatchdog
	kindDrill
	kinds
)

func kindOf(k alert.Kind) kind {
	switch k {
	case alert.KindRepeat:
		return kindRepeat
	case alert.KindResolved:
		return kindResolved
	case alert.KindWatchdog:
		return kindWatchdog
	case alert.KindDrill:
		return kindDrill
	case alert.KindFiring, alert.KindDigest:
	}
	return kindFiring
}

// line is what members have in common: a digest says one sentence about each.
type line struct {
	rule, severity string
	worse          int8
	kind           alert.Kind
}

// lease is the lease of a shard, which may end before the digest is sent.
type lease struct {
	ctx context.Context //nolint:containedctx // the life of the lease, not of a call
}

// ended returns why the lease has ended; nil while it has not, and for no lease.
func (l *lease) ended() error {
	if l == nil || l.ctx.Err() == nil {
		return nil
	}
	return context.Cause(l.ctx)
}

func (l *lease) same(other *lease) bool {
	if l == nil || other == nil {
		return l == other
	}
	return l.ctx.Done() == other.ctx.Done()
}

// origin is where members' records came from: a shard, and the lease by which this process had it.
type origin struct {
	shard string
	lease *lease // nil for members whose callers wait
}

// digest is what a topic gathers for one message. It knows no clock and no lock; one owner uses it at a time.
type digest struct {
	opened  time.Time
	chunks  [][]member
	members int
	live    int   // members that have not met their end
	callers int   // those of them whose callers wait
	oldest  int64 // the earliest arrival of a live member; 0 is unknown

	// sampled says that some member has the attribute of AWS's sample.
	sampled bool
	lines   []line
	byLine  map[line]uint32
	origins []origin
	byShard map[string]uint32 // the latest origin of a shard

	// The rest is known from sealing on.

	id string
	// budget bounds the message in bytes after the service has refused a larger one.
	budget int
	// text is the message.
	text alert.Message
}

func newDigest(now time.Time) *digest {
	return &digest{opened: now, byLine: map[line]uint32{}, byShard: map[string]uint32{}}
}

// add appends an alert. Exactly one of done and asked takes its end.
func (d *digest) add(a *alert.Alert, seed maphash.Seed, lease *lease, done func(error), asked *request) {
	key := a.Key
	if key == "" {
		key = a.Record.PartitionKey
	}
	m := member{
		id: strings.Clone(a.ID), sequence: strings.Clone(a.Record.SequenceNumber), sub: a.Record.SubSequence,
		key: maphash.String(seed, key), value: a.Value, done: done, asked: asked, kind: kindOf(a.Kind),
		line: d.lineOf(a), from: d.originOf(a.Record.Shard, lease),
	}
	d.sampled = d.sampled || a.HasSampleAttribute()
	if !a.Occurred().IsZero() {
		m.arrival = a.Occurred().UnixNano()
		d.oldest = earlier(d.oldest, m.arrival)
	}
	if d.members%chunkMembers == 0 {
		size := chunkMembers
		if d.members == 0 {
			size = 0 // most digests are small: let the first piece grow
		}
		d.chunks = append(d.chunks, make([]member, 0, size))
	}
	last := len(d.chunks) - 1
	d.chunks[last] = append(d.chunks[last], m)
	d.members++
	d.live++
	if asked != nil {
		d.callers++
	}
}

func (d *digest) lineOf(a *alert.Alert) uint32 {
	l := line{a.Rule, a.Severity, a.Worse, a.Kind}
	i, ok := d.byLine[l]
	if !ok {
		i = uint32(len(d.lines)) //nolint:gosec // at most one for each member
		d.lines = append(d.lines, l)
		d.byLine[l] = i
	}
	return i
}

func (d *digest) originOf(shard string, lease *lease) uint32 {
	i, ok := d.byShard[shard]
	if !ok || !lease.same(d.origins[i].lease) {
		shard = strings.Clone(shard)
		i = uint32(len(d.origins)) //nolint:gosec // at most one for each member
		d.origins = append(d.origins, origin{shard, lease})
		d.byShard[shard] = i
	}
	return i
}

// each calls f for every live member, in the order of gathering.
func (d *digest) each(f func(*member)) {
	for _, chunk := range d.chunks {
		for i := range chunk {
			if m := &chunk[i]; !m.ended() {
				f(m)
			}
		}
	}
}

// ending is the end of one member, of which its owner still has to hear.
type ending struct {
	done  func(error)
	asked *request
	err   error
}

// report reports it to the owner. The digest must not be locked: done is foreign code.
func (e ending) report(messageID string) {
	if e.asked != nil {
		e.asked.answer <- outcome{messageID, e.err}
	} else {
		e.done(e.err)
	}
}

// end ends one member.
func (d *digest) end(m *member, err error) ending {
	e := ending{m.done, m.asked, err}
	if m.asked != nil {
		d.callers--
	}
	m.done, m.asked = nil, nil
	d.live--
	return e
}

// remove ends the members for which judge has an error, and returns what to report to their owners.
func (d *digest) remove(judge func(*member, *origin) error) []ending {
	var out []ending
	d.oldest = 0
	d.each(func(m *member) {
		if err := judge(m, &d.origins[m.from]); err != nil {
			out = append(out, d.end(m, err))
			return
		}
		d.oldest = earlier(d.oldest, m.arrival)
	})
	return out
}

// seal fixes the digest's id: the SHA-256, in hex, of its members' ids in order, each followed by a line break.
func (d *digest) seal() {
	sum := sha256.New()
	d.each(func(m *member) {
		_, _ = sum.Write([]byte(m.id)) // a hash returns no error
		_, _ = sum.Write([]byte{'\n'})
	})
	d.id = hex.EncodeToString(sum.Sum(nil))
}
