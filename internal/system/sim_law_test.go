package system

import (
	"cmp"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/internal/status"
)

// The law of the status page: while a record waits for its outcome for longer than a minute, or an open shard has no
// reader for a minute, the page of some live worker has a problem of at least warning; and in a run without faults no
// page has one.
const (
	lawPatience = time.Minute
	// lawGrace is the time between two looks, and what a page may need to see what happened.
	lawGrace = 3 * time.Second
	lawEvery = 2 * time.Second
	// lawGraceOfOutputs is for the children of a shard that was held up by its outputs: they begin seconds after its
	// end, with records that are old by then.
	lawGraceOfOutputs = 15 * time.Second
	// lawNew is the age from which a worker can be expected to know.
	lawNew = 15 * time.Second
	// lawCaughtUp is how long records may wait in a run without faults that counts as caught up.
	lawCaughtUp = 20 * time.Second
)

// simSeen is what a worker's page says at one moment.
type simSeen struct {
	Level   status.Level `json:"level"`
	Summary string       `json:"summary"`
	Reads   []string     `json:"reads"` // shards
	Young   bool         `json:"young"` // it may not know yet
}

// Look asks every live daemon for its page.
func (w *simWorld) Look() {
	e := simEvent{Kind: simLook, Pages: map[string]simSeen{}}
	for _, d := range w.standing() {
		s, err := d.Status()
		// One that is stopping may be calm about what it lets go of, and still says what holds it.
		if err != nil || s.State == "stopping" && rank(s.Level) > rank(status.LevelWarning) {
			continue
		}
		if s.Worker.TrustedUntil == nil {
			d.joined = time.Time{}
		} else if d.joined.IsZero() {
			d.joined = time.Now()
		}
		// Who has just joined finds the rows of peers that may be dead, and sees that only when they stay silent for a
		// lease.
		young := s.Uptime < lawNew.Seconds() || !d.joined.IsZero() && time.Since(d.joined) < lawNew
		p := simSeen{Level: s.Level, Summary: s.Summary, Young: young}
		for i := range s.Shards {
			if s.Shards[i].Reading != nil {
				p.Reads = append(p.Reads, s.Shards[i].ID)
			}
		}
		e.Pages[d.name] = p
	}
	w.history.Add(e)
}

// standing are the daemons that live, or are stopping, and are not cut off from everything for good.
func (w *simWorld) standing() []*simDaemon {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaving = slices.DeleteFunc(w.leaving, func(d *simDaemon) bool {
		select {
		case <-d.gone:
			return true
		default:
			return false
		}
	})
	return slices.Concat(w.live, w.leaving)
}

