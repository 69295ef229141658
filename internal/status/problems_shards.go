package status

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer/read"
)

func shardKinds() []kind {
	return []kind{
		{
			code: "shards_blocked",
			remedy: "look at what holds their parents: lag, alerts that wait, held keys, a pause; " +
				"kinesis-alerter leases list names the parents",
			after: thresholds{warning: time.Minute}, // a reshard takes seconds
			find: func(m *model, after thresholds) findings {
				g := m.group(after, func(s *Shard) time.Duration {
					if s.State != string(checkpoint.ShardBlocked) {
						return 0
					}
					return m.ago(s.UnreadSince)
				})
				return found(g.level, "%s for parents that are not read to their end, for %s%s",
					wait(uint64(len(g.ids)), "shard"), words(g.longest), first(g.ids))
			},
		},
		{
			code: "evaluation_stuck",
			remedy: "a rule takes too long: find it with kinesis-alerter explain on the shard's next record, " +
				"make it cheaper, and reload",
			after: thresholds{critical: failingCritical},
			find: func(m *model, after thresholds) findings {
				g := m.stalled["evaluation_stuck"]
				if g == nil {
					return nil
				}
				return found(cmp.Or(
					after.level(g.longest), LevelWarning,
				), "the evaluation of %s has not finished for %s%s",
					g.count(), words(g.longest), first(g.ids))
			},
		},
		{
			code: "reads_held",
			find: func(m *model, _ thresholds) (all findings) {
				for _, held := range [][2]string{
					{"memory_awaited", "for memory"},
					{"alerts_awaited", "to read further"},
					{"outputs_awaited", "to read further"},
				} {
					if g := m.stalled[held[0]]; g != nil {
						all = append(all, found(LevelWarning, "%s %s%s%s",
							wait(uint64(len(g.ids)), "shard"), held[1], m.backlog(), first(g.ids))...)
					}
				}
				return all
			},
		},
		{
			code:   "keys_held",
			remedy: "fix the rule or the record's path, then restart; dead_letter or on_rejected: skip lets them pass",
			find: func(m *model, _ thresholds) findings {
				keys, by := 0, ""
				holding := m.reads(func(r *Reading) bool {
					keys += r.HeldKeys
					if r.HeldKeys > 0 {
						by = cmp.Or(by, r.HeldBy)
					}
					return r.HeldKeys > 0
				})
				return found(when(keys > 0, LevelCritical), "%s held, because SNS will never accept an alert%s%s",
					are(keys, "partition key"), said(by), first(holding))
			},
		},
		{code: "shards_paused", find: pausedShards},
		{
			code: "end_unproven", remedy: "check kinesis:ListShards; the log has the errors",
			// How long an end may wait for a listing that confirms it, and how long its children may wait for that.
			after: thresholds{warning: time.Minute, critical: 5 * time.Minute},
			find: func(m *model, after thresholds) findings {
				var children []string
				g := m.reading(after, func(r *Reading) time.Duration {
					d := m.ago(r.EndUnproven)
					if after.level(d) != "" {
						children = append(children, r.EndChildren...)
					}
					return d
				})
				waiting := ""
				if slices.Sort(children); len(children) > 0 {
					waiting = "; its children wait" + first(slices.Compact(children))
				}
				return found(g.level, "Kinesis says that %s ended, and for %s no listing has confirmed it%s%s",
					have(len(g.ids), "shard"), words(g.longest), first(g.ids), waiting)
			},
		},
		{
			code:  "open_shard_ended",
			after: thresholds{critical: time.Minute},
			find: func(m *model, after thresholds) findings {
				them := "them"
				g := m.group(after, func(s *Shard) time.Duration { return m.ago(s.EndDoubted) })
				if len(g.ids) == 1 {
					them = "it"
				}
				doubted := found(g.level, "the lease table says that %s ended, but the stream lists %s open, for %s%s",
					have(len(g.ids), "shard"), them, words(g.longest), first(g.ids)).
					advise("wait: the end is taken back when GetRecords answers; the log has the errors")
				n, shards, from := m.incidents(checkpoint.IncidentEndUndone)
				if from == "trim_horizon" {
					shards += ", from the oldest record, which repeats alerts"
				}
				undone := found(when(
					n > 0, LevelCritical,
				), "the lease table said that %s ended although open; reading continues%s",
					have(n, "shard"), shards).advise("alerts may come late or twice; " +
					"find out what wrote SHARD_END: an import, a tool or an older version")
				return append(doubted, undone...)
			},
		},
		{
			code: "inherited_unsure",
			remedy: "find out why the other shards do not save their state: is each of them read, " +
				"by workers with the same rules, and do its alerts get out?",
			find: func(m *model, _ thresholds) findings {
				unheard := map[string]bool{}
				n := len(m.reads(func(r *Reading) bool {
					for _, id := range r.Unheard {
						unheard[id] = true
					}
					return len(r.Unheard) > 0
				}))
				share := Number(n, "shard") + " share"
				if n == 1 {
					share = "1 shard shares"
				}
				return found(when(n > 0, LevelWarning),
					"since a reshard %s keys with %s whose memory was not readable for "+
						"five minutes%s: what was reported about silent keys may be wrong",
					share, Number(len(unheard), "other shard"), first(slices.Sorted(maps.Keys(unheard))))
			},
		},
	}
}

