package status

import (
	"cmp"
	"strings"
	"text/tabwriter"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/plain"
)

// Text is a Status for a terminal: kubectl exec, ssh and curl.
func Text(st *Status) string {
	v := NewView(st)
	var b strings.Builder
	line := func(format string, args ...any) { _, _ = plain.Fprintf(&b, format+"\n", args...) }
	table := func(name string, columns ...string) (row func(cells ...any), end func()) {
		line("")
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		row = func(cells ...any) {
			for _, c := range cells {
				_, _ = plain.Fprintf(w, "%v\t", c)
			}
			_, _ = plain.Fprintln(w)
		}
		titles := []any{name}
		for _, c := range columns {
			titles = append(titles, c)
		}
		row(titles...)
		return row, func() { _ = w.Flush() }
	}
	line(
		"kinesis-alerter %s (%s)  stream %s  application %s  up %s", st.Build.Version, st.Build.Revision,
		st.Stream.Name, st.Stream.Application, v.UpWords,
	)
	line("")
	line("%s  %s", strings.ToUpper(string(st.Level)), st.Summary)
	for _, p := range st.Problems {
		line("  %-8s  %s", p.Level, p.Text)
		if p.Remedy != "" {
			line("            -> %s", p.Remedy)
		}
	}
	line("")
	if len(st.Workers) > 1 {
		line("fleet    %s, %s records/s, %s alerts/s, lag %s", v.Coverage.Sentence, v.Records.Now, v.Alerts.Now,
			v.Lag.Now)
		line("here     %s, %s records/s, %s alerts/s, lag %s (%s)",
			Number(st.ShardCounts[string(checkpoint.ShardHeld)], "shard"), v.Records.Here, v.Alerts.Here,
			v.ShardTable.Lag, v.ShardTable.LagWhere)
	} else {
		line("now      %s, %s records/s, %s alerts/s, lag %s (%s)", v.Coverage.Sentence, v.Records.Now, v.Alerts.Now,
			v.ShardTable.Lag, v.ShardTable.LagWhere)
	}
	var outcomes []string
	for _, o := range v.Outcomes {
		outcomes = append(outcomes, o.Name+" "+grouped(o.N))
	}
	line("records  %s here: %s", grouped(v.Resolved), cmp.Or(strings.Join(outcomes, ", "), "none yet"))

	if len(v.ShardTable.Families)+len(v.ShardTable.Chunks) > 0 {
		if v.ShardTable.RestNote != "" {
			line("")
			line("%s", v.ShardTable.RestNote)
		}
		row, end := table("SHARD", "STATE", "OWNER", "RATE", "LAG", "BEHIND", "CHECKPOINT AGE", "WAITING", "HELD KEYS")
		for i := range v.ShardTable.Families {
			s := &v.ShardTable.Families[i]
			switch name := strings.Repeat("  ", s.Depth) + s.Short; {
			case s.Ended:
				row(name, s.State, "–", "–", "–", "–", "–", "–", "–")
			default:
				row(name, s.State, cmp.Or(s.OwnerShort, "–"), s.Rate, s.Lag, s.Behind, s.Checked,
					noted(s.Waiting, s.Gathered), s.Held)
			}
		}
		end()
		for i := range v.ShardTable.Chunks {
			line("%s to %s: %s", v.ShardTable.Chunks[i].From, v.ShardTable.Chunks[i].To, v.ShardTable.Chunks[i].Text)
		}
		if v.ShardTable.PastLine != "" {
			line("%s", v.ShardTable.PastLine)
		}
	}
	if len(v.TopicRows) > 0 {
		row, end := table("TOPIC", "STATE", "WAITING", "IN DIGESTS", "SENT IN 1 M", "SHARE OF RATE", "LAST ACCEPTED")
		for _, t := range v.TopicRows {
			row(t.Name, t.State, t.Waiting, t.Gathered, t.Sent, t.Rate, t.Last+t.Ago)
		}
		if l := v.Letters; l != nil {
			row("dead letters, "+l.Kind, l.State, l.Waiting, "–", l.Sent+" in all", "no limit", "–")
		}
		end()
	}
	if len(v.OutputRows) > 0 {
		row, end := table("OUTPUT", "STATE", "STREAM", "WAITING", "WRITTEN IN 1 M", "LAST WRITTEN")
		for i := range v.OutputRows {
			o := &v.OutputRows[i]
			row(o.Name, o.State, o.Stream, noted(o.Waiting, o.Share), o.Written, o.Last+o.Ago)
		}
		end()
	}
	if len(v.RuleRows) > 0 {
		row, end := table("RULE", "SEVERITY", "STATE", "MATCHED", "FIRED", "REPEATS", "RESOLVES", "PUBLISHED",
			"SUPPRESSED", "UNDEFINED")
		for i := range v.RuleRows {
			r := &v.RuleRows[i]
			name, published := r.Name, r.Published
			if r.Shadow {
				name += " (shadow)"
				published += " would be"
			}
			row(name, r.Severity, r.State, r.Matched, r.Fired, r.Repeats, r.Resolves, noted(published, r.InDigests),
				noted(r.Suppressed, r.Why), noted(r.Undefined, r.Part))
		}
		end()
		for i := range v.RuleRows {
			r := &v.RuleRows[i]
			for _, note := range r.Notes {
				line("  %s: %s, %s", r.Name, r.State, note)
			}
		}
	}
	if len(v.SilenceRows) > 0 {
		row, end := table("SILENCE", "WHEN", "SILENCED")
		for _, x := range v.SilenceRows {
			row(x.Name, x.Active, x.Muted)
		}
		end()
	}
	if len(v.AlertRows) > 0 {
		row, end := table("LAST ALERTS", "RULE", "KEY", "KIND", "SEVERITY", "VALUE", "TOPIC", "LATENCY", "ALERT ID")
		for i := range v.AlertRows {
			a := &v.AlertRows[i]
			row(a.Ago+" ago", a.Rule, cmp.Or(a.Key, "–"), a.Kind, cmp.Or(a.Severity, "–"), a.Value, a.Topic, a.Latency,
				a.ShortID)
		}
		end()
		for i := range v.AlertRows {
			if a := &v.AlertRows[i]; a.Explain != "" {
				line("why %s: %s", a.ShortID, a.Explain)
				break // the others are in the JSON
			}
		}
	}
	if len(v.Crew.Rows) > 0 {
		row, end := table("WORKER", "STATE", "HEARD", "RECORDS/S", "ALERTS/S", "LAG", "SHARDS", "VERSION",
			"CONFIGURATION")
		for i := range v.Crew.Rows {
			w := &v.Crew.Rows[i]
			row(w.Short, w.State, w.Heard, w.Records, w.Alerts, w.Lag, w.holding(), w.Version,
				strings.TrimRight(w.Config+" "+w.ConfigNote, " "))
		}
		end()
	}
	b.WriteString(`
/metrics        Prometheus metrics (OpenMetrics when asked for)
/healthz        200 while the process works; restart it otherwise
/readyz         200 when it takes part: configuration good, lease table reached, not stopping
/api/v1/status  all of this and the configuration, as JSON
/-/log-level    GET, or PUT {"level":"debug"}
/-/reload       PUT or POST: reads the configuration file again, and answers what changed; SIGHUP does the same
`)
	return tidy(b.String())
}

// noted is a figure with a note in brackets, if there is one.
func noted(text, note string) string {
	if note == "" {
		return text
	}
	return text + " (" + note + ")"
}

// holding is how many shards a worker has, and which.
func (w *workerView) holding() string {
	parts := []string{w.Shards + " shards"}
	if w.Shards == "1" {
		parts[0] = "1 shard"
	}
	if len(w.Has) > 0 {
		parts[0] += ":"
	}
	for _, s := range w.Has {
		parts = append(parts, s.Short)
	}
	if w.More > 0 {
		parts = append(parts, "and "+Count(w.More)+" more")
	}
	return strings.Join(parts, " ")
}

// tidy cuts the blanks that tables leave at the ends of lines.
func tidy(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
