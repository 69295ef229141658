package system

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/fakeaws"
)

const (
	putRecordsTarget = "Kinesis_20131202.PutRecords"
	// simPromptBound is how late an alert may be while only the output stream fails: a poll, and a publish for each
	// record of its key that came at once. The first worker begins until simPromptFrom.
	simPromptBound = 5 * time.Second
	simPromptFrom  = 10 * time.Second
	// simPromptMemory leaves room for all that a schedule can put.
	simPromptMemory = 256 << 20
)

func (p *simPlan) memory() config.Size {
	if p.Prompt {
		return simPromptMemory
	}
	return simMemory
}

// simOutputs is the output stream of a simulated world.
type simOutputs struct {
	owed []simEvent

	mu      sync.Mutex
	refused []*simStep // what it refuses now
}

func newSimOutputs(w *simWorld) *simOutputs {
	o := &simOutputs{}
	w.fake.Kinesis.Create(outputStream, 2)
	w.fake.Kinesis.RefuseEntries(o.refuse)
	w.fake.Kinesis.OnPutRecords(func(_ string, r fakeaws.StoredRecord) {
		seen := outputSeen{N: -1}
		_ = json.Unmarshal(r.Data, &seen) // the model refuses a record that says nothing
		w.history.Add(simEvent{
			Kind: simWrite, N: []int{seen.N}, Key: r.PartitionKey, Shard: seen.Position.ShardID,
			Sequence: fmt.Sprint(seen.Position.SequenceNumber, ".", seen.Position.SubSequence),
		})
	})
	return o
}

// step is what happens to the output stream alone.
func (o *simOutputs) step(w *simWorld, s simStep) {
	open := w.fake.Kinesis.OpenShards(outputStream)
	i := s.Which % len(open)
	switch s.Do {
	case "output split":
		if len(open) < simOpenMax {
			w.note("output stream: %s is split", open[i])
			w.fake.Kinesis.Split(outputStream, open[i])
		}
	case "output merge":
		if i > 0 {
			w.note("output stream: %s and %s are merged", open[i-1], open[i])
			w.fake.Kinesis.Merge(outputStream, open[i-1], open[i])
		}
	case "output refuses":
		w.note("the output stream refuses entries (%d, %d) for %s", s.Which, s.Count, s.For)
		o.mu.Lock()
		o.refused = append(o.refused, &s)
		o.mu.Unlock()
		w.later(s.For, func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.refused = slices.DeleteFunc(o.refused, func(other *simStep) bool { return other == &s })
		})
	}
}

// refuse refuses the entries of one shard, of one key, or each second one.
func (o *simOutputs) refuse(shard, key string) *fakeaws.Error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.refused {
		which := fmt.Sprint(s.Which % 4)
		switch {
		case s.Count%3 == 0 && shard[len(shard)-1:] == which,
			s.Count%3 == 1 && key == "patient-"+which,
			s.Count%3 == 2 && (len(key)+int(key[len(key)-1]))%2 == s.Which%2:
			if s.Which%3 == 0 {
				return &fakeaws.Error{Code: "InternalFailure", Message: "Internal service failure."}
			}
			return &fakeaws.Error{Code: "ProvisionedThroughputExceededException", Message: "Rate exceeded"}
		}
	}
	return nil
}

// accept ends all refusals.
func (o *simOutputs) accept() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused = nil
}

func (o *simOutputs) doneLocked(w *simWorld) bool {
	return !slices.ContainsFunc(o.owed, func(e simEvent) bool {
		return !w.history.written[e.N[0]] && (!w.plan.Latest || e.Arrival > w.history.asked)
	})
}

// trimLocked is a moment before which every record is written, and which is not after another.
func (o *simOutputs) trimLocked(w *simWorld, before time.Time) time.Time {
	for i := range o.owed {
		if e := &o.owed[i]; !w.history.written[e.N[0]] && time.UnixMilli(e.Arrival).Before(before) {
			before = time.UnixMilli(e.Arrival)
		}
	}
	return before
}

