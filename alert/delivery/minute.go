package delivery

import "time"

// Minute counts events of the last sixty seconds, to the second. The zero value has none.
type Minute struct {
	counts  [60]int
	seconds [60]int64 // of counts, since 1970
}

// Add counts n events.
func (m *Minute) Add(now time.Time, n int) {
	s := now.Unix()
	i := s % 60
	if m.seconds[i] != s {
		m.seconds[i], m.counts[i] = s, 0
	}
	m.counts[i] += n
}

// Count returns how many there were in the last sixty seconds.
func (m *Minute) Count(now time.Time) int {
	n, oldest := 0, now.Unix()-60
	for i, s := range m.seconds {
		if s > oldest {
			n += m.counts[i]
		}
	}
	return n
}
