package status

import (
	"cmp"
	"strings"
	"time"

	"kinesis-alerter/internal/config"
)

func configurationKinds() []kind {
	const check = "kinesis-alerter check --config FILE names every fault"
	return []kind{
		{
			code:   "reload_unfinished",
			remedy: "is the file a regular one on a disk that answers, and no larger than a megabyte? " + check,
			after:  thresholds{warning: 5 * time.Second},
			find: func(m *model, after thresholds) findings {
				d := m.ago(m.ReloadingSince)
				return found(
					after.level(d), "a reload has not finished for %s, the old configuration stays active",
					words(d),
				)
			},
		},
		{
			code: "reload_refused", remedy: check + "; mend them, then reload",
			find: func(m *model, _ thresholds) findings {
				r := m.Reload
				if r == nil || r.OK {
					return nil
				}
				faults := ""
				if r.Error != "" {
					faults = ": " + r.Error
				}
				return found(LevelWarning, "the last reload was refused %s ago, the old configuration stays active%s",
					words(m.At.Sub(r.At)), faults)
			},
		},
		{
			code: "restart_needed", remedy: "restart the workers one after the other",
			find: func(m *model, _ thresholds) (all findings) {
				if m.Reload == nil || !m.Reload.OK {
					return nil
				}
				for _, change := range m.Reload.Changes {
					part, waits := strings.CutSuffix(change, config.RestartNeeded)
					all = append(all, found(when(waits, LevelInfo),
						"%s in the file differs from the configuration that runs, since a reload %s ago", part, words(
							m.At.Sub(m.Reload.At),
						))...)
				}
				return all
			},
		},
		{
			code: "config_differs", // half of the alerts are made by the one configuration, half by the other
			remedy: "give all workers the same file and reload or restart them; /api/v1/status of each has its " +
				"configuration",
			after: thresholds{warning: 15 * time.Minute}, // a rollout takes that
			find: func(m *model, after thresholds) findings {
				var differ shardGroup
				for i := range m.Workers {
					if w := &m.Workers[i]; w.DiffersSince != nil {
						differ.add(w.ID, m.ago(w.DiffersSince), "")
					}
				}
				level := when(len(differ.ids) > 0, cmp.Or(after.level(differ.longest), LevelInfo))
				return found(level, "%s a different configuration than this one, for %s%s",
					have(len(differ.ids), "worker"), words(differ.longest), first(differ.ids))
			},
		},
		{
			code: "endpoint_plain", remedy: "use https:// in AWS_ENDPOINT_URL and the like, or a proxy on this host",
			find: func(m *model, _ thresholds) findings {
				return found(when(len(m.PlainEndpoints) > 0, LevelWarning),
					"AWS is reached over plain HTTP on %s: payloads and the session token can be read on the way",
					strings.Join(m.PlainEndpoints, ", "))
			},
		},
	}
}
