package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/rehearse"
)

// checkTimes reports what is wrong with the times that say where to look.
func (x *explainer) checkTimes() error {
	now := x.program.now()
	if x.at != "" {
		switch at, err := timeOfDay(x.at, now); {
		case err != nil:
			return fmt.Errorf("--at %s: %w, or a time of day in UTC such as 14:02", x.at, err)
		case at.After(now):
			return fmt.Errorf("--at %s: is in the future, and nothing was there yet", x.at)
		}
	}
	if x.window <= 0 || x.window > longestRetention {
		return fmt.Errorf("--window %s: want a duration above 0, and up to %s: no stream retains more", x.window,
			longestRetention)
	}
	if x.since != "" {
		if _, err := timeOfDay(x.since, now); err != nil {
			return fmt.Errorf("--since %s: %w, or a time of day in UTC such as 14:02", x.since, err)
		}
	}
	return nil
}

// timeOfDay reads a time as instant does, or one of a day, in UTC: the last time that it was so.
func timeOfDay(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			y, m, d := now.UTC().Date()
			at := time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
			if at.After(now) {
				at = at.AddDate(0, 0, -1)
			}
			return at, nil
		}
	}
	return instant(text, now)
}

// begins is where a replay for a time begins; short is what the rules remember longer.
func (x *explainer) begins(loaded *config.LoadedConfig, at time.Time) (from time.Time, short time.Duration) {
	if x.since != "" {
		since, _ := timeOfDay(x.since, x.program.now()) // checkTimes has read it
		if since.Before(at) {
			return since, 0
		}
	}
	return rehearse.ReplayFrom(loaded.Rules, at)
}

// source reads the stream for a search.
func (x *explainer) source(loaded *config.LoadedConfig) *rehearse.StreamSource {
	return &rehearse.StreamSource{
		Client: x.client, Stream: loaded.Parts().Consumer, Interval: time.Second / 2,
		BytesPerSecond: rehearse.ShardReadRate / 2, Trouble: x.program.reading("explain"),
	}
}

// find runs a search.
func (x *explainer) find(ctx context.Context, loaded *config.LoadedConfig, s *rehearse.Search) error {
	bar := rehearse.NewProgressBar(x.program.console, x.program.terminal, x.program.now)
	err := s.Run(ctx, loaded, x.source(loaded), bar)
	bar.Clear()
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	return nil
}

// replay gives the rules the records before a record of the stream, where they remember any.
func (x *explainer) replay(ctx context.Context, loaded *config.LoadedConfig, arn string,
	records []decode.UserRecord,
) ([]rehearse.Found, error) {
	if x.data != "" || len(records) == 0 || !rehearse.Remember(loaded) {
		return nil, nil
	}
	at := records[0].Arrival
	s := &rehearse.Search{
		Stream: arn, Shard: x.shard, Sequence: x.sequence, Begin: at, End: at.Add(time.Second),
	}
	if x.sub >= 0 {
		s.Place = &x.sub
	}
	s.From, _ = x.begins(loaded, at)
	if err := x.find(ctx, loaded, s); err != nil && ctx.Err() != nil {
		return nil, err
	} else if err != nil { // what the rules say of the record alone is an answer, too
		_, _ = plain.Fprintf(x.program.stderr,
			"warning: the records before it cannot be read, so what depends on them is "+
				"left open: %v\n", err)
	}
	return s.Found, nil
}

