package checkpoint

import (
	"slices"
	"time"
)

// IncidentKind says what befell a shard; it is a label value.
type IncidentKind string

// The kinds of incidents.
const (
	// IncidentGone: the stream lost a shard before it was read to its end.
	IncidentGone IncidentKind = "gone"
	// IncidentEndUndone: SHARD_END was stored of a shard that is open; it is read on.
	IncidentEndUndone IncidentKind = "end_undone"
	// IncidentOrderBreached: children of a shard were read before it had ended.
	IncidentOrderBreached IncidentKind = "order_breached"
	// IncidentSkipUndone: a shard that is open was skipped at the first start as closed; it is read from T0.
	IncidentSkipUndone IncidentKind = "skip_undone"
	// IncidentPosition: the stored checkpoint was no position in the shard; it is read again from its beginning.
	IncidentPosition IncidentKind = "position_unusable"
	// IncidentParents: a shard descended from itself by the rows of the table; the stream is believed.
	IncidentParents IncidentKind = "parents_circular"
)

// IncidentKinds are all of them.
func IncidentKinds() []IncidentKind {
	return []IncidentKind{IncidentGone, IncidentEndUndone, IncidentOrderBreached, IncidentSkipUndone, IncidentPosition, IncidentParents}
}

// Incident is something that befell a shard and that a person should hear of, although it needs nothing more.
type Incident struct {
	Kind   IncidentKind
	Shard  string
	Detail string
	At     time.Time
}

const (
	// incidentsFor is how long an incident is shown.
	incidentsFor = 15 * time.Minute
	// incidentsKept bounds how many are.
	incidentsKept = 200
)

// befell counts an incident and keeps it for a while. Call it with mu held; log it beside.
func (s *Store) befell(kind IncidentKind, shard, detail string) {
	s.m.incidents.WithLabelValues(string(kind)).Inc()
	s.incidents = append(s.incidents, Incident{Kind: kind, Shard: shard, Detail: detail, At: time.Now()})
	s.incidents = s.incidents[max(0, len(s.incidents)-incidentsKept):]
}

// recentIncidents are those to show. Call it with mu held.
func (s *Store) recentIncidents(now time.Time) []Incident {
	s.incidents = slices.DeleteFunc(s.incidents, func(i Incident) bool { return now.Sub(i.At) >= incidentsFor })
	return slices.Clone(s.incidents)
}
