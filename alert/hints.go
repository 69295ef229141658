package alert

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"kinesis-alerter/alert/payload"
)

// mostInputs bounds how many inputs are counted: hints are made of few steps, but from data.
const mostInputs = 32

// hints are which inputs would read the records that cannot be read, counted by the input; "" for none.
type hints struct {
	seen   atomic.Uint64
	mu     sync.Mutex
	inputs map[string]uint64
}

// Unread takes the payload of a Kinesis record of which something cannot be read. The first ones, and a sample
// afterwards, are looked at with hint, which says which input reads it; each input is logged once. It is safe for
// concurrent use.
func (p *Pipeline) Unread(shard, sequence string, data []byte, hint func(data []byte) *payload.Hint) {
	const all, some = 16, 64
	if n := p.hints.seen.Add(1); n > all && n%some != 0 {
		return
	}
	found := &payload.Hint{}
	func() {
		defer func() {
			if r := recover(); r != nil {
				p.metrics.panics.Inc()
				p.log.Error("panic while looking at a record that cannot be read, please report it",
					zap.String("shard", shard), zap.String("sequence_number", sequence), zap.Any("panic", r))
			}
		}()
		if h := hint(data); h != nil {
			found = h
		}
	}()
	if p.hints.count(found.Input) && found.Input != "" {
		p.log.Warn("records cannot be read, and another input would read them: write it into the configuration",
			zap.String("looks_like", found.Words()), zap.String("input", found.Input),
			zap.String("shard", shard), zap.String("sequence_number", sequence))
	}
}

// count counts an input, and reports whether it is new.
func (h *hints) count(input string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, known := h.inputs[input]
	if !known && len(h.inputs) >= mostInputs {
		input, known = "", true
	}
	if h.inputs == nil {
		h.inputs = make(map[string]uint64)
	}
	h.inputs[input]++
	return !known
}

// Inputs returns how many of the records that cannot be read were looked at, by the input that would read them; "" for
// those that none is known to read. It is safe for concurrent use.
func (p *Pipeline) Inputs() map[string]uint64 {
	p.hints.mu.Lock()
	defer p.hints.mu.Unlock()
	return maps.Clone(p.hints.inputs)
}