// pausedShards reports what an operator has paused. That was intended, but no worker reads these shards: a forgotten
// pause loses what leaves the stream meanwhile.
func pausedShards(m *model, _ thresholds) findings {
	n, oldest := m.ShardCounts["paused"], (*time.Time)(nil)
	for i := range m.Shards {
		s := &m.Shards[i]
		if s.State == string(checkpoint.ShardPaused) && s.CaughtUp != nil &&
			(oldest == nil || s.CaughtUp.Before(*oldest)) {
			oldest = s.CaughtUp
		}
	}
	since, level := "", when(n > 0, LevelWarning)
	if oldest != nil {
		since = ", the first of them finished up to " + words(m.ago(oldest)) + " ago"
	}
	if half := m.Stream.Retention / 2; n > 0 && half > 0 && m.ago(oldest).Seconds() >= half {
		level, since = LevelCritical, since+", which is more than half of the stream's retention"
	}
	return found(level, "%s paused by an operator%s", are(n, "shard"), since).
		advise("kinesis-alerter leases resume --table " + m.Stream.Application + " --all")
}

// shardGroup are shards with the same problem.
type shardGroup struct {
	ids     []string
	longest time.Duration
	worst   string // the shard of longest
	code    string // its error
	level   Level  // of longest; empty without shards
}

func (g *shardGroup) add(id string, d time.Duration, code string) {
	g.ids = append(g.ids, id)
	if d > g.longest {
		g.longest, g.worst, g.code = d, id, code
	}
}

func (g *shardGroup) count() string { return Number(len(g.ids), "shard") }

// group are the shards for which something has lasted for longer than it may.
func (f *Fleet) group(after thresholds, lasts func(*Shard) time.Duration) (g shardGroup) {
	for i := range f.Shards {
		if d := lasts(&f.Shards[i]); after.level(d) != "" {
			g.add(f.Shards[i].ID, d, "")
			g.level = after.level(g.longest)
		}
	}
	return g
}

// reading is group of the shards that this process reads.
func (f *Fleet) reading(after thresholds, lasts func(*Reading) time.Duration) shardGroup {
	return f.group(after, func(s *Shard) time.Duration {
		if s.Reading == nil {
			return 0
		}
		return lasts(s.Reading)
	})
}

// reads are the shards that this process reads and of which something is so.
func (f *Fleet) reads(so func(*Reading) bool) (ids []string) {
	for i := range f.Shards {
		if r := f.Shards[i].Reading; r != nil && so(r) {
			ids = append(ids, f.Shards[i].ID)
		}
	}
	return ids
}

const (
	// stallWarnAfter is how long a shard may wait for anything but Kinesis. Kinesis itself may refuse calls for
	// refusalWarnAfter, and leave them without answer for noAnswerWarnAfter.
	stallWarnAfter    = 30 * time.Second
	noAnswerWarnAfter = 10 * time.Second
	refusalWarnAfter  = 5 * time.Second
	// throttledLag is a lag that throttling explains if it happened within throttledLately.
	throttledLag    = 10 * time.Second
	throttledLately = 15 * time.Second
	// evaluationWarnAfter is how long the evaluation of a page may take.
	evaluationWarnAfter = 10 * time.Second
)

// stalledShards are the shards that this process does not read on, by cause.
func stalledShards(st *Status) map[string]*shardGroup {
	out := map[string]*shardGroup{}
	for i := range st.Shards {
		s := &st.Shards[i]
		if s.Reading == nil {
			continue
		}
		if cause, d := stall(st, s.Reading); cause != "" {
			if out[cause] == nil {
				out[cause] = &shardGroup{}
			}
			out[cause].add(s.ID, d, s.Reading.ReadError)
		}
	}
	return out
}

// stall names what keeps a shard from being read on, and says for how long it has; it is empty where nothing does.
func stall(st *Status, r *Reading) (cause string, d time.Duration) {
	if d := st.ago(r.Evaluating); d >= evaluationWarnAfter {
		return "evaluation_stuck", d
	}
	if r.Phase != "reading" {
		return "", 0
	}
	d = st.ago(cmp.Or(r.LastFetch, r.Since))
	refused := r.ReadError != "" && r.ReadError != "timeout" && r.ReadError != "unreachable"
	own := map[string]string{
		read.WaitsForState:   "state_awaited",
		read.WaitsForMemory:  "memory_awaited",
		read.WaitsForAlerts:  "alerts_awaited",
		read.WaitsForOutputs: "outputs_awaited",
	}[r.WaitsFor]
	switch {
	case own != "" && d >= stallWarnAfter:
		return own, d
	case own != "":
		return "", 0
	case refused && st.ago(r.ReadFailing) >= refusalWarnAfter,
		d >= noAnswerWarnAfter && (r.ReadError != "" || r.WaitsFor == read.WaitsForKinesis):
		return "reads_failing", d
	case r.Throttled != nil && st.ago(r.Throttled) < throttledLately && r.Lag >= throttledLag.Seconds():
		return "reads_throttled", seconds(r.Lag)
	}
	return "", 0
}

// backlog says for what the alerts wait that keep shards from being read on; empty where none do.
func (d *Delivery) backlog() string {
	if slices.ContainsFunc(d.Topics, func(t Topic) bool { return t.Waiting+t.Gathered > 0 }) {
		return ", because alerts wait for SNS"
	}
	if l := d.DeadLetters; l != nil && l.Waiting > 0 {
		return ", because dead letters wait for " + strings.ToUpper(l.Kind)
	}
	if slices.ContainsFunc(d.Outputs, func(o Output) bool { return o.Crowded }) {
		return ", because records wait for an output stream"
	}
	return ""
}
