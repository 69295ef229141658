package alert

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// evictionOrder returns a number that orders the entries of a rule by eviction, the first one lowest; its lower 24 bits
// are free.
func (v *entryView) evictionOrder(r *rule, rank uint64) uint64 {
	const last = 1<<38 - 1
	rank = min(rank, last)
	p := v.phase()
	if r.absence.After > 0 && p == quiet {
		rank = last - rank
	}
	return uint64(p)<<phaseShift | rank<<24
}

// The bits of an entry: what it is, and which parts follow.
const (
	entryFiring = 1 << iota
	entryNotified
	entryLast
	entryWindow
	entryLegacy      // the values of a distinct window, by the plain hash
	entryProvisional // other shards have it, too; nothing follows
	entryValues      // the values of a distinct window, by the hash key; format 2
	entryGrade       // the last record has a different severity; format 2
	entryExact       // the window has exact sums, and the time from which it is watched; format 2
	entryEnded       // the last alert said that the key is resolved; format 2
	entryAudience    // the audience is not the first one of the rule; format 3
	entryCovers      // the conditions of silences that were met; format 3
	entrySilenced    // the part of the window that a silence covered; format 3
	entryBits
)

// entry writes an entry after its rank in the order of use.
func (w *writer) entry(rank uint64, e *entry) {
	graded := w.format >= formatKeyed && e.grade != e.severity && e.of.rule.severityOf != nil
	w.uint(rank)
	bits := uint64(0)
	set := func(bit uint64, on bool) {
		if on {
			bits |= bit
		}
	}
	exact := e.window != nil && w.format >= formatKeyed
	hasAudience := e.audience != 0 && e.firing && e.notified && w.format >= formatEnds
	set(entryAudience, hasAudience)
	set(entryExact, exact)
	set(entryEnded, e.ended && w.format >= formatKeyed)
	covers := w.format >= formatEnds && e.covers()
	silenced := w.format >= formatEnds && e.window != nil && e.window.silenced != nil
	set(entryCovers, covers)
	set(entrySilenced, silenced)
	set(entryGrade, graded)
	set(entryFiring, e.firing)
	set(entryNotified, e.notified)
	set(entryProvisional, e.provisional != nil)
	set(entryLast, e.last != nil)
	set(entryWindow, e.window != nil)
	set(entryLegacy, e.window != nil && e.window.legacy != nil)
	set(entryValues, e.window != nil && e.window.values != nil)
	if w.uint(bits); hasAudience {
		w.uint(w.audiences[e.audience-1])
	}
	w.text(e.key)
	w.uint(uint64(e.severity))
	if graded {
		w.uint(uint64(e.grade))
	}
	w.int(e.pending())
	w.uint(uint64(e.streak))
	w.int(e.since)
	w.int(e.held)
	w.uint(uint64(e.suppressed))
	w.int(e.sent)
	if e.last != nil {
		w.text(e.last.partitionKey)
		w.text(e.last.sequence)
		w.uint(uint64(e.last.sub))
		w.int(e.last.arrival)
	}
	if e.window != nil {
		w.window(e.window, exact)
	}
	if covers {
		w.uint(uint64(e.covered))
		if e.window != nil {
			w.uint(uint64(e.window.seen))
			w.uint(uint64(e.window.unmet))
			w.uint(uint64(e.window.silencedBy))
		}
	}
	if silenced {
		w.silenced(e.window)
	}
}

// window writes all panes, as a ring: pane n is at index n modulo their number.
func (w *writer) window(s *window, exact bool) {
	if exact {
		w.int(s.watched)
	}
	w.int(s.last)
	w.uint(uint64(s.size))
	ring := make([]*pane, s.size)
	for i := range s.panes {
		ring[s.panes[i].n%int64(s.size)] = &s.panes[i]
	}
	for _, p := range ring {
		if p == nil {
			w.uint(0)
			continue
		}
		w.uint(p.count)
		if exact {
			w.float(p.sum)
			w.float(p.rest)
		} else {
			w.float((p.sum + p.rest) * sumUnit)
		}
		w.float(p.min)
		w.float(p.max)
	}
	if s.legacy != nil {
		w.values(s.legacy)
	}
	if s.values != nil {
		w.int(s.since)
		w.values(s.values)
	}
}

func (w *writer) values(values map[uint64]int64) {
	w.uint(uint64(len(values)))
	for _, hash := range slices.Sorted(maps.Keys(values)) {
		w.buf = binary.BigEndian.AppendUint64(w.buf, hash)
		w.int(values[hash])
	}
}

// limitState is the tokens of a rate limit, which come before a rule's entries.
type limitState struct {
	tokens float64
	at     int64
}

