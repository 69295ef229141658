package system

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of simEvent.
const (
	simPut       = "put"       // N[0] was put into Shard with Sequence; Key, Quiet
	simOpen      = "open"      // Shard was opened by a reshard of Parents
	simRowChange = "row"       // the table's row Shard went from Old to New
	simForget    = "forget"    // the simulation takes the row Shard away, or all rows
	simAttempt   = "attempt"   // Who begins a PublishBatch of the records N
	simPublish   = "publish"   // SNS accepted record N[0] with the alert id ID
	simAnswered  = "answered"  // Who has the answer that the records N are accepted
	simWriting   = "writing"   // Who begins a PutRecords of the records N
	simWrite     = "write"     // the output stream accepted record N[0]: Key, and where it says that it came from
	simWritten   = "written"   // Who has the answer that the records N are accepted
	simLate      = "late"      // SNS got a call that Who had given up long ago
	simAfterEnd  = "after end" // Who asked AWS for something after its clean end
	simBuffered  = "buffered"  // Who has Bytes in use
	simStarted   = "started"
	simStopping  = "stopping"
	simStopped   = "stopped" // after Took, with Err
	simFault     = "fault"   // for the reader: ID says what happens
	simLook      = "look"    // what the pages of the live workers say: Pages
	simCalm      = "calm"    // no fault is active any more
	simEnd       = "end"     // the time in which everything must have been published is over
)

// simEvent is one line of a simulation's history.
type simEvent struct {
	At       time.Duration `json:"at"` // since the start
	Kind     string        `json:"kind"`
	Who      string        `json:"who,omitempty"`
	N        []int         `json:"n,omitempty"`
	ID       string        `json:"id,omitempty"`
	Shard    string        `json:"shard,omitempty"`
	Sequence string        `json:"sequence,omitempty"` // with the place in it, as "42.3"; the last one has none
	Key      string        `json:"key,omitempty"`
	Quiet    bool          `json:"quiet,omitempty"`   // the record makes no alert
	Arrival  int64         `json:"arrival,omitempty"` // of a record or row, in Unix ms by the service's clock
	Parents  []string      `json:"parents,omitempty"`
	Old      *simRow       `json:"old,omitempty"`
	New      *simRow       `json:"new,omitempty"`
	Took     time.Duration `json:"took,omitempty"`
	Err      string        `json:"err,omitempty"`
	Bytes    int           `json:"bytes,omitempty"`

	Pages map[string]simSeen `json:"pages,omitempty"`
}

// simRow is what the model knows of a row.
type simRow struct {
	Owner      string `json:"owner,omitempty"`
	Epoch      int64  `json:"epoch,omitempty"`
	Checkpoint string `json:"checkpoint,omitempty"`
	Resolved   string `json:"resolved,omitempty"`
	Counter    int64  `json:"counter,omitempty"`
	Fenced     bool   `json:"fenced,omitempty"`
	T0         int64  `json:"t0,omitempty"`
}

// simRules are what a history is judged by.
type simRules struct {
	Lease  time.Duration `json:"lease"`
	Budget time.Duration `json:"budget"`
	Memory int           `json:"memory"` // with one page
	Latest bool          `json:"latest"`
	Calm   bool          `json:"calm"` // the plan has no fault, so no page may warn
	// Outputs: every record is owed to the output stream. Prompt: nothing but that fails, so no alert may wait.
	Outputs bool `json:"outputs,omitempty"`
	Prompt  bool `json:"prompt,omitempty"`
}

const (
	simShardEnd = "SHARD_END"
	simWorker   = "#worker/"
)

// simModel follows a history and notes where it breaks the delivery contract.
type simModel struct {
	rules   simRules
	puts    map[int]*simEvent
	shards  map[string][]*simEvent // their records, in order
	parents map[string][]string
	clean   map[string]bool // daemons whose stop was clean: known beforehand

	rows      map[string]*simRow
	lastOwner map[string]string // of shards, also while there is no row
	ended     map[string]bool
	forgotten map[string]bool
	lost      map[string]time.Duration // when the row of a shard was taken away last; "" is the table
	beats     map[string]time.Duration // worker id: the last stored heartbeat
	// what T0 says, and when it was written; in between a record may be published or not
	t0, asked int64
	ids       map[int]string // record: its first alert id
	lastOfKey map[string]int
	answered  map[string]map[int]string // shard: records with an answer, by the worker id that has it
	writes    *simWrites                // nil without outputs
	settled   map[int]string            // records whose answer came before an orderly end of the lease
	opened    map[string]time.Duration
	lastRead  map[string]time.Duration // open shards: the last look at which a worker read them
	alarmedAt time.Duration            // the last look at which a page warned
	breached  map[string]bool
	passed    map[int]bool // records that make no alert: stored as settled
	at        time.Duration
	broken    []string
}

