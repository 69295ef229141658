package fakeaws

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Event is one request that reached a service.
type Event struct {
	At        time.Time
	Service   string
	Operation string
	Client    string
	Err       error
}

// History is the ordered log of requests, for counting calls and for dumps of a failed run.
type History struct {
	mu     sync.Mutex
	off    bool
	events []Event
	counts map[string]int
	watch  func(Event)
}

func (h *History) add(e Event) {
	if watch := h.count(e); watch != nil {
		watch(e)
	}
}

func (h *History) count(e Event) (watch func(Event)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts == nil {
		h.counts = map[string]int{}
	}
	h.counts[e.Service+"."+e.Operation]++
	if !h.off {
		h.events = append(h.events, e)
	}
	return h.watch
}

// Watch has f called with every request from now on, before its caller gets the answer. Calls overlap.
func (h *History) Watch(f func(Event)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.watch = f
}

// CountOnly stops the keeping of events, so that a long run holds only the counters.
func (h *History) CountOnly() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.off, h.events = true, nil
}

// Count returns how many requests of an operation reached the service.
func (h *History) Count(service, operation string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts[service+"."+operation]
}

// Events returns a copy of the log.
func (h *History) Events() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// String is the log with one request a line, for the output of a test that failed.
func (h *History) String() string {
	var b strings.Builder
	for _, e := range h.Events() {
		fmt.Fprintf(&b, "%s %s.%s by %s", e.At.Format("15:04:05.000"), e.Service, e.Operation, e.Client)
		if e.Err != nil {
			fmt.Fprintf(&b, ": %s", e.Err)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