// simPutRecords is a PutRecords call, or its answer.
type simPutRecords struct {
	Records []struct {
		Data           []byte
		SequenceNumber string
	}
}

// writtenNumbers are the records that a PutRecords carries.
func writtenNumbers(body []byte) (numbers []int) {
	var call simPutRecords
	if json.Unmarshal(body, &call) != nil {
		return nil
	}
	for _, r := range call.Records {
		numbers = append(numbers, simNumber(string(r.Data)))
	}
	return numbers
}

// acceptedNumbers are those of them that the answer says are accepted.
func acceptedNumbers(resp *http.Response, sent []int) (numbers []int) {
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	var answer simPutRecords
	if err != nil || json.Unmarshal(body, &answer) != nil || len(answer.Records) != len(sent) {
		return nil
	}
	for i, r := range answer.Records {
		if r.SequenceNumber != "" {
			numbers = append(numbers, sent[i])
		}
	}
	return numbers
}

// simWrites is what the model knows of the output stream.
type simWrites struct {
	written   map[int]bool
	lastOfKey map[string]int
	lastAt    map[string]time.Duration  // key: the last record that was accepted
	answered  map[string]map[int]string // as simModel.answered
}

func newSimWrites() *simWrites {
	return &simWrites{
		written: map[int]bool{}, lastOfKey: map[string]int{}, lastAt: map[string]time.Duration{},
		answered: map[string]map[int]string{},
	}
}

// unwritten reports whether a record is owed to the output stream, and not there.
func (m *simModel) unwritten(e *simEvent) bool {
	return m.writes != nil && !m.writes.written[e.N[0]] && (!m.rules.Latest || m.t0 > 0 && e.Arrival > m.asked)
}

// isLastOf reports whether a place can be that of a record which is the last one of its Kinesis record, or all of it.
func isLastOf(sequence, place string) bool {
	of, _, _ := strings.Cut(place, ".")
	return sequence == of
}

// written checks what the output stream accepted.
func (m *simModel) written(e *simEvent) {
	n := e.N[0]
	rec := m.puts[n]
	switch {
	case rec == nil:
		m.fail("record %d was written, which nobody put", n)
		return
	case m.rules.Latest && (m.t0 == 0 || rec.Arrival < m.t0):
		m.fail("record %d was written, which arrived before the application began", n)
	case e.Key != rec.Key:
		m.fail("record %d of key %s was written with key %s", n, rec.Key, e.Key)
	case e.Shard != rec.Shard || e.Sequence != rec.Sequence && !isLastOf(rec.Sequence, e.Sequence):
		m.fail("record %d of %s (%s) was written as one of %s (%s)", n, rec.Shard, rec.Sequence, e.Shard, e.Sequence)
	}
	m.writes.lastAt[rec.Key] = m.at
	if m.writes.written[n] {
		return
	}
	m.writes.written[n] = true
	if last, ok := m.writes.lastOfKey[rec.Key]; ok && n < last {
		m.fail("record %d of key %s was written after record %d", n, rec.Key, last)
	}
	m.writes.lastOfKey[rec.Key] = max(m.writes.lastOfKey[rec.Key], n)
}

// waitsSince is when a record began to wait, or, where it waits only for the output stream, when its key did: one
// record of a key is written after the other.
func (m *simModel) waitsSince(e *simEvent) time.Duration {
	if m.unwritten(e) && (e.Quiet || m.ids[e.N[0]] != "") {
		return max(e.At, m.writes.lastAt[e.Key])
	}
	return e.At
}

// answers are the records of a shard with an answer, by the worker that has it.
func (m *simModel) answers(shard string) map[int]string {
	if m.writes != nil {
		return m.writes.answered[shard]
	}
	return m.answered[shard]
}

// wholly reports whether a worker has all answers about a record.
func (m *simModel) wholly(shard string, n int, id string) bool {
	return m.writes == nil || m.puts[n].Quiet || m.answered[shard][n] == id
}