// simCheck judges a history by itself. It returns what is wrong with it; nil is a history without a violation.
func simCheck(rules simRules, history []simEvent) []string {
	m := &simModel{
		rules: rules, puts: map[int]*simEvent{}, shards: map[string][]*simEvent{}, parents: map[string][]string{},
		clean: map[string]bool{},
		rows:  map[string]*simRow{}, lastOwner: map[string]string{}, ended: map[string]bool{},
		forgotten: map[string]bool{},
		beats:     map[string]time.Duration{}, ids: map[int]string{}, lastOfKey: map[string]int{},
		answered: map[string]map[int]string{}, settled: map[int]string{}, lost: map[string]time.Duration{},
		opened: map[string]time.Duration{}, lastRead: map[string]time.Duration{}, breached: map[string]bool{},
		passed: map[int]bool{},
	}
	if rules.Outputs {
		m.writes = newSimWrites()
	}
	// A record may be read before the one who put it has noted it, so these are learned first.
	for i := range history {
		switch e := &history[i]; e.Kind {
		case simPut:
			m.puts[e.N[0]] = e
			m.shards[e.Shard] = append(m.shards[e.Shard], e)
		case simOpen:
			m.parents[e.Shard], m.opened[e.Shard] = e.Parents, e.At
		case simStopped:
			m.clean[e.Who] = e.Err == ""
		case simRowChange:
			if e.New != nil && e.New.T0 > 0 && m.t0 == 0 {
				m.t0, m.asked = e.New.T0, e.Arrival
			}
		}
	}
	for i := range history {
		m.at = history[i].At
		m.step(&history[i])
	}
	return m.broken
}

func (m *simModel) fail(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf("%9.3fs ", m.at.Seconds())+fmt.Sprintf(format, args...))
}

func (m *simModel) step(e *simEvent) {
	switch e.Kind {
	case simRowChange:
		m.row(e)
	case simForget:
		m.forget(e.Shard)
	case simAttempt:
		for _, n := range e.N {
			m.attempt(e.Who, n)
		}
	case simPublish:
		m.published(e.N[0], e.ID)
	case simAnswered:
		for _, n := range e.N {
			m.answer(e.Who, n)
		}
	case simWriting:
		for _, n := range e.N {
			m.attempt(e.Who, n)
		}
	case simWrite:
		m.written(e)
	case simWritten:
		for _, n := range e.N {
			m.noteAnswer(m.writes.answered, e.Who, n)
		}
	case simAfterEnd:
		m.fail("%s called %s after it had stopped", e.Who, e.ID)
	case simBuffered:
		if e.Bytes > m.rules.Memory {
			m.fail("%s holds %d bytes of credits, %d are the limit with one page", e.Who, e.Bytes, m.rules.Memory)
		}
	case simStopped:
		// Every step of the stop has a fiftieth of its share as a grace.
		if limit := m.rules.Budget + m.rules.Budget/50 + 100*time.Millisecond; e.Took > limit {
			m.fail("%s took %s to stop, its budget is %s", e.Who, e.Took, m.rules.Budget)
		}
	case simLook:
		m.Look(e)
	case simEnd:
		m.end()
	}
}

// owed reports whether the application must publish a record.
func (m *simModel) owed(e *simEvent) bool {
	return !e.Quiet && (!m.rules.Latest || m.t0 > 0 && e.Arrival > m.asked)
}

func (m *simModel) end() {
	for _, n := range slices.Sorted(maps.Keys(m.puts)) {
		if e := m.puts[n]; m.owed(e) && m.ids[n] == "" {
			m.fail("record %d of %s (%s) was never published", n, e.Shard, e.Sequence)
		}
		if e := m.puts[n]; m.unwritten(e) {
			m.fail("record %d of %s (%s) was never written", n, e.Shard, e.Sequence)
		}
	}
}

func (m *simModel) forget(shard string) {
	m.lost[shard] = m.at
	for id := range m.rows {
		if shard == "" || id == shard {
			m.forgotten[id] = true
			m.unsettle(id)
		}
	}
}

// unsettle allows a shard's records to be repeated.
func (m *simModel) unsettle(shard string) {
	m.forgetAnswers(shard)
	for _, e := range m.shards[shard] {
		delete(m.settled, e.N[0])
	}
}

