package consumer

// phase is where a shard is in its life on this worker.
//
//	reading ──handoff──▶ draining ──quiet──▶ handed over
//	   │  ▲                 │
//	   │  └──drain limit────┘
//	   ├──closed──▶ ending ──quiet──▶ ended
//	   └──stop──▶ stopping ──quiet or budget──▶ released
//
// A lost lease leads from every phase to lost. A stop overtakes a handoff and an end: the shard is released instead.
type phase uint8

const (
	reading phase = iota
	draining
	ending
	stopping
	handedOver
	ended
	released
	lost
)

// event is what moves a shard from phase to phase.
type event uint8

const (
	handoffAsked event = iota
	drainLimit
	shardClosed
	stopAsked
	quietNow
	budgetSpent
	leaseLost
)

// next is the whole life of a shard. An event that means nothing in a phase leaves it as it is.
func (p phase) next(e event) phase {
	if p.over() {
		return p
	}
	switch e {
	case leaseLost:
		return lost
	case stopAsked:
		return stopping
	case handoffAsked:
		if p == reading {
			return draining
		}
	case drainLimit:
		if p == draining {
			return reading
		}
	case shardClosed:
		if p == reading {
			return ending
		}
	case budgetSpent:
		if p == stopping {
			return released
		}
	case quietNow:
		switch p {
		case draining:
			return handedOver
		case ending:
			return ended
		case stopping:
			return released
		case reading, handedOver, ended, released, lost:
		}
	}
	return p
}

// over says that this worker has nothing to do with the shard any more.
func (p phase) over() bool { return p >= handedOver }

func (p phase) String() string {
	return [...]string{"reading", "draining", "ending", "stopping", "handed over", "ended", "released", "lost"}[p]
}