// search finds the records of a key around a time, and explains the one that was asked about, or all of them as JSON.
func (x *explainer) search(ctx context.Context, loaded *config.LoadedConfig) error {
	cfg, err := x.program.loadAWS(ctx)
	if err != nil {
		return err
	}
	x.client = daemon.NewClients(cfg, prometheus.NewRegistry(), nil).Of(loaded.Stream.ARN, loaded.StreamRole()).Kinesis
	now := x.program.now().UTC()
	at, _ := timeOfDay(x.at, now) // checkTimes has read it
	s := &rehearse.Search{Key: x.key, Begin: at.Add(-x.window), End: at.Add(x.window)}
	if s.End.After(now) {
		s.End = now
	}
	var short time.Duration
	if s.From = s.Begin; rehearse.Remember(loaded) {
		s.From, short = x.begins(loaded, s.Begin)
	}
	arn := loaded.Stream.ARN
	if arn == "" {
		arn, _ = daemon.DescribeStream(ctx, x.client, loaded.Stream.Name) // only alert ids and positions need it
	}
	s.Stream = arn
	if err := x.find(ctx, loaded, s); err != nil {
		return err
	}
	pipeline, err := loaded.Pipeline(alert.Deps{
		Stream: cmp.Or(arn, loaded.AssumedARN()), Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		return err
	}
	all := make([]alert.Explanation, len(s.Found))
	cover := loaded.Cover()
	for i := range s.Found {
		all[i] = s.Found[i].Explain(pipeline)
		if arn == "" {
			rehearse.ForgetIDs(&all[i])
		}
		cover.Explanation(&all[i])
		if x.rule != "" {
			all[i].Rules = slices.DeleteFunc(
				all[i].Rules, func(r alert.RuleExplanation) bool { return r.Rule != x.rule },
			)
		}
	}
	if x.json {
		err = x.printSearch(s, all)
	} else {
		x.writeSearch(loaded, s, all, at, short)
	}
	if err == nil && len(all) == 0 {
		err = x.nothing(s)
	}
	return err
}

// nothing says what was looked at in vain.
func (x *explainer) nothing(s *rehearse.Search) error {
	text := fmt.Sprintf("explain: no record with the key %q from %s to %s among %s, in %d of %d shards", x.key,
		s.Begin.Format(time.RFC3339), s.End.Format(time.RFC3339), config.Plural(s.Looked, "record"), s.Shards, s.Of)
	if near := s.Near(); near != "" {
		text += fmt.Sprintf("; did you mean the key %q, which was there?", near)
	} else {
		text += ". The key is the partition key, or what the key of a rule gives; --window looks further around the " +
			"time, and what the stream no longer retains is not found"
	}
	return errors.New(text)
}

// searchJSON is what a search prints. The names are stable.
type searchJSON struct {
	Key           string                `json:"key"`
	Begin         time.Time             `json:"begin"`
	End           time.Time             `json:"end"`
	ReplayedFrom  time.Time             `json:"replayed_from"`
	RecordsLooked int                   `json:"records_looked_at"`
	ShardsRead    int                   `json:"shards_read"`
	Shards        int                   `json:"shards"`
	Alerts        []rehearse.FoundAlert `json:"alerts"`
	Records       []alert.Explanation   `json:"records"`
	NotShown      int                   `json:"records_not_shown,omitempty"`
}

func (x *explainer) printSearch(s *rehearse.Search, all []alert.Explanation) error {
	text, err := json.MarshalIndent(searchJSON{
		Key: s.Key, Begin: s.Begin, End: s.End, ReplayedFrom: s.From, RecordsLooked: s.Looked, ShardsRead: s.Shards,
		Shards: s.Of, Alerts: append([]rehearse.FoundAlert{}, s.Alerts...), Records: all, NotShown: s.More,
	}, "", "  ")
	if err != nil {
		return err
	}
	_, err = x.program.stdout.Write(append(text, '\n'))
	return err
}

// longestRetention is what Kinesis retains at most: a year.
const longestRetention = 365 * 24 * time.Hour

// mostListed is how many records and alerts are listed for a person: those around the time that was asked for.
const mostListed = 20

func (x *explainer) writeSearch(loaded *config.LoadedConfig, s *rehearse.Search, all []alert.Explanation,
	at time.Time, short time.Duration,
) {
	w := x.program.stdout
	line := func(format string, values ...any) { _, _ = plain.Fprintf(w, format+"\n", values...) }
	if len(all) > 0 {
		line("%s with the key %q from %s to %s, of %s in %d of %d shards:",
			config.Plural(len(all)+s.More, "record"), x.key, s.Begin.Format(time.RFC3339), s.End.Format(time.RFC3339),
			config.Plural(s.Looked, "record"), s.Shards, s.Of)
		x.listRecords(s, all, at)
	}
	if len(s.Alerts) > 0 {
		line("\nAlerts about it since %s, by these rules:", s.From.Format(time.RFC3339))
		writeAlerts(w, s.Alerts)
	} else if len(all) > 0 {
		line("\nNo alert about it since %s, by these rules.", s.From.Format(time.RFC3339))
	}
	line("\nThe rules are those of %s as they are now. They know the records since %s that the stream "+
		"retains, and nothing from before. What the daemon did is in its audit log.",
		x.from.name(), s.From.Format(time.RFC3339))
	if short > 0 {
		line("They remember for up to %s: --since %s gives them all of that.", short,
			s.Begin.Add(-short).Format(time.RFC3339))
	}
	if len(all) == 0 {
		return
	}
	n := asked(all, at)
	which := "Nearest"
	switch outcome, _ := outcomeOf(&all[n]); {
	case outcome == alert.Alerted:
		which = "The record that alerted, nearest"
	case rankOf(&all[n]) == 1:
		which = "The record whose outcome is " + strings.ReplaceAll(outcome.String(), "_", " ") + ", nearest"
	}
	line("\n%s to %s:", which, at.Format(time.RFC3339))
	writeExplanation(x.program.results(), &all[n], s.Found[n].Record.Data, 0)
	writeRates(w, loaded.Config, all[n:n+1])
}

// rankOf is how much a person wants to see a record: one that alerted most, then one whose alert was suppressed or
// lost.
func rankOf(e *alert.Explanation) int {
	outcome, _ := outcomeOf(e)
	if outcome == alert.Alerted {
		return 0
	}
	if outcome == alert.Unmatched || outcome == alert.Filtered {
		return 2
	}
	return 1
}

// asked is the place of the record that a person asks about: the nearest to a time of those that alerted or whose alert
// was suppressed, and of all where there is none.
func asked(all []alert.Explanation, at time.Time) int {
	matter := func(i int) int { return rankOf(&all[i]) / 2 }
	best := 0
	for i := range all {
		if cmp.Or(cmp.Compare(matter(i), matter(best)),
			cmp.Compare(all[i].Arrival.Sub(at).Abs(), all[best].Arrival.Sub(at).Abs())) < 0 {
			best = i
		}
	}
	return best
}

// interesting are the places of records, the most interesting first, and among equals the nearest to a time.
func interesting(all []alert.Explanation, at time.Time) []int {
	places := make([]int, len(all))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(i, j int) int {
		return cmp.Or(cmp.Compare(rankOf(&all[i]), rankOf(&all[j])),
			cmp.Compare(all[i].Arrival.Sub(at).Abs(), all[j].Arrival.Sub(at).Abs()))
	})
	return places
}

