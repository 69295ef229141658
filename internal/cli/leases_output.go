package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/position"
)

// leaseJSON is a lease as --json prints it. The names are stable.
type leaseJSON struct {
	Shard       string            `json:"shard"`
	State       string            `json:"state"`
	Owner       string            `json:"owner,omitempty"`
	OwnerSilent bool              `json:"owner_silent,omitempty"`
	Epoch       int64             `json:"epoch"`
	Checkpoint  string            `json:"checkpoint,omitempty"`
	SubSequence *uint32           `json:"sub_sequence,omitempty"`
	StartAt     *checkpoint.Start `json:"start_at,omitempty"`
	CaughtUp    *time.Time        `json:"caught_up,omitempty"`
	// CaughtUpAge bounds the lag, in seconds.
	CaughtUpAge *float64 `json:"caught_up_age_seconds,omitempty"`
	Generation  uint32   `json:"generation"`
	Paused      bool     `json:"paused"`
	Parents     []string `json:"parents"`
	Listed      bool     `json:"listed"`
	// Fault is what is wrong with the row.
	Fault string `json:"fault,omitempty"`
}

type leaseTableJSON struct {
	Table         string      `json:"table"`
	StreamARN     string      `json:"stream_arn"`
	Begun         *time.Time  `json:"begun,omitempty"` // missing where the table does not say
	LeaseDuration float64     `json:"lease_duration_seconds"`
	Shards        []leaseJSON `json:"shards"`
}

type changeJSON struct {
	Verb  admin.Verb `json:"verb"`
	Shard string     `json:"shard"`
	Live  bool       `json:"live"`
	Made  bool       `json:"made"`
	// Skips says that records that nobody has read are left out; those that arrived since SkipsSince, where it is
	// known.
	Skips      bool       `json:"skips,omitempty"`
	SkipsSince *time.Time `json:"skips_since,omitempty"`
	Before     leaseJSON  `json:"before"`
	After      leaseJSON  `json:"after"`
}

func toLeaseJSON(r *admin.LeaseRow, now time.Time) leaseJSON {
	out := leaseJSON{
		Shard: r.Shard, State: leaseState(r), Owner: r.Owner, OwnerSilent: r.Silent, Epoch: r.Epoch,
		Checkpoint: r.Position.Sequence,
		Generation: r.Generation, Paused: r.Paused, Parents: append([]string{}, r.Parents...), Listed: r.Listed,
		Fault: r.Fault,
	}
	if p := r.Position; !p.IsZero() && p.Sequence != position.ShardEnd && p.Sub != position.WholeRecord {
		out.SubSequence = &p.Sub
	}
	if r.StartAt.Kind != checkpoint.StartLatest {
		out.StartAt = &r.StartAt
	}
	if !r.CaughtUp.IsZero() {
		at, age := r.CaughtUp.UTC(), now.Sub(r.CaughtUp).Seconds()
		out.CaughtUp, out.CaughtUpAge = &at, &age
	}
	return out
}

func tableJSON(t admin.LeaseTable, now time.Time) leaseTableJSON {
	out := leaseTableJSON{
		Table: t.Table, StreamARN: t.Stream, LeaseDuration: t.LeaseDuration.Seconds(), Shards: []leaseJSON{},
	}
	if !t.T0.IsZero() {
		out.Begun = new(t.T0.UTC())
	}
	for i := range t.Shards {
		out.Shards = append(out.Shards, toLeaseJSON(&t.Shards[i], now))
	}
	return out
}

func changesJSON(changes, made []admin.Change) []changeJSON {
	done := map[string]bool{}
	for _, c := range made {
		done[c.After.Shard] = true
	}
	out := []changeJSON{}
	for _, c := range changes {
		x := changeJSON{Verb: c.Verb, Shard: c.After.Shard, Live: c.Live, Made: done[c.After.Shard]}
		x.Before, x.After = toLeaseJSON(&c.Before, time.Time{}), toLeaseJSON(&c.After, time.Time{})
		x.Before.CaughtUpAge, x.After.CaughtUpAge = nil, nil
		x.After.State = ""
		var since time.Time
		if since, x.Skips = c.Skips(); x.Skips && !since.IsZero() {
			x.SkipsSince = new(since.UTC())
		}
		out = append(out, x)
	}
	return out
}

// leaseState is a lease's state in a word.
func leaseState(r *admin.LeaseRow) string {
	switch {
	case r.Paused && r.Owner != "" && !r.Silent:
		return "pausing" // its worker has not let it go yet
	case r.Silent && !r.Paused:
		return "silent"
	case r.State == table.ShardForeign:
		return "held"
	}
	return string(r.State)
}