func (m *simModel) forgetAnswers(shard string) {
	delete(m.answered, shard)
	if m.writes != nil {
		delete(m.writes.answered, shard)
	}
}

// drawSimOutputs adds to a plan what happens to an output stream.
func drawSimOutputs(t *rapid.T, p *simPlan) {
	p.Outputs = true
	kinds := []string{
		"output split", "output merge", "output refuses", "output refuses", "output refuses", "fault", "fault", "fault",
	}
	ms := func(label string, of ...int) time.Duration {
		return time.Duration(rapid.SampledFrom(of).Draw(t, label)) * time.Millisecond
	}
	for range rapid.SampledFrom([]int{20, 15, 10, 5}).Draw(t, "output steps") {
		s := simStep{
			Do:    rapid.SampledFrom(kinds).Draw(t, "do to the output"),
			Which: rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5}).Draw(t, "which"),
			Count: rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5}).Draw(t, "count"),
			Pause: ms("pause", 0, 3, 300, 1000, 2500),
			For:   ms("for", 500, 2000, 5000, 12_000, 30_000, 70_000),
		}
		if s.Do == "fault" {
			s.Fault = &simFaultPlan{
				Service: fakeaws.ServiceKinesis, Op: "PutRecords",
				OneOf: rapid.SampledFrom([]int{-1, 0, 1}).Draw(t, "worker"),
				Kind: rapid.SampledFrom([]fakeaws.Kind{
					fakeaws.Before, fakeaws.Before, fakeaws.After, fakeaws.Delay, fakeaws.BlackHole, fakeaws.Lost,
					fakeaws.Partition, fakeaws.Changed, fakeaws.Changed,
				}).Draw(t, "kind"),
				Delay:    ms("delay", 30, 300, 1000, 4000, 9000),
				Times:    rapid.SampledFrom([]int{0, 0, 1, 3, 10}).Draw(t, "times"),
				Throttle: rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "throttle") == 3,
			}
			switch s.Fault.Kind { //nolint:exhaustive // the others have nothing more
			case fakeaws.Before:
				s.Fault.Code = rapid.SampledFrom([]string{
					"", "AccessDeniedException", "ResourceNotFoundException", "KMSDisabledException",
				}).Draw(t, "code")
			case fakeaws.Changed:
				s.Fault.Bad = rapid.SampledFrom(append([]string{simMemberBad, simMemberBad, simMemberBad},
					simBad()...)).Draw(t, "bad")
				s.Fault.Member = rapid.IntRange(0, 200).Draw(t, "member")
			}
		}
		at := rapid.IntRange(0, len(p.Steps)).Draw(t, "at")
		p.Steps = slices.Insert(p.Steps, at, s)
	}
}

// TestSimOutputs runs whole daemons that write every record to another stream, through schedules of joins, stops,
// crashes, stalls, faults and reshards of both streams. What the output stream accepts is judged by the same contract
// as what SNS does.
func TestSimOutputs(t *testing.T) { //nolint:paralleltest // the number of schedules is a flag of rapid's
	simChecks(t, 12, 1)
	rapid.Check(t, func(t *rapid.T) {
		p := drawSimPlan(t)
		drawSimOutputs(t, &p)
		rapid.SyncTest(t, func(t *rapid.T) { simulate(t, p) })
	})
}

// TestSimOutputsDelayNoAlert runs schedules in which only the output stream fails.
func TestSimOutputsDelayNoAlert(t *testing.T) { //nolint:paralleltest // as above
	simChecks(t, 8, 1)
	rapid.Check(t, func(t *rapid.T) {
		p := drawSimPlan(t)
		p.Prompt, p.SNS, p.Latest = true, 0, false
		p.Steps = slices.DeleteFunc(p.Steps, func(s simStep) bool { return s.Do != "put" && s.Do != "wait" })
		drawSimOutputs(t, &p)
		rapid.SyncTest(t, func(t *rapid.T) { simulate(t, p) })
	})
}
