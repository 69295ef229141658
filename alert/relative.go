package alert

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Relative is what another shard remembers of keys, read from its snapshot.
type Relative struct {
	shard, version string
	heirs          []string
	head           stateHead
	sections       map[string]*relativeSection
	senses         map[string]*relativeSection // by name and what the memory means
}

// relativeSection is what it remembers of a rule.
type relativeSection struct {
	used   int64
	keys   keyList // whether it has had a record of the key: 0 or 1
	claims keyList // since when it has had records of keys that it inherited
}

// keyList is the keys of a snapshot, sorted, each with a number. A map would take several times as much memory.
type keyList struct {
	refs []keyRef
	long map[string]int64 // long keys by what is kept of them (Relative.shorten)
}

type keyRef struct {
	key    []byte // a part of the snapshot
	figure int64
}

func (l *keyList) add(key []byte, figure int64) { l.refs = append(l.refs, keyRef{key, figure}) }

// grow makes room for n more keys, which the snapshot is known to have.
func (l *keyList) grow(n uint64) { l.refs = slices.Grow(l.refs, int(n)) } //nolint:gosec // at most maxRelated

func (l *keyList) sort() {
	slices.SortFunc(l.refs, func(a, b keyRef) int { return bytes.Compare(a.key, b.key) })
}

// find returns the number of a key, or false; other is another form that the key may have there.
func (l *keyList) find(key, other string) (int64, bool) {
	for _, name := range [][]byte{[]byte(key), []byte(other)} {
		if i, ok := slices.BinarySearchFunc(l.refs, name,
			func(r keyRef, name []byte) int { return bytes.Compare(r.key, name) }); ok {
			return l.refs[i].figure, true
		}
	}
	figure, ok := l.long[key]
	return figure, ok
}

// maxRelated bounds how many keys are read of another shard: more than a snapshot of this version can have.
const maxRelated = 3 << 19

func tooManyKeys() error { return fmt.Errorf("%w: it has more than %d keys", ErrState, maxRelated) }

// countEntries counts the entries of a rule's section, and reports whether they are well formed; v is scratch space.
func countEntries(body []byte, v *entryView) (n uint64, ok bool) {
	r := &reader{buf: body}
	r.limit()
	n = r.count()
	for range n {
		if r.entry(v); r.failed {
			return 0, false
		}
	}
	return n, !r.failed && len(r.buf) == 0
}

// ReadRelative reads the snapshot of a shard, in a version that Awaits will name; state is nil if there is none. heirs
// are the shards that took over from it, if it has ended. The result keeps state.
func ReadRelative(shard, version string, state []byte, heirs []string) (*Relative, error) {
	x := &Relative{
		shard: shard, version: version, heirs: heirs, sections: map[string]*relativeSection{},
		senses: map[string]*relativeSection{},
	}
	if state == nil {
		return x, nil
	}
	head, sections, err := openState(state)
	if err != nil {
		return nil, err
	}
	x.head = head
	count, v := 0, &entryView{}
	senses := map[string]string{}
	for i := range sections {
		s := &sections[i]
		if of, ok := strings.CutPrefix(s.name, notifiedPrefix); ok {
			if t, ok := readNotified(s.body); ok {
				senses[of+string(s.fingerprint[:])] = of + string(t.memory[:])
			}
			continue
		}
		name, shared := strings.CutPrefix(s.name, inheritedPrefix)
		if !shared && strings.Contains(name, ":") {
			continue // no rule's
		}
		id := name + string(s.fingerprint[:])
		of := x.sections[id]
		if of == nil {
			of = &relativeSection{}
			x.sections[id] = of
		}
		if shared {
			k, ok := readInherited(s.body)
			if !ok {
				return nil, fmt.Errorf("%w: its inherited keys do not fit together", ErrState)
			}
			count += int(k.copies.count + k.claims.count) //nolint:gosec // at most the bytes of a state
			if count > maxRelated {
				return nil, tooManyKeys()
			}
			of.keys.grow(k.copies.count)
			of.claims.grow(k.claims.count)
			r := k.copies.reader()
			for range k.copies.count {
				k.family(r)
				r.time()
				r.entry(v)
				of.keys.add(v.key, 0)
			}
			k.each(k.claims, func(_ int, at int64, key []byte) { of.claims.add(key, at) })
		} else {
			of.used = s.used
			n, ok := countEntries(s.body, v)
			if !ok {
				return nil, fmt.Errorf("%w: its parts do not fit together", ErrState)
			}
			if count += int(n); count > maxRelated { //nolint:gosec // at most the bytes of a snapshot
				return nil, tooManyKeys()
			}
			of.keys.grow(n)
			r := &reader{buf: s.body}
			r.limit()
			for range r.count() {
				r.entry(v)
				hasRecord := int64(1)
				if v.isProvisional {
					hasRecord = 0
				}
				of.keys.add(v.key, hasRecord)
			}
		}
	}
	for id, of := range x.sections {
		of.keys.sort()
		of.claims.sort()
		if sense := senses[id]; sense != "" && (x.senses[sense] == nil || x.senses[sense].used < of.used) {
			x.senses[sense] = of
		}
	}
	return x, nil
}

// called returns the form that a key of this memory has in the other shard, if it is a different one.
func (x *Relative) called(key string) string {
	if len(key) <= maxKey || !x.head.keyed() {
		return key
	}
	return string(x.head.key.shorten([]byte(key)))
}

// shorten indexes the long keys of a snapshot in the plain format by their shortened form here.
func (l *keyList) shorten(key *HashKey) {
	for _, r := range l.refs {
		if len(r.key) > maxKey {
			if l.long == nil {
				l.long = map[string]int64{}
			}
			l.long[string(key.shorten(r.key))] = r.figure
		}
	}
}