func (m *simModel) row(e *simEvent) {
	defer func() {
		if e.New == nil {
			delete(m.rows, e.Shard)
		} else {
			m.rows[e.Shard] = e.New
		}
	}()
	if id, ok := strings.CutPrefix(e.Shard, simWorker); ok {
		if e.New != nil && (e.Old == nil || e.New.Counter > e.Old.Counter) {
			m.beats[id] = e.At
		}
		if e.Old != nil && e.New != nil && e.Old.Fenced && (e.New.Counter != e.Old.Counter || !e.New.Fenced) {
			m.fail("worker %s went on with its heartbeat after it was fenced", id)
		}
		return
	}
	if strings.HasPrefix(e.Shard, "#") {
		return
	}
	if e.New == nil {
		if !m.forgotten[e.Shard] {
			m.fail("the row of %s was deleted", e.Shard)
		}
		m.unsettle(e.Shard)
		return
	}
	m.owner(e)
	m.progress(e)
}

// owner checks who has a shard now.
func (m *simModel) owner(e *simEvent) {
	before, epoch := "", int64(0)
	if e.Old != nil {
		before, epoch = e.Old.Owner, e.Old.Epoch
	}
	if e.New.Epoch < epoch || e.New.Owner != "" && e.New.Owner != before && e.New.Epoch == epoch {
		m.fail("%s went from %q in epoch %d to %q in epoch %d", e.Shard, before, epoch, e.New.Owner, e.New.Epoch)
	}
	if e.New.Owner != before {
		if before != "" {
			m.left(e, before)
		}
		if e.New.Owner != "" {
			m.began(e)
		}
	}
	if e.New.Owner != "" {
		m.lastOwner[e.Shard] = e.New.Owner
	}
}

// left is called when a worker's ownership of a shard ends.
func (m *simModel) left(e *simEvent, before string) {
	w := m.rows[simWorker+before]
	orderly := w != nil && !w.Fenced
	// A release is the end of a daemon, whose drain may be incomplete. A handoff and a shard's end always wait for it.
	release := e.New.Owner == "" && e.New.Checkpoint != simShardEnd
	if who := simHost(before); orderly && !m.mayShare(e.Shard) && (!release || m.clean[who]) {
		for n, id := range m.answers(e.Shard) {
			if id == before && m.wholly(e.Shard, n, id) {
				m.settled[n] = who
			}
		}
	}
	m.forgetAnswers(e.Shard)
}

// began is called when a worker's ownership of a shard begins.
func (m *simModel) began(e *simEvent) {
	for _, parent := range m.parents[e.Shard] {
		if !m.ended[parent] && m.isRead(parent) {
			m.fail("%s starts before its parent %s has ended", e.Shard, parent)
		}
	}
}

// isRead reports whether the application reads a shard at all: under latest it skips those that were closed before it
// began.
func (m *simModel) isRead(shard string) bool {
	if !m.rules.Latest {
		return true
	}
	return slices.ContainsFunc(m.shards[shard], m.owed)
}

// progress checks that nothing was stored as resolved which is not.
func (m *simModel) progress(e *simEvent) {
	is, was := e.New.Checkpoint, ""
	if e.Old != nil {
		was = e.Old.Checkpoint
	}
	if compareSimSequences(is, was) < 0 {
		m.fail("the checkpoint of %s went back from %q to %q", e.Shard, was, is)
	}
	if is == simShardEnd {
		m.ended[e.Shard] = true
	}
	if is == was && e.Old != nil && e.Old.Resolved == e.New.Resolved {
		return
	}
	for _, rec := range m.shards[e.Shard] {
		resolved := compareSimSequences(rec.Sequence, is) <= 0 || inSimStretch(e.New.Resolved, rec.Sequence)
		if resolved && m.owed(rec) && m.ids[rec.N[0]] == "" {
			m.fail("%s is stored at %q with %q resolved above, but record %d (%s) was not published", e.Shard, is,
				e.New.Resolved, rec.N[0], rec.Sequence)
			return
		}
		if resolved && m.unwritten(rec) {
			m.fail("%s is stored at %q with %q resolved above, but record %d (%s) was not written", e.Shard, is,
				e.New.Resolved, rec.N[0], rec.Sequence)
			return
		}
	}
}