func (r *reader) limit() limitState { return limitState{r.float(), r.time()} }

// entryView is an entry in a snapshot. Its texts are parts of the snapshot, and its size does not grow with them.
type entryView struct {
	entry // without texts, window and last record

	key, partitionKey, sequence      []byte
	sub                              uint32
	arrival                          int64
	located, windowed, isProvisional bool
	bits                             uint64
	rest                             []byte // what follows the audience
	win                              window // without values
	legacy, values, unsilenced       valuesView
	silenced                         silencedPart // of the window
}

// valuesView are the values of a distinct window.
type valuesView struct {
	has   bool
	count uint64
	from  []byte // starts with the first value
}

// entry reads an entry into v, and returns its rank.
func (r *reader) entry(v *entryView) (rank uint64) {
	panes, silenced := v.win.panes[:0], v.silenced.panes[:0]
	rank = r.uint()
	bits, audience := r.uint(), uint32(0)
	if bits&entryAudience != 0 {
		audience = r.small(maxAudience)
	}
	rest := r.buf
	*v = entryView{
		bits: bits, rest: rest,
		entry: entry{
			place: -1, firing: bits&entryFiring != 0, notified: bits&entryNotified != 0,
			ended: bits&entryEnded != 0, audience: uint16(audience),
		}, isProvisional: bits&entryProvisional != 0,
		located: bits&entryLast != 0, windowed: bits&entryWindow != 0, key: r.take(r.uint()),
	}
	v.severity = r.severity()
	if v.grade = v.severity; bits&entryGrade != 0 {
		v.grade = r.severity()
	}
	v.due, v.streak = r.time(), r.small(math.MaxUint32)
	v.since, v.held, v.suppressed, v.sent = r.time(), r.time(), r.small(math.MaxUint32), r.time()
	if v.located {
		v.partitionKey, v.sequence, v.sub, v.arrival = r.take(r.uint()), r.take(r.uint()), r.small(math.MaxUint32),
			r.time()
	}
	if v.windowed {
		r.window(&v.win, panes, bits&entryExact != 0)
		if bits&entryLegacy != 0 {
			v.legacy = r.values()
		}
		if bits&entryValues != 0 {
			v.win.since = r.int()
			v.values = r.values()
		}
	}
	r.covers(v, bits, silenced)
	if bits >= entryBits {
		r.fail()
	}
	return rank
}

func (r *reader) window(s *window, panes []pane, exact bool) {
	watched := int64(0)
	if exact {
		watched = r.time()
	}
	*s = window{watched: watched, last: r.int(), size: uint8(min(r.count(), maxPanes+1)), panes: panes}
	if s.last < 0 || s.size > maxPanes || s.size == 0 {
		r.fail()
		return
	}
	size := int64(s.size)
	for i := range size {
		p := pane{n: s.last - (s.last%size-i+size)%size}
		if p.count = r.uint(); p.count > 0 {
			if p.sum = r.float(); exact {
				p.rest = r.float()
			} else {
				p.sum /= sumUnit
			}
			p.min, p.max = r.float(), r.float()
			s.panes = append(s.panes, p)
		}
		if r.failed || p.count > 0 && p.n < 0 {
			r.fail()
			return
		}
	}
	slices.SortFunc(s.panes, func(a, b pane) int { return cmp.Compare(a.n, b.n) })
}

// values skips the values of a window.
func (r *reader) values() valuesView {
	v := valuesView{has: true, count: r.count(), from: r.buf}
	if v.count > maxDistinct {
		r.fail()
	}
	for range v.count {
		r.take(8)
		if r.int(); r.failed {
			return v
		}
	}
	return v
}

// read returns the values of a window.
func (v *valuesView) read() map[uint64]int64 {
	if !v.has {
		return nil
	}
	r := &reader{buf: v.from}
	out := make(map[uint64]int64, v.count)
	for range v.count {
		hash := r.take(8)
		out[binary.BigEndian.Uint64(hash)] = r.int()
	}
	return out
}

// bulk returns the size that the entry would have in memory.
func (v *entryView) bulk() bulk {
	b := bulk{entryHeap + len(v.key), entryStored + len(v.key)}
	if v.located {
		n := len(v.partitionKey) + len(v.sequence)
		b.add(bulk{lastHeap + n, lastStored + n})
	}
	if v.windowed {
		n := int(v.values.count + v.legacy.count + v.unsilenced.count) //nolint:gosec // at most the bytes of a snapshot
		b.add(v.win.bulk())
		b.add(bulk{n * valueHeap, n * valueStored})
	}
	if v.covered != 0 {
		b.stored += coversStored
	}
	return b
}

