package status

import (
	"time"

	"kinesis-alerter/checkpoint"
)

func tableKinds() []kind {
	const service = "check DynamoDB, the network and the role's permissions on the lease table"
	const calls = "check the calls of DynamoDB: are they throttled, denied or without answer? The log has the errors"
	return []kind{
		{
			code: "trust_ended", remedy: service,
			find: func(m *model, _ thresholds) findings {
				silent := m.tableSilent()
				return found(when(silent > 0 && m.Worker.TrustedUntil == nil, LevelCritical),
					"DynamoDB: no success for %s%s, trust in the leases has ended: nothing is read or published",
					words(silent), because(m.Worker.Failure)).blaming(m.Worker.Failure)
			},
		},
		{
			code: "table_failing", remedy: service,
			find: func(m *model, _ thresholds) findings {
				silent, until := m.tableSilent(), m.Worker.TrustedUntil
				return found(when(silent > 0 && until != nil, LevelWarning),
					"DynamoDB: no success for %s%s, trust in the leases ends in %s",
					words(silent), because(m.Worker.Failure), words(-m.ago(until))).blaming(m.Worker.Failure)
			},
		},
		{
			code: "checkpoint_stuck", remedy: calls,
			after: thresholds{critical: 5 * time.Minute},
			find: func(m *model, after thresholds) findings {
				g := m.reading(after, func(r *Reading) time.Duration {
					if seconds(r.Lag) >= lagWarnAfter {
						return 0 // the lag holds it
					}
					if r.Writing > 0 && m.outputsHold() {
						return 0 // an output does
					}
					return m.ago(r.Checkpoint)
				})
				return found(
					g.level, "the checkpoint of %s has not been stored for %s%s", g.count(), words(g.longest),
					first(g.ids),
				)
			},
		},
		{
			code: "state_unsaved", remedy: calls,
			after: thresholds{warning: 2 * time.Minute},
			find: func(m *model, after thresholds) findings {
				g := m.reading(after, func(r *Reading) time.Duration {
					if r.StateTooLarge != "" {
						return 0
					}
					return m.ago(r.StateFailing)
				})
				return found(
					g.level, "the state of %s has not been saved for %s%s", g.count(), words(g.longest), first(g.ids),
				)
			},
		},
		{
			code: "state_awaited", remedy: calls,
			find: func(m *model, _ thresholds) findings {
				g := m.stalled["state_awaited"]
				if g == nil {
					return nil
				}
				return found(LevelWarning, "%s for the state in DynamoDB, for %s so far%s",
					wait(uint64(len(g.ids)), "shard"), words(g.longest), first(g.ids))
			},
		},
		{
			code: "table_settings",
			remedy: "allow dynamodb:TagResource and dynamodb:UpdateContinuousBackups on the table: it is tried again " +
				"every minute; or set it yourself and restart this worker",
			find: func(m *model, _ thresholds) (all findings) {
				for i := range m.TableLacks {
					l := &m.TableLacks[i]
					all = append(all, found(LevelWarning, "the new table %s has no %s for %s%s", l.Table, l.Setting,
						words(m.At.Sub(l.Since)), because(l.Code))...)
				}
				return all
			},
		},
		{
			code: "parents_circular", remedy: "find out who else writes to the lease table",
			find: func(m *model, _ thresholds) findings {
				n, shards, _ := m.incidents(checkpoint.IncidentParents)
				return found(when(n > 0, LevelCritical), "rows of the lease table named %s as their own ancestors: "+
					"the parents that the stream lists are used, and written back%s", Number(n, "shard"), shards)
			},
		},
		{
			code:   "row_unreadable",
			remedy: "find out who else writes to the lease table; kinesis-alerter leases list names the row",
			find: func(m *model, _ thresholds) (all findings) {
				for _, r := range m.UnreadableRows {
					level, text := LevelCritical, "row %s of the lease table cannot be read: %s"
					if r.Mended { // worth a look for a while: a program wrote there that should not
						level = LevelWarning
						text = "row %s of the lease table could not be read: %s; it was rewritten, and alerts " +
							"may have been repeated"
					}
					all = append(all, found(level, text, r.Key, r.Cause)...)
				}
				return all
			},
		},
		{
			code: "offer_unstorable",
			remedy: "look at the checkpoint with kinesis-alerter leases list; " +
				"kinesis-alerter leases rewind SHARD --to TIME replaces it",
			find: func(m *model, _ thresholds) findings {
				why := ""
				ids := m.reads(func(r *Reading) bool {
					if r.Unstorable != "" {
						why = r.Unstorable
					}
					return r.Unstorable != ""
				})
				return found(when(
					len(ids) > 0, LevelCritical,
				), "the progress of %s cannot be stored, a restart repeats its alerts: %s%s",
					Number(len(ids), "shard"), why, first(ids))
			},
		},
	}
}

// tableSilent is for how long DynamoDB has not confirmed a heartbeat; 0 while that is no problem. A worker that is
// still joining has none, which a start waits for.
func (st *Status) tableSilent() time.Duration {
	silent := st.ago(st.Worker.Heartbeat)
	if st.State != "running" || silent.Seconds() < st.Worker.LeaseSeconds/2 {
		return 0
	}
	return silent
}