// attempt checks the moment in which a worker begins to publish.
func (m *simModel) attempt(who string, n int) {
	rec := m.puts[n]
	if rec == nil {
		m.fail("%s publishes record %d, which nobody put", who, n)
		return
	}
	owner := m.lastOwner[rec.Shard] // a row that vanished is still its holder's to write again
	switch since := m.at - m.beats[owner]; {
	case m.mayShare(rec.Shard):
	case simHost(owner) != who:
		m.fail("%s publishes record %d of %s, which is owned by %q", who, n, rec.Shard, owner)
	case since >= m.rules.Lease-m.rules.Lease/10:
		m.fail("%s publishes record %d of %s %s after its last heartbeat, outside its trust window", who, n, rec.Shard,
			since)
	}
	for _, parent := range m.parents[rec.Shard] {
		if !m.ended[parent] && m.isRead(parent) {
			m.fail("%s publishes record %d of %s before its parent %s has ended", who, n, rec.Shard, parent)
		}
	}
	if by, ok := m.settled[n]; ok && !m.mayShare(rec.Shard) {
		m.fail("%s publishes record %d of %s again, for which %s had the answer before it let go", who, n,
			rec.Shard, by)
	}
}

// mayShare reports whether a shard may have two owners for a moment, because its row was taken away: a worker that
// finds no row cannot know of a holder who trusts the one that was there, until that one looks at the table, which it
// does every ten seconds, or its window closes.
func (m *simModel) mayShare(shard string) bool {
	const look = 10 * time.Second
	recent := func(id string) bool {
		lost, ok := m.lost[id]
		return ok && m.at-lost <= look+2*m.rules.Lease
	}
	return recent(shard) || recent("")
}

func (m *simModel) published(n int, id string) {
	rec := m.puts[n]
	switch {
	case rec == nil:
		m.fail("record %d was published, which nobody put", n)
		return
	case rec.Quiet:
		m.fail("record %d was published, which alerts nobody", n)
	case m.rules.Latest && (m.t0 == 0 || rec.Arrival < m.t0):
		m.fail("record %d was published, which arrived before the application began", n)
	case id == "":
		m.fail("record %d was published without an alert id", n)
	}
	if first := m.ids[n]; first != "" {
		if first != id {
			m.fail("record %d was published as %s and again as %s", n, first, id)
		}
		return
	}
	m.ids[n] = cmp.Or(id, "none")
	if late := m.at - rec.At; m.rules.Prompt && late > simPromptBound && rec.At > simPromptFrom {
		m.fail("record %d was published %s after it came, though only the output stream fails", n, late)
	}
	if last, ok := m.lastOfKey[rec.Key]; ok && n < last {
		m.fail("record %d of key %s was published after record %d", n, rec.Key, last)
	}
	m.lastOfKey[rec.Key] = max(m.lastOfKey[rec.Key], n)
}

func (m *simModel) answer(who string, n int) { m.noteAnswer(m.answered, who, n) }

func (m *simModel) noteAnswer(of map[string]map[int]string, who string, n int) {
	rec := m.puts[n]
	if rec == nil {
		return
	}
	row := m.rows[rec.Shard]
	if row == nil || simHost(row.Owner) != who {
		return // the lease ended while the call was under way
	}
	if of[rec.Shard] == nil {
		of[rec.Shard] = map[int]string{}
	}
	of[rec.Shard][n] = row.Owner
}

// simHost is the daemon of a worker id.
func simHost(worker string) string {
	host, _, _ := strings.Cut(worker, "/")
	return host
}

// simWhole is the place of a checkpoint behind a whole record.
const simWhole = 1<<32 - 1

// compareSimSequences orders checkpoints: nothing, sequence numbers, the end. Behind a sequence number there may be a
// place in its record, as in "42.3".
func compareSimSequences(a, b string) int {
	a, placeA, insideA := strings.Cut(a, ".")
	b, placeB, insideB := strings.Cut(b, ".")
	place := func(s string, inside bool) int {
		if n, err := strconv.Atoi(s); inside && err == nil {
			return n
		}
		return simWhole
	}
	rank := func(s string) int {
		if s == simShardEnd {
			return 1 << 20
		}
		return len(s)
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b),
		cmp.Compare(place(placeA, insideA), place(placeB, insideB)))
}

// inSimStretch reports whether a sequence number lies in one of the row's resolved stretches.
func inSimStretch(resolved, sequence string) bool {
	for part := range strings.SplitSeq(resolved, ",") {
		after, upTo, ok := strings.Cut(part, ">")
		if ok && compareSimSequences(sequence, after) > 0 && compareSimSequences(sequence, upTo) <= 0 {
			return true
		}
	}
	return false
}