// watchPages looks until the returned function is called.
func (w *simWorld) watchPages() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(lawEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.Look()
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// Status asks the daemon's admin server, as a browser does.
func (d *simDaemon) Status() (*status.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn,
		error,
	) {
		here, there := net.Pipe()
		select {
		case d.page.Conns <- there:
			return here, nil
		case <-d.page.Closed:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:9464/api/v1/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	s := &status.Status{}
	return s, json.NewDecoder(response.Body).Decode(s)
}

// Look judges the pages of one moment.
func (m *simModel) Look(e *simEvent) {
	worst, whose := status.LevelOK, ""
	reads := map[string]bool{}
	knowing := false
	for who, p := range e.Pages {
		knowing = knowing || !p.Young
		if rank(p.Level) < rank(worst) {
			worst, whose = p.Level, who
		}
		for _, id := range p.Reads {
			reads[id] = true
		}
	}
	waits, record := m.waiting()
	if m.rules.Calm && waits < lawCaughtUp && rank(worst) <= rank(status.LevelWarning) {
		m.breach("calm", true, "without a fault the page of %s says %q", whose, e.Pages[whose].Summary)
	}
	if !knowing || rank(worst) <= rank(status.LevelWarning) {
		m.alarmedAt = m.at
	}
	grace := lawGrace // a page is calm once a record is evaluated, the row a second later
	if m.rules.Outputs {
		grace = lawGraceOfOutputs
	}
	alarmed := m.at-m.alarmedAt <= grace
	if m.breach("record", waits > lawPatience+lawGrace && !alarmed, "record %d waits for %s and every page is calm: %v",
		record, waits, e.Pages) {
		return
	}
	for _, id := range m.openShards() {
		if reads[id] || len(e.Pages) == 0 { // where no process lives the alerting rules speak
			m.lastRead[id] = m.at
		}
		since, seen := m.lastRead[id]
		if !seen {
			m.lastRead[id] = m.at
			continue
		}
		m.breach("unread "+id, m.at-since > lawPatience+lawGrace && !alarmed,
			"%s has had no reader for %s and every page is calm: %v", id, m.at-since, e.Pages)
	}
}

func rank(l status.Level) int {
	return slices.Index([]status.Level{status.LevelCritical, status.LevelWarning, status.LevelInfo, status.LevelOK}, l)
}

// breach notes a breach of the law when it begins, not at every look.
func (m *simModel) breach(what string, is bool, format string, args ...any) bool {
	if is && !m.breached[what] {
		m.fail(format, args...)
	}
	m.breached[what] = is
	return is
}

// waiting is for how long the record waits that has waited longest for its outcome. It is called often enough to see
// each row.
func (m *simModel) waiting() (longest time.Duration, record int) {
	for n, e := range m.puts {
		if age := m.at - m.waitsSince(e); age > longest && e.At <= m.at && !m.hasOutcome(e) {
			longest, record = age, n
		}
	}
	return longest, record
}

// hasOutcome reports whether a record is published, stored as resolved, or none of the application's.
func (m *simModel) hasOutcome(e *simEvent) bool {
	if m.rules.Latest && (m.t0 == 0 || m.rows["#application"] == nil || e.Arrival <= m.asked) {
		return true
	}
	if !e.Quiet {
		return m.ids[e.N[0]] != "" && !m.unwritten(e)
	}
	if m.writes != nil {
		return !m.unwritten(e)
	}
	row := m.rows[e.Shard]
	if row != nil && (compareSimSequences(e.Sequence, row.Checkpoint) <= 0 || inSimStretch(row.Resolved, e.Sequence)) {
		m.passed[e.N[0]] = true // also when the row is taken away later
	}
	return m.passed[e.N[0]]
}

// openShards are the shards that are open now, sorted.
func (m *simModel) openShards() []string {
	closed, ids := map[string]bool{}, map[string]bool{}
	for child, parents := range m.parents {
		if at := m.opened[child]; at > m.at {
			continue
		}
		ids[child] = true
		for _, parent := range parents {
			closed[parent] = true
		}
	}
	for id := range m.shards {
		if _, child := m.parents[id]; !child {
			ids[id] = true
		}
	}
	open := []string{}
	for id := range ids {
		if !closed[id] {
			open = append(open, id)
		}
	}
	slices.Sort(open)
	return open
}

// TestSimCalmDaemons runs schedules without a fault: workers join and leave, shards split and merge, and no page ever
// warns.
func TestSimCalmDaemons(t *testing.T) { //nolint:paralleltest // the number of schedules is a flag of rapid's
	simChecks(t, 8, 1)
	rapid.Check(t, func(t *rapid.T) {
		p := drawSimPlan(t)
		p.Calm = true
		p.Clocks = nil // one that is off is on the page
		p.Steps = slices.DeleteFunc(p.Steps, func(s simStep) bool {
			return !slices.Contains([]string{"put", "split", "merge", "join", "leave", "wait"}, s.Do)
		})
		rapid.SyncTest(t, func(t *rapid.T) { simulate(t, p) })
	})
}

// TestSimLawCanFail shows that the model finds a page that is calm when it must not be, and one that warns of nothing.
func TestSimLawCanFail(t *testing.T) {
	t.Parallel()
	const shard = "shardId-000000000000"
	calm := map[string]simSeen{"a": {Level: status.LevelOK, Reads: []string{shard}}}
	looks := func(s *simStory, pages map[string]simSeen, times int) {
		for range times { // each event is half a second after the one before
			s.Add(simEvent{Kind: simLook, Pages: pages})
		}
	}
	for name, test := range map[string]struct {
		then func(*simStory)
		calm bool
		want string
	}{
		"a record that waits": {want: "record 1 waits for", then: func(s *simStory) { looks(s, calm, 200) }},
		"a record that waits, and a page that says so": {then: func(s *simStory) {
			looks(s, map[string]simSeen{"a": {Level: status.LevelWarning, Reads: []string{shard}}}, 200)
		}},
		"a record that waits, and a worker that just began": {then: func(s *simStory) {
			looks(s, map[string]simSeen{"a": {Level: status.LevelOK, Reads: []string{shard}, Young: true}}, 200)
		}},
		"a shard that nobody reads": {want: "has had no reader for", then: func(s *simStory) {
			s.publish("a", 1, "id-1")
			looks(s, map[string]simSeen{"a": {Level: status.LevelInfo}}, 200)
		}},
		"a page that warns of nothing": {
			calm: true, want: "without a fault the page of a says",
			then: func(s *simStory) {
				looks(s, map[string]simSeen{"a": {Level: status.LevelWarning, Summary: "It rains."}}, 1)
			},
		},
		"all is well": {calm: true, then: func(s *simStory) {
			s.publish("a", 1, "id-1")
			looks(s, calm, 200)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &simStory{}
			s.put(1, shard, "100", "key")
			s.row(simWorker+"a/1", nil, &simRow{Counter: 1})
			s.row(shard, nil, &simRow{Owner: "a/1", Epoch: 1})
			test.then(s)
			broken := simCheck(simRules{Lease: time.Hour, Budget: time.Minute, Memory: 1 << 20, Calm: test.calm}, *s)
			if test.want == "" {
				require.Empty(t, broken)
				return
			}
			require.NotEmpty(t, broken)
			require.Contains(t, cmp.Or(strings.Join(broken, "\n"), "nothing"), test.want)
		})
	}
}
