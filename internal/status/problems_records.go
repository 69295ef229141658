package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/alert/payload"
	"kinesis-alerter/checkpoint"
)

// recordKinds are about records and alerts that were missed, dropped, repeated or not judged.
func recordKinds() []kind {
	return []kind{
		{
			code: "untimed_records", remedy: "look at the clocks of what answers at AWS_ENDPOINT_URL",
			find: func(m *model, _ thresholds) findings {
				n := m.Recent.Untimed
				return found(when(n > 0, LevelWarning),
					"%s had an impossible arrival time in the last %s, which was ignored",
					number(n, "record"), m.Recent.window())
			},
		},
		{
			code: "shard_gone",
			remedy: "raise the stream's retention, and find out what held the shards; if one is listed again, " +
				"reading continues",
			find: func(m *model, _ thresholds) findings {
				n, shards, _ := m.incidents(checkpoint.IncidentGone)
				were := "they were"
				if n == 1 {
					were = "it was"
				}
				return found(
					when(n > 0, LevelCritical), "the stream lost %s before %s read to the end%s", Number(n, "shard"),
					were, shards,
				)
			},
		},
		{
			code: "order_breached", remedy: "alerts of one partition key may be out of order across these shards",
			find: func(m *model, _ thresholds) findings {
				n, shards, _ := m.incidents(checkpoint.IncidentOrderBreached)
				return found(when(n > 0, LevelWarning), "%s read before a parent had ended%s", are(n, "shard"), shards)
			},
		},
		{
			code:   "skip_undone",
			remedy: "alerts may come late: the shards are read from the first start of this application",
			find: func(m *model, _ thresholds) findings {
				n, shards, _ := m.incidents(checkpoint.IncidentSkipUndone)
				return found(when(n > 0, LevelWarning),
					"%s taken for closed at the first start, but open: reading began now%s",
					are(n, "shard"), shards)
			},
		},
		{
			code:   "position_unusable",
			remedy: "alerts of these shards are repeated; find out what wrote the checkpoint",
			find: func(m *model, _ thresholds) findings {
				n, shards, position := m.incidents(checkpoint.IncidentPosition)
				return found(when(n > 0, LevelCritical),
					"the stored checkpoint of %s is no position in the shard: read again from the beginning%s (%s)",
					Number(n, "shard"), shards, position)
			},
		},
		{
			code: "keyless_records",
			find: func(m *model, _ thresholds) findings {
				ids := m.reads(func(r *Reading) bool { return r.Keyless })
				return found(when(len(ids) > 0, LevelInfo), "records without partition key come from %s: "+
					"what rules remember by partition key they remember by shard%s", Number(len(ids), "shard"),
					first(ids))
			},
		},
		{
			code:   "records_missed",
			remedy: "raise the stream's retention, and find out what held the shards, which the log names",
			find: recently(LevelCritical, "checkpoint", func(r *Recent) uint64 { return r.Missed },
				"records may have been missed %s: %s had left the stream"),
		},
		{
			code: "alerts_given_up", remedy: "a dead_letter destination would keep them",
			find: recently(LevelCritical, "alert", func(r *Recent) uint64 { return r.GivenUp },
				"alerts dropped %s: %s given up at the limits of attempts or age"),
		},
		{
			code: "alerts_skipped", remedy: "the log has the reasons; a dead_letter destination would keep them",
			find: recently(LevelWarning, "alert", func(r *Recent) uint64 { return r.Skipped },
				"alerts dropped %s: %s rejected by SNS and skipped as configured"),
		},
		{
			code: "alerts_dead_lettered", remedy: "the letters have payload and reason",
			find: recently(LevelWarning, "letter", func(r *Recent) uint64 { return r.Letters },
				"alerts became dead letters %s: %s"),
		},
		{
			code: "records_dead_lettered", remedy: "the letters have payload and reason",
			find: recently(LevelInfo, "letter", func(r *Recent) uint64 { return r.InvalidLetters },
				"records that cannot be read became dead letters %s: %s"),
		},
		{
			code: "panics", remedy: "report it: each is a bug, and the log has where",
			find: recently(
				LevelWarning, "panic", func(r *Recent) uint64 { return r.Panics }, "%[2]s recovered from %[1]s",
			),
		},
		{
			code:   "state_lost",
			remedy: "the log has the reasons; windows, counts and suppressions may be off for a while",
			find: recently(LevelWarning, "shard", func(r *Recent) uint64 { return r.StateGaps },
				"evaluation continued without its state %s, on %s"),
		},
		{code: "records_unreadable", find: unreadableRecords},
		{
			code:   "filter_drops_all",
			remedy: "compare the filter with a record: kinesis-alerter explain says which part does not match",
			after:  thresholds{info: time.Hour},
			find: func(m *model, after thresholds) findings {
				const least = 10
				if m.Filter == nil || m.Filter.Dropped < least {
					return nil
				}
				d := m.ago(m.Filter.DroppingSince)
				return found(
					after.level(d), "the filter has dropped every record for %s, %s so far", words(d),
					grouped(m.Filter.Dropped),
				)
			},
		},
		{
			code: "filter_over_budget",
			remedy: "write one pattern with many alternatives in place of many patterns, " +
				"or ask the producer why its records have so many values",
			find: func(m *model, _ thresholds) findings {
				n := m.Recent.FilterOverBudget
				return found(when(n > 0, LevelWarning),
					"the filter is beyond its budget of work for %s in the last %s, which passed it unfiltered",
					number(n, "record"), m.Recent.window())
			},
		},
		{
			code: "audit_lines_lost", remedy: unblockLog,
			find: func(m *model, _ thresholds) findings {
				l := &m.Log
				return found(when(l.Since != nil && l.AuditDropped > 0, LevelCritical),
					"%s dropped for %s, because the log output takes no lines", are(
						l.AuditDropped, "audit line",
					), words(m.ago(l.Since)))
			},
		},
	}
}