// writeTable prints a lease table for people.
func writeTable(s screen, t admin.LeaseTable, now time.Time) error {
	w := s.w
	begun := "unknown"
	if !t.T0.IsZero() {
		begun = t.T0.UTC().Format(time.RFC3339)
	}
	_, _ = plain.Fprintf(w, "table %s of %s, begun %s, lease %s\n", t.Table, t.Stream, begun, t.LeaseDuration)
	damaged := map[string]bool{}
	for _, d := range t.Damaged {
		damaged[d.Key] = true
		_, _ = plain.Fprintf(w, "row %s cannot be read: %s; a running worker writes it again\n", d.Key, d.Cause)
	}
	for i := range t.Shards {
		if r := &t.Shards[i]; r.Fault != "" && !damaged[r.Shard] {
			_, _ = plain.Fprintf(w, "row %s: %s\n", r.Shard, r.Fault)
		}
	}
	_, _ = plain.Fprintln(w)
	var rows [][]cell
	for i := range t.Shards {
		r := &t.Shards[i]
		state := leaseState(r)
		rows = append(rows, []cell{
			{text: r.Shard},
			{state, styleOf(state)},
			{text: cmp.Or(r.Owner, "-")},
			{text: strconv.FormatInt(r.Epoch, 10)},
			{text: place(r)},
			{text: age(now, r.CaughtUp)},
			{text: strconv.FormatUint(uint64(r.Generation), 10)},
			{text: cmp.Or(strings.Join(r.Parents, ","), "-")},
		})
	}
	return s.table([]string{"SHARD", "STATE", "OWNER", "EPOCH", "CHECKPOINT", "CAUGHT UP", "GENERATION", "PARENTS"},
		map[string]bool{"SHARD": true, "OWNER": true, "CHECKPOINT": true, "PARENTS": true}, rows)
}

// styleOf is how a state of a lease looks.
func styleOf(state string) style {
	switch state {
	case "held":
		return good
	case "paused", "pausing", string(table.ShardUnread):
		return caution
	case "silent":
		return bad
	case string(table.ShardEnded):
		return faint
	}
	return noStyle
}

// writeChanges prints what is about to happen, and what that does to the workers.
func writeChanges(s screen, changes []admin.Change, force bool) error {
	w := s.w
	var rows [][]cell
	for i := range changes {
		c := &changes[i]
		line := func(what, before, after string) {
			if before != after {
				rows = append(rows, []cell{
					{text: c.After.Shard}, {text: what}, {text: before}, {text: "->"}, {after, bold},
				})
			}
		}
		line("owner", cmp.Or(c.Before.Owner, "-"), cmp.Or(c.After.Owner, "-"))
		line("epoch", strconv.FormatInt(c.Before.Epoch, 10), strconv.FormatInt(c.After.Epoch, 10))
		line("checkpoint", place(&c.Before), place(&c.After))
		line("generation", strconv.FormatUint(uint64(c.Before.Generation), 10),
			strconv.FormatUint(uint64(c.After.Generation), 10))
		line("paused", strconv.FormatBool(c.Before.Paused), strconv.FormatBool(c.After.Paused))
	}
	err := s.table([]string{"SHARD", "CHANGE", "BEFORE", "", "AFTER"},
		map[string]bool{"SHARD": true, "BEFORE": true, "AFTER": true}, rows)
	if err != nil {
		return err
	}
	for i := range changes {
		if c := &changes[i]; c.Live && force {
			_, _ = plain.Fprintf(w,
				"%s is held by %s, which is alive: it loses the shard at its next write, and what it has published "+
					"since its last checkpoint is published again\n", c.Before.Shard, c.Before.Owner)
		}
		if c := &changes[i]; c.Verb == admin.VerbPause && c.Before.Owner != "" && !c.Before.Silent {
			_, _ = plain.Fprintf(w, "%s is held by %s, which drains it first\n", c.Before.Shard, c.Before.Owner)
		}
	}
	again := false
	for i := range changes {
		c := &changes[i]
		since, skips := c.Skips()
		again = again || !skips
		switch {
		case skips && since.IsZero():
			_, _ = plain.Fprintf(w,
				"%s: records that were not read before %s are SKIPPED and make no alert; the table "+
					"does not say how many hours that is\n", c.Before.Shard, c.After.StartAt)
		case skips:
			to := c.After.StartAt.Time
			_, _ = plain.Fprintf(w,
				"%s: up to %.1f hours are SKIPPED: records that arrived from %s to %s make no alert\n",
				c.Before.Shard, to.Sub(since).Hours(), since.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
		}
	}
	if c := &changes[0]; c.Verb == admin.VerbRewind && again {
		since, how := "its first record", "--from -24h"
		if c.After.StartAt.Kind == checkpoint.StartTime {
			since = c.After.StartAt.String()
			how = "--from " + since
		}
		_, _ = plain.Fprintf(w,
			"people are paged again: what the rules make of the records since %s is published once "+
				"more, with new ids; rules backtest %s says how many alerts that is\n", since, how)
	}
	if changes[0].Verb == admin.VerbRewind {
		_, _ = plain.Fprintln(w,
			"the rules of these shards forget what they remember: a key that fires now gets its end "+
				"(the shard was rewound) a minute after a worker has taken the shard, unless it fires again before")
	}
	_, err = plain.Fprintln(w)
	return err
}

// place is where a shard is read from.
func place(r *admin.LeaseRow) string {
	switch p := r.Position; {
	case p.IsZero() && r.StartAt.Kind == checkpoint.StartLatest:
		return "none"
	case p.IsZero():
		return "none, from " + r.StartAt.String()
	case p.Sequence == position.ShardEnd, p.Sub == position.WholeRecord:
		return p.Sequence
	default:
		return p.Sequence + "/" + strconv.FormatUint(uint64(p.Sub), 10)
	}
}

// age returns how long ago something was, in the two units that matter.
func age(now, at time.Time) string {
	if at.IsZero() {
		return "unknown"
	}
	const day = 24 * time.Hour
	switch d := max(now.Sub(at), 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds ago", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%dm ago", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh ago", d/day, d%day/time.Hour)
	}
}
