package demo

import (
	"encoding/json"
	"fmt"
	"sync"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/screen"
	"kinesis-alerter/internal/status"
)

// outputStream is where --outputs has every record written.
const outputStream = "ExampleOutputStream"

// outputsSection is what --outputs adds to the configuration.
const outputsSection = "\noutputs:\n  readings:\n    stream: " + outputStream + "\n"

// place is where a record of the stream is.
type place struct {
	ShardID        string `json:"shardId"`
	SequenceNumber string `json:"sequenceNumber"`
}

// outputLedger counts what was put, and what the output stream took, by the places that its records say they came from.
// It is safe for concurrent use.
type outputLedger struct {
	mu      sync.Mutex
	put     map[place]bool
	written map[place]int    // how often
	last    map[string]place // of each key
	// disordered are the records that came behind a later one of their key.
	disordered int
}

func newOutputLedger() *outputLedger {
	return &outputLedger{put: map[place]bool{}, written: map[place]int{}, last: map[string]place{}}
}

// withOutputs has every record written to another stream, and counts that.
func (d *demo) withOutputs() {
	d.emulator.Kinesis.Create(outputStream, shards)
	l := newOutputLedger()
	d.ledger.outputs = l
	d.emulator.Kinesis.OnPutRecords(func(stream string, r fakeaws.StoredRecord) {
		if stream == outputStream {
			l.wrote(r)
		}
	})
}

// took notes a record of the stream.
func (l *outputLedger) took(at place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put[at] = true
}

// wrote notes a record of the output stream.
func (l *outputLedger) wrote(r fakeaws.StoredRecord) {
	var x struct {
		Source place `json:"sourcePosition"`
	}
	_ = json.Unmarshal(r.Data, &x) // one that says nothing came from nowhere
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.written[x.Source]++; l.written[x.Source] > 1 {
		return
	}
	if last, any := l.last[r.PartitionKey]; any && later(last, x.Source) {
		l.disordered++
	}
	l.last[r.PartitionKey] = x.Source
}

// later reports whether a record is behind another one of its key. The stream of the demo is not resharded, so both are
// in one shard.
func later(a, b place) bool {
	if len(a.SequenceNumber) != len(b.SequenceNumber) {
		return len(a.SequenceNumber) > len(b.SequenceNumber)
	}
	return a.SequenceNumber > b.SequenceNumber
}

// outputCount is that ledger at one moment.
type outputCount struct {
	written, again, disordered int
	missing, unknown           []place
}

func (l *outputLedger) count() (c outputCount) {
	if l == nil {
		return c
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.disordered = l.disordered
	for at := range l.put {
		if l.written[at] == 0 {
			c.missing = append(c.missing, at)
		}
	}
	for at, n := range l.written {
		if !l.put[at] {
			c.unknown = append(c.unknown, at)
			continue
		}
		c.written++
		c.again += n - 1
	}
	return c
}

// fault is what an honest demo has to fail for.
func (c outputCount) fault() error {
	switch {
	case len(c.missing) > 0:
		return fmt.Errorf("%s not in %s, among them that with sequence number %s of %s; that must not happen, please "+
			"report it", status.Number(len(c.missing), "record"), outputStream, c.missing[0].SequenceNumber,
			c.missing[0].ShardID)
	case len(c.unknown) > 0 || c.disordered > 0:
		return fmt.Errorf("%s in %s that nobody put, and %d out of order; that must not happen, please report it",
			status.Number(len(c.unknown), "record"), outputStream, c.disordered)
	}
	return nil
}

// concludeOutputs says what is in the output stream, as the last line of the demo.
func concludeOutputs(s *screen.Screen, c outputCount) {
	s.Print(fmt.Sprintf("%s: %s written, each with the place that it came from (%d again), %d missing, %d out of "+
		"order.", outputStream, status.Number(c.written, "record"), c.again, len(c.missing), c.disordered))
}
