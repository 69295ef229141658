package daemon

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// logQueueBytes bounds the lines that wait to be written. A pipe without a reader fills it in minutes under a storm
	// of alerts.
	logQueueBytes = 8 << 20
	// logLineOverhead is what a waiting line costs besides its bytes.
	logLineOverhead = 48
)

// logQueue is between the loggers and the output, so that an output that blocks never blocks a record, a lease or a
// stop. One goroutine writes. Lines beyond the bound are dropped and counted, the newest first, because the first lines
// of a fault are worth more than its thousandth repetition.
type logQueue struct {
	out     io.Writer
	dropped func(audit bool) // called for each line that will never be written; it must not block
	drained func(operational, audit int, since time.Time)

	mu     sync.Mutex
	lines  []logLine // not taken by the goroutine yet
	count  int       // of lines that are not written yet
	bytes  int       // of these
	began  time.Time // of the write under way; zero between two
	lost   [2]int    // lines dropped since the last that was written: operational, audit
	since  time.Time
	ready  chan struct{} // holds one token while there is something to write
	closed bool
	done   chan struct{}
}

type logLine struct {
	text  []byte
	audit bool
}

// newLogQueue makes a queue. start starts its goroutine and close ends it.
func newLogQueue(out io.Writer, dropped func(audit bool)) *logQueue {
	return &logQueue{out: out, dropped: dropped, ready: make(chan struct{}, 1), done: make(chan struct{})}
}

// start starts the goroutine that writes. The goroutine calls drained when the output takes lines again, with the lines
// that were dropped and since when.
func (q *logQueue) start(drained func(operational, audit int, since time.Time)) {
	q.drained = drained
	go q.Run()
}

// sink is the queue as the output of one logger.
func (q *logQueue) sink(audit bool) *logSink { return &logSink{q, audit} }

type logSink struct {
	queue *logQueue
	audit bool
}

// Write takes one line, as loggers write them. It never blocks on the output and never fails.
func (s *logSink) Write(line []byte) (int, error) {
	s.queue.Add(logLine{text: append([]byte(nil), line...), audit: s.audit})
	return len(line), nil
}

// Sync is part of the loggers' interface; closing the queue writes the lines.
func (*logSink) Sync() error { return nil }

func (q *logQueue) Add(l logLine) {
	cost := len(l.text) + logLineOverhead
	q.mu.Lock()
	if fits := !q.closed && q.bytes+cost <= logQueueBytes; fits {
		q.lines, q.count, q.bytes = append(q.lines, l), q.count+1, q.bytes+cost
		q.mu.Unlock()
		q.wake()
		return
	}
	q.lose(l.audit)
	q.mu.Unlock()
}

// lose counts a line that is dropped. Call it with mu held.
func (q *logQueue) lose(audit bool) {
	if q.lost == [2]int{} {
		q.since = time.Now()
	}
	kind := 0
	if audit {
		kind = 1
	}
	q.lost[kind]++
	q.dropped(audit)
}

func (q *logQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// state is what the page says of the output.
func (q *logQueue) state() logState {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := logState{Waiting: q.count, Dropped: q.lost[0], AuditDropped: q.lost[1], Since: q.began}
	if s.Dropped+s.AuditDropped > 0 && (s.Since.IsZero() || q.since.Before(s.Since)) {
		s.Since = q.since
	}
	return s
}

// logState is the state of the output: the lines that wait, those dropped since one was last written, and since when
// the output has taken none; a zero Since says that it takes lines.
type logState struct {
	Waiting, Dropped, AuditDropped int
	Since                          time.Time
}

func (q *logQueue) Run() {
	defer close(q.done)
	for range q.ready {
		for {
			q.mu.Lock()
			batch, closed := q.lines, q.closed
			q.lines = nil
			q.mu.Unlock()
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			q.Write(batch)
		}
	}
}

// Write writes lines one by one: each is whole or counted as dropped. While a line is being written its bytes still
// count as waiting.
func (q *logQueue) Write(batch []logLine) {
	for i := range batch {
		q.mu.Lock()
		q.began = time.Now()
		q.mu.Unlock()
		_, err := q.out.Write(batch[i].text)
		q.mu.Lock()
		q.began = time.Time{}
		q.count, q.bytes = q.count-1, q.bytes-len(batch[i].text)-logLineOverhead
		if err != nil {
			q.lose(batch[i].audit)
		}
		lost, since := q.lost, q.since
		if err == nil {
			q.lost = [2]int{}
		}
		q.mu.Unlock()
		batch[i].text = nil
		if err == nil && lost != [2]int{} {
			q.drained(lost[0], lost[1], since)
		}
	}
}

// close has the waiting lines written, for as long as ctx lives, and ends the goroutine. An output that blocks keeps
// its goroutine; the process ends without it. Lines that come later are dropped.
func (q *logQueue) close(ctx context.Context) {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wake()
	select {
	case <-q.done:
	case <-ctx.Done():
	}
}