// make returns the entry for a rule's memory.
func (v *entryView) make(of *ruleMemory, m *memory) *entry {
	en := new(v.entry)
	en.key, en.of = m.shortened(of.rule, string(v.key)), of
	if v.located {
		en.last = &lastRecord{
			partitionKey: string(v.partitionKey), sequence: string(v.sequence), sub: v.sub,
			arrival: v.arrival,
		}
	}
	if v.windowed {
		w := new(v.win)
		w.panes = slices.Clone(v.win.panes)
		if w.watched == 0 { // the first format has a window from the first record on
			first := w.last
			if len(w.panes) > 0 {
				first = w.panes[0].n
			}
			w.watched = (first + 1) * of.rule.window.step
		}
		w.legacy, w.values = v.legacy.read(), v.values.read()
		if v.win.silenced != nil {
			w.silenced = &silencedPart{
				panes: slices.Clone(v.silenced.panes), by: v.silenced.by,
				unsilenced: v.unsilenced.read(),
			}
		}
		en.window = w
	}
	return en
}

// coversOf maps bit i of a snapshot to the bit of a rule set. A condition that is gone maps to none, and nothing is
// known of a new one.
type coversOf []uint32

func (c *compiled) coversOf(hashes []uint32) coversOf {
	out := make(coversOf, len(hashes))
	for i, hash := range hashes {
		for j, known := range c.covers {
			if known.hash == hash {
				out[i] = 1 << j
			}
		}
	}
	return out
}

func (t coversOf) of(stored uint32) (out uint32) {
	for i, bit := range t {
		if stored&(1<<i) != 0 {
			out |= bit
		}
	}
	return out
}

func (t coversOf) translate(en *entry) {
	en.covered = t.of(en.covered)
	if w := en.window; w != nil {
		w.seen, w.unmet, w.silencedBy = t.of(w.seen), t.of(w.unmet), t.of(w.silencedBy)
		if w.silenced != nil {
			w.silenced.by = t.of(w.silenced.by)
		}
	}
}

// covers reports whether there is anything to store about conditions of silences.
func (en *entry) covers() bool {
	w := en.window
	return en.covered != 0 || w != nil && w.seen|w.unmet|w.silencedBy != 0
}

func (w *writer) covers(hashes []uint32) {
	w.uint(uint64(len(hashes)))
	for _, hash := range hashes {
		w.buf = binary.BigEndian.AppendUint32(w.buf, hash)
	}
}

func (r *reader) coverList() []uint32 {
	n := r.count()
	if n > maxCovers {
		r.fail()
		return nil
	}
	var hashes []uint32
	for range n {
		if b := r.take(4); b != nil {
			hashes = append(hashes, binary.BigEndian.Uint32(b))
		}
	}
	return hashes
}

// silenced writes the part of a window that a silence covered. It follows the window.
func (w *writer) silenced(s *window) {
	w.uint(uint64(s.silenced.by))
	w.uint(uint64(len(s.silenced.panes)))
	for i := range s.silenced.panes {
		p := &s.silenced.panes[i]
		w.uint(uint64(s.last - p.n)) //nolint:gosec // no pane is newer than the window's last
		w.uint(p.count)
		w.float(p.sum)
		w.float(p.rest)
		w.float(p.min)
		w.float(p.max)
	}
	if s.values != nil {
		w.values(s.silenced.unsilenced)
	}
}

// covers reads what an entry has about silences. panes is scratch space.
func (r *reader) covers(v *entryView, bits uint64, panes []pane) {
	if bits&entryCovers != 0 {
		v.covered = r.small(math.MaxUint32)
		if v.windowed {
			v.win.seen, v.win.unmet, v.win.silencedBy = r.small(math.MaxUint32), r.small(math.MaxUint32),
				r.small(math.MaxUint32)
		}
	}
	v.silenced.panes = panes
	if bits&entrySilenced == 0 {
		return
	}
	v.silenced.by = r.small(math.MaxUint32)
	n := r.count()
	if !v.windowed || n == 0 || n > uint64(v.win.size) {
		r.fail()
		return
	}
	for range n {
		p := pane{
			n: v.win.last - int64(r.small(maxPanes)), count: r.uint(), sum: r.float(), rest: r.float(),
			min: r.float(), max: r.float(),
		}
		if before := len(v.silenced.panes); p.count == 0 || p.n < 0 || p.n <= v.win.last-int64(v.win.size) ||
			before > 0 && v.silenced.panes[before-1].n >= p.n {
			r.fail()
			return
		}
		v.silenced.panes = append(v.silenced.panes, p)
	}
	if v.win.silenced = &v.silenced; v.values.has {
		v.unsilenced = r.values()
	}
}
