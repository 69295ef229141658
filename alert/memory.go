package alert

import (
	"container/heap"
)

// memory is what the rules of one shard remember: an entry for each key of each rule, bounded in number and size. It
// belongs to the evaluator's goroutine.
//
// Times are Unix milliseconds of event time, which is as fine as Kinesis' arrival times are. 0 means "never".
type memory struct {
	agreement

	rules []*ruleMemory
	// scores are the forests.
	scores    []*scoreMemory
	pressure  pressure
	inherited inheritance
	timers    timers
	// clock is the time up to which timers have run: the event time, or a later tick.
	clock int64
	// watchdog is the end of the last interval for which the watchdog sent its message, or that passed without one.
	watchdog int64
	// late are the keys whose repetitions are overdue, with the clock at which one was last made, or the first was not
	// (overdue.go).
	late   map[*entry]int64
	former formerRules
	// loggedNotJSON is when a record that the filter dropped as not JSON was last logged.
	loggedNotJSON int64
}

// ruleMemory is the part of one rule.
type ruleMemory struct {
	rule    *rule
	entries map[string]*entry
	// lists are the entries with a key, by phase.
	lists [phases]entryList
	// bulk is the size of the entries with a key; held is how much that is by each measure, and heapIndex the rule's
	// place in the heap.
	bulk      bulk
	held      [measures]int
	heapIndex [measures]int
	// tokens is what the rate limit had left at the time at.
	tokens float64
	at     int64
	// provisional counts the entries that other shards have, too; claims are the inherited keys of which the shard has
	// had a record.
	provisional int
	claims      map[string]claim

	// What follows is about edited rules (edited_rules.go). audiences are those that entries refer to, and formerTopics
	// the topics to which the rule no longer publishes. oweEnds is set if some of them may be owed ends. notifiedKeys
	// counts the firing entries of which a topic was notified.

	audiences    [][]string
	formerTopics map[string]*formerTopic
	oweEnds      bool
	notifiedKeys int
}

// entry is what a rule remembers of a key.
type entry struct {
	key          string
	of           *ruleMemory
	older, newer *entry // in the list of its phase
	// due is when the entry is due; place is its index in the timers, -1 if it has none.
	due   int64
	place int32
	// heap and packed are the entry's size as counted in the memory's total. packed has its size in a snapshot above
	// the bits of its phase.
	heap, packed uint32
	// streak counts the records in a row that speak for a change: matches before the key fires, non-matches while it
	// does.
	streak uint32

	// since is when the condition began to hold, without a break; 0 while it does not.
	since int64
	// held is when the condition last held or, for a rule on absence, when its last record came.
	held int64
	// sent is when the last alert was made.
	sent int64
	// suppressed counts the alerts that were not made since the last one that was.
	suppressed uint32
	// firing is set while the key fires, notified if an alert said so, and ended if the last alert said that it is
	// resolved.
	firing, notified, ended bool
	// severity, as an index of severities, is the most severe one of the alerts or, before the first, that of the last
	// record. grade is that of the last record, if the severity is an expression.
	severity, grade uint8
	// audience is which topics were notified: an index of the rule's audiences, from 1; 0 for the rule's present
	// topics. countedNotified is set if the rule's notifiedKeys counts the entry.
	countedNotified bool
	audience        uint16
	// covered are the conditions of silences that the last matching record meets; with a window, all records in it when
	// it last held. See window_silence.go.
	covered uint32
	last    *lastRecord
	window  *window
	// provisional is nil unless several shards inherited the entry and this one has had no record of its key.
	provisional *provisional
}

// lastRecord is the position to which an alert that time causes refers.
type lastRecord struct {
	partitionKey, sequence string
	sub                    uint32
	arrival                int64
}

func newMemory(set *compiled, agreed agreement) *memory {
	m := &memory{agreement: agreed, pressure: pressure{max: set.maxKeys}, rules: make([]*ruleMemory, len(set.rules))}
	for _, x := range set.scores {
		m.scores = append(m.scores, newScoreMemory(x, &m.agreement))
	}
	for i, r := range set.rules {
		m.rules[i] = &ruleMemory{rule: r, tokens: float64(r.limit.Events)}
		if !r.keyless() { // the one entry of a rule without keys is never pushed out
			for by := range m.pressure.heaps {
				m.pressure.heaps[by].join(m.rules[i], measure(by))
			}
		}
	}
	return m
}

// replace replaces the memory's contents by what was read.
func (m *memory) replace(by *memory) {
	*m = *by
	for _, x := range m.scores {
		x.agreed = &m.agreement
	}
}

// find returns the entry of a key, or nil.
func (r *ruleMemory) find(key []byte) *entry { return r.entries[string(key)] }

// touch returns the entry of a key, as the most recently used one: known or, if that is nil, a new one.
func (m *memory) touch(r *ruleMemory, key []byte, known *entry) *entry {
	if known != nil {
		if !r.rule.keyless() {
			r.lists[known.listedPhase()].remove(known)
			r.lists[known.listedPhase()].add(known)
		}
		return known
	}
	e := &entry{key: string(key), of: r, place: -1, severity: warning, grade: warning}
	m.put(e)
	return e
}

// put adds an entry, as the newest one.
func (m *memory) put(e *entry) {
	if e.of.entries == nil {
		e.of.entries = make(map[string]*entry)
	}
	e.of.entries[e.key] = e
	if !e.of.rule.keyless() {
		m.pressure.count++
		e.list(e.phase())
		e.of.lists[e.listedPhase()].add(e)
		m.pressure.heaps[byKeys].holds(e.of, byKeys, e.of.held[byKeys]+1)
	}
	m.pressure.weigh(e)
	e.countNotified()
}

// drop forgets an entry.
func (m *memory) drop(e *entry) {
	delete(e.of.entries, e.key)
	if e.countedNotified {
		e.countedNotified = false
		e.of.notifiedKeys--
	}
	m.pressure.resize(e, bulk{})
	if !e.of.rule.keyless() {
		m.pressure.count--
		e.of.lists[e.listedPhase()].remove(e)
		m.pressure.heaps[byKeys].holds(e.of, byKeys, e.of.held[byKeys]-1)
	}
	m.schedule(e, 0)
	m.unbind(e)
	delete(m.late, e)
}

// schedule sets when e is due; 0 is never.
func (m *memory) schedule(e *entry, due int64) {
	if e.due == due && (due == 0) == (e.place < 0) {
		return
	}
	e.due = due
	switch {
	case due == 0 && e.place >= 0:
		heap.Remove(&m.timers, int(e.place))
	case due != 0 && e.place >= 0:
		heap.Fix(&m.timers, int(e.place))
	case due != 0:
		heap.Push(&m.timers, e)
	}
}

// next returns the entry that is due first, if it is due by now.
func (m *memory) next(now int64) *entry {
	if len(m.timers) == 0 || m.timers[0].due > now {
		return nil
	}
	return m.timers[0]
}
