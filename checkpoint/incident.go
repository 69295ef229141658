package checkpoint

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// IncidentKind says what happened to a shard; it is a label value.
type IncidentKind string

// The kinds of incidents.
const (
	// IncidentGone: the stream lost a shard before it was read to its end.
	IncidentGone IncidentKind = "gone"
	// IncidentEndUndone: SHARD_END was stored for an open shard; reading continues.
	IncidentEndUndone IncidentKind = "end_undone"
	// IncidentOrderBreached: children of a shard were read before it had ended.
	IncidentOrderBreached IncidentKind = "order_breached"
	// IncidentSkipUndone: a shard that is open was skipped at the first start as closed; it is read from T0.
	IncidentSkipUndone IncidentKind = "skip_undone"
	// IncidentPosition: the stored checkpoint was no position in the shard; it is read again from its beginning.
	IncidentPosition IncidentKind = "position_unusable"
	// IncidentParents: by the rows of the table a shard descended from itself; the stream is believed.
	IncidentParents IncidentKind = "parents_circular"
)

// IncidentKinds are all of them.
func IncidentKinds() []IncidentKind {
	return []IncidentKind{
		IncidentGone, IncidentEndUndone, IncidentOrderBreached, IncidentSkipUndone,
		IncidentPosition, IncidentParents,
	}
}

// Incident is something that happened to a shard and that an operator should know, although there is nothing left to
// do.
type Incident struct {
	Kind   IncidentKind
	Shard  string
	Detail string
	At     time.Time
}

const (
	// incidentsFor is how long an incident is shown.
	incidentsFor = 15 * time.Minute
	// incidentsKept bounds how many are shown.
	incidentsKept = 200
)

// incidentLog keeps what happened to shards for a while. Guarded by Store.mu.
type incidentLog struct {
	count *prometheus.CounterVec
	kept  []Incident
}

// add counts an incident and keeps it for a while. The caller logs it.
func (g *incidentLog) add(kind IncidentKind, shard, detail string) {
	g.count.WithLabelValues(string(kind)).Inc()
	g.kept = append(g.kept, Incident{Kind: kind, Shard: shard, Detail: detail, At: time.Now()})
	g.kept = g.kept[max(0, len(g.kept)-incidentsKept):]
}

// recent returns those to show.
func (g *incidentLog) recent(now time.Time) []Incident {
	g.kept = slices.DeleteFunc(g.kept, func(i Incident) bool { return now.Sub(i.At) >= incidentsFor })
	return slices.Clone(g.kept)
}