// recently finds something that has happened to this process lately, and counts it. The text has the time first, then
// the count.
func recently(level Level, thing string, count func(*Recent) uint64, text string) func(*model, thresholds) findings {
	return func(m *model, _ thresholds) findings {
		n := count(&m.Recent)
		return found(when(n > 0, level), text, "in the last "+m.Recent.window(), number(n, thing))
	}
}

// window is how far Recent looks back.
func (r *Recent) window() string { return words(seconds(r.Window)) }

// incidents of one kind: how many shards they are about, which, and what is known of them.
func (st *Status) incidents(kind checkpoint.IncidentKind) (n int, shards, details string) {
	ids, more := map[string]bool{}, map[string]bool{}
	for _, i := range st.Incidents {
		if i.Kind == string(kind) {
			ids[i.Shard] = true
			more[i.Detail] = true
		}
	}
	delete(more, "")
	return len(ids), first(slices.Sorted(maps.Keys(ids))), strings.Join(slices.Sorted(maps.Keys(more)), ", ")
}

// unreadableRecords looks at records that no rule gets to see: at least unreadableLeast, and one in unreadableShare of
// all.
func unreadableRecords(m *model, _ thresholds) findings {
	const unreadableLeast, unreadableShare = 10, 100
	r := &m.Recent
	all := max(r.Resolved, r.Unreadable) // a dead letter may still be waiting
	if r.Unreadable < unreadableLeast || r.Unreadable*unreadableShare < all {
		return nil
	}
	var top payload.Likely // what most of them look like
	for _, l := range slices.Sorted(maps.Keys(r.UnreadableAs)) {
		if top == "" || r.UnreadableAs[l] > r.UnreadableAs[top] {
			top = l
		}
	}
	looks := fmt.Sprintf("they look like %s", top.Words())
	if n := r.UnreadableAs[top]; n < r.Unreadable {
		looks = fmt.Sprintf("%s of them look like %s", percent(n, r.Unreadable), top.Words())
	}
	return found(LevelWarning, "%s of the records of the last %s cannot be read (%s of %s), so no rule sees them: %s",
		percent(r.Unreadable, all), r.window(), grouped(r.Unreadable), grouped(all), looks).advise(r.inputAdvice(top))
}

// inputAdvice says which input reads most of the records that cannot be read, if at least half of those that were
// looked at; else what to do about records that look like most of them.
func (r *Recent) inputAdvice(top payload.Likely) string {
	input, tried := "", uint64(0)
	for _, in := range slices.Sorted(maps.Keys(r.Inputs)) {
		tried += r.Inputs[in]
		if in != "" && (input == "" || r.Inputs[in] > r.Inputs[input]) {
			input = in
		}
	}
	if n := r.Inputs[input]; input != "" && n*2 >= tried {
		return fmt.Sprintf("write `input: %s` into the configuration and restart: it reads %s of %s that were tried",
			input, grouped(n), number(tried, "record"))
	}
	return top.Remedy()
}

// percent is a share in whole per cent; all and nothing only where they are.
func percent(n, all uint64) string {
	p := n * 100 / max(all, 1)
	switch {
	case n == all:
		p = 100
	case n > 0 && p == 0:
		return "less than 1 %"
	}
	return fmt.Sprintf("%d %%", p)
}
