package status

import (
	"fmt"
	"time"
)

// lagWarnAfter is the lag of a shard that is a problem, lagGrowing the lag from which on its growth is one.
const (
	lagWarnAfter = time.Minute
	lagGrowing   = 15 * time.Second
)

func lagKinds() []kind {
	const remedy = "if nothing else is wrong and it does not shrink: more workers, or more shards, or a higher " +
		"rate of the " +
		"topic that alerts wait for"
	return []kind{
		{
			code: "lag_growing", remedy: remedy,
			after: thresholds{warning: lagGrowing},
			find: func(m *model, after thresholds) findings {
				waiting := m.backlog() != ""
				g := m.reading(after, func(r *Reading) time.Duration {
					cause, _ := stall(m.Status, r)
					known := cause != "" || r.HeldKeys > 0 || r.Unresolved > 0 && waiting
					if lag := seconds(r.Lag); r.LagGrows && !known && lag < lagWarnAfter {
						return lag
					}
					return 0
				})
				return found(g.level, "the lag of %s grows, %s on %s", g.count(), words(g.longest), g.worst)
			},
		},
		{
			code: "lag", remedy: remedy,
			after: thresholds{warning: lagWarnAfter, critical: 5 * time.Minute},
			find: func(m *model, after thresholds) findings {
				g := m.reading(after, func(r *Reading) time.Duration { return seconds(r.Lag) })
				more, own := "", ""
				if n := len(g.ids); n > 1 {
					more = fmt.Sprintf(", and more than %s on %s", words(lagWarnAfter), Number(n-1, "other"))
				}
				if half := m.Stream.Retention / 2; half > 0 && g.longest.Seconds() >= half {
					more += ", which is more than half of the stream's retention"
					own = "raise the stream's retention now, then find out what holds the shard: what it no longer " +
						"keeps is lost"
				}
				return found(g.level, "lag %s on %s%s", words(g.longest), g.worst, more).advise(own)
			},
		},
	}
}