// outcomeOf is the outcome of a record after those before it, where they are known.
func outcomeOf(e *alert.Explanation) (alert.Outcome, alert.Reason) {
	if a := e.AfterReplay; a != nil {
		return a.Outcome, a.Reason
	}
	return e.Outcome, e.Reason
}

// outcomeText is an outcome for people. A record may match a rule that only counts it: it is not unmatched then.
func outcomeText(e *alert.Explanation, outcome alert.Outcome, reason alert.Reason) string {
	text := outcome.String()
	if outcome == alert.Unmatched && slices.ContainsFunc(e.Rules, func(r alert.RuleExplanation) bool {
		return r.Verdict == alert.VerdictTrue
	}) {
		text = "no alert"
	}
	return strings.TrimSuffix(fmt.Sprintf("%s (%s)", text, reason), " ()")
}

// listRecords lists the records that were found: if they are many, those that alerted or whose alert was suppressed
// first, and then those nearest to the time.
func (x *explainer) listRecords(s *rehearse.Search, all []alert.Explanation, at time.Time) {
	places := interesting(all, at)
	places = places[:min(len(places), mostListed)]
	slices.Sort(places)
	tab := tabwriter.NewWriter(x.program.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tab, "  ARRIVED\tSHARD\tSEQUENCE NUMBER\tOUTCOME")
	for _, i := range places {
		e := &all[i]
		outcome, reason := outcomeOf(e)
		number := e.SequenceNumber
		if e.SubSequence > 0 { // of an aggregate, as the flags name it
			number += fmt.Sprintf(" --sub %d", e.SubSequence)
		}
		_, _ = plain.Fprintf(tab, "  %s\t%s\t%s\t%s\n", e.Arrival.Format("2006-01-02T15:04:05.000Z"), e.Shard,
			number, outcomeText(e, outcome, reason))
	}
	_ = tab.Flush()
	if more := len(all) + s.More - len(places); more > 0 {
		_, _ = plain.Fprintf(
			x.program.stdout, "  and %s; --json has %d\n", config.Plural(more, "more record"), len(all),
		)
	}
}

// writeAlerts lists the last alerts.
func writeAlerts(w io.Writer, all []rehearse.FoundAlert) {
	if more := len(all) - mostListed; more > 0 {
		_, _ = plain.Fprintf(w, "  %s before these\n", config.Plural(more, "alert"))
		all = all[more:]
	}
	for _, a := range all {
		_, _ = plain.Fprintf(
			w, "  %s  %s %s to %s", a.At.UTC().Format("2006-01-02T15:04:05.000Z"), a.Rule, a.Kind, a.Topic,
		)
		if a.Key != "" {
			_, _ = plain.Fprintf(w, ", key %q", a.Key)
		}
		_, _ = fmt.Fprintln(w)
	}
}

// muters are what suppressed an alert, by the reasons of the metrics.
func muters(reasons []string) string {
	words := map[alert.Reason]string{
		alert.ReasonFiring: "firing (the key fires already)", alert.ReasonInhibited: "a rule that inhibits this one",
		alert.ReasonSilenced: "a silence", alert.ReasonQuietHours: "quiet hours",
		alert.ReasonRateLimit: "the rate limit",
		alert.ReasonOverdue:   "a later repetition, which is due",
	}
	out := make([]string, len(reasons))
	for i, r := range reasons {
		out[i] = cmp.Or(words[alert.Reason(r)], r)
	}
	return strings.Join(out, ", ")
}

// writeReplay writes what a rule made of the record after those before it.
func writeReplay(w io.Writer, r *alert.RuleExplanation) {
	line := func(format string, values ...any) { _, _ = plain.Fprintf(w, "  "+format+"\n", values...) }
	a := r.AfterReplay
	for _, made := range a.Alerts {
		line("alerted: %s", made)
	}
	if len(a.Alerts) > 0 {
		for _, p := range r.Publishes {
			writePublication(w, p)
		}
	}
	if len(a.Suppressed) > 0 {
		line("suppressed by %s", muters(a.Suppressed))
		for _, m := range r.Mutes {
			line("  %s", m)
		}
	}
	if len(a.Alerts) == 0 && len(a.Suppressed) == 0 && r.Verdict == alert.VerdictTrue && !r.Shadow {
		line("no alert of this record")
	}
	for _, text := range a.Remembers {
		line("%s", text)
	}
}
