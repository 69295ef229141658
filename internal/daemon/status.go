package daemon

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/status"
)

// statusSource gathers what a Status says. The parts of the daemon come to it as they are made, so that a start that
// waits already has a page which says for what.
type statusSource struct {
	lines   *logQueue
	build   build
	started time.Time
	stream  status.Stream
	probes  *state
	reloads *reloader
	history status.Recorder
	answers *answer.Watch
	clock   *clock.Clock // nil in tests that have none
	waiting atomic.Pointer[waiting]
	parts   atomic.Pointer[statusParts]
	// credentials are those of all calls; nil before there are clients.
	credentials atomic.Pointer[credentials.Provider]
	plain       atomic.Pointer[[]string] // endpoints over plain HTTP
	file        string                   // of the configuration; empty where there is none

	problems *status.ProblemLog // of run alone
	lags     status.LagHistory

	mu        sync.Mutex
	unread    map[string]time.Time // unread shards, and since when that is known
	differ    map[string]time.Time // workers with another configuration, and since when that is known
	heartbeat time.Time            // the last that DynamoDB confirmed to any incarnation
	passed    filterWatch
}

// statusParts are the parts of a running daemon. letters may be nil.
type statusParts struct {
	store     *checkpoint.Store
	shards    *consumer.Consumer
	pipeline  *alert.Pipeline
	publisher *dispatch.Publisher
	outputs   *output.Writer
	letters   *deadletter.Sender
	had       *subscriptionMemory
}

// filterWatch remembers when a record last came past the filter.
type filterWatch struct {
	at time.Time // zero before the first look
	// passed and dropped are the records that the filter had let pass and dropped at that time.
	passed, dropped uint64
}

// Look takes what was counted up to now.
func (f *filterWatch) Look(now time.Time, passed, dropped uint64) {
	if f.at.IsZero() || passed != f.passed {
		*f = filterWatch{now, passed, dropped}
	}
}

// waiting is what a start waits for.
type waiting struct {
	what, because string
	since         time.Time
}

func newStatusSource(c config.Config, b build, probes *state, reloads *reloader, logs Loggers) *statusSource {
	return &statusSource{
		build: b, started: time.Now(), probes: probes, reloads: reloads, unread: map[string]time.Time{},
		problems: status.NewProblemLog(logs.Operational.Named("status")), lines: logs.queue,
		stream: status.Stream{Name: c.StreamName(), Application: c.Stream.Application},
	}
}

// waitFor notes what the start waits for, and why if that is known.
func (s *statusSource) waitFor(what, because string) {
	since := time.Now()
	if before := s.waiting.Load(); before != nil && before.what == what {
		since = before.since
	}
	s.waiting.Store(&waiting{what: what, because: because, since: since})
}

// attach makes the parts known.
func (s *statusSource) attach(p statusParts) { s.parts.Store(&p) }

// Run samples the throughput until ctx is done, looks for unread shards, and logs how the problems change.
func (s *statusSource) Run(ctx context.Context) error {
	return s.history.Run(ctx, func(now time.Time) (status.Totals, bool) {
		if p := s.credentials.Load(); p != nil {
			p.Keep(ctx, s.reloads.inForce.Load().Roles())
		}
		seen := s.snapshot()
		s.problems.Look(now, seen.Problems)
		p := s.parts.Load()
		if p == nil {
			return status.Totals{}, false
		}
		s.watch(now, p.store.Status())
		s.lags.Note(p.shards.Status())
		t := status.Totals{Events: recentEvents(p), Lag: lagOf(p.shards.Status()), Fleet: seen.Totals}
		t.Records = t.Events.Resolved
		s.mu.Lock()
		dropped := p.pipeline.Resolutions()[alert.Filtered]
		s.passed.Look(now, t.Records-min(dropped, t.Records), dropped)
		s.mu.Unlock()
		for _, n := range p.publisher.Published() {
			t.Alerts += n
		}
		return t, true
	})
}

// lagOf is the greatest lag of some shards, in seconds; NaN without any.
func lagOf(shards []consumer.ShardStatus) float64 {
	if len(shards) == 0 {
		return math.NaN()
	}
	lag := time.Duration(0)
	for i := range shards {
		lag = max(lag, shards[i].Lag)
	}
	return seconds(lag)
}

// pulse is what this process does now, for the pages of the others.
func (s *statusSource) pulse() checkpoint.Pulse {
	p := s.parts.Load()
	records, alerts, ok := s.history.Latest()
	if p == nil || !ok {
		return checkpoint.Pulse{}
	}
	out := checkpoint.Pulse{Records: records, Alerts: alerts, Known: true}
	for _, shard := range p.shards.Status() {
		out.Lag = max(out.Lag, shard.Lag)
	}
	return out
}

// recentEvents counts what has happened to the process since it started.
func recentEvents(p *statusParts) status.Recent {
	counts := p.shards.Counts()
	out := status.Recent{
		Missed:    p.store.Missed(),
		Panics:    p.pipeline.Panics() + counts.Panics,
		StateGaps: counts.StateGaps,
		Untimed:   counts.Untimed,
	}
	for _, n := range p.pipeline.Resolutions() {
		out.Resolved += n
	}
	out.FilterOverBudget = p.pipeline.FilterOverBudget()
	out.OverBudget, out.SilencesOverBudget = p.pipeline.OverBudget(), p.pipeline.SilencesOverBudget()
	out.TemplateFailures = p.pipeline.TemplateFailures()
	out.Evicted, out.EvictedActive = p.pipeline.Evicted(), p.pipeline.EvictedActive()
	out.UnreadableAs, out.Inputs = p.pipeline.Unreadable(), p.pipeline.Inputs()
	for _, n := range out.UnreadableAs {
		out.Unreadable += n
	}
	for reason, n := range counts.Skipped {
		if reason == alert.ReasonRejected {
			out.Skipped += n
		} else {
			out.GivenUp += n
		}
	}
	if p.letters == nil {
		return out
	}
	for reason, n := range p.letters.Letters() {
		switch {
		case slices.Contains(alert.InvalidReasons(), reason):
			out.InvalidLetters += n
		case reason != alert.ReasonOverBudget: // those are reported with the rule
			out.Letters += n
		}
	}
	return out
}

// watch remembers what a single look does not show: since when something is so.
func (s *statusSource) watch(now time.Time, table checkpoint.Status) {
	if table.WaitsFor == "" && len(table.Shards) == 0 {
		s.waitFor("the list of the shards of the stream "+s.stream.Name+" in Kinesis", "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if table.Heartbeat.After(s.heartbeat) {
		s.heartbeat = table.Heartbeat
	}
	unread := make(map[string]time.Time)
	for i := range table.Shards {
		if shard := &table.Shards[i]; shard.State == checkpoint.ShardUnread || shard.State == checkpoint.ShardBlocked {
			key := unreadKey(shard)
			unread[key] = now
			if since, known := s.unread[key]; known {
				unread[key] = since
			}
		}
	}
	s.unread, s.differ = unread, differing(table.Workers, s.differ, now)
}

// unreadKey distinguishes a shard that waits for its parents from the same one waiting for an owner: each cause has its
// own wait.
func unreadKey(s *checkpoint.ShardStatus) string { return string(s.State) + " " + s.ID }

// differing are the workers whose configuration is another one than this one's, and since when that is known. Versions
// may write the same configuration in different ways, so only one's own is compared.
func differing(workers []checkpoint.WorkerStatus, before map[string]time.Time, now time.Time) map[string]time.Time {
	out := map[string]time.Time{}
	own := slices.IndexFunc(workers, func(w checkpoint.WorkerStatus) bool { return w.Self })
	if own < 0 || workers[own].Config == "" {
		return out
	}
	for _, w := range workers {
		if w.Config == "" || w.Config == workers[own].Config || w.Fenced || w.Leaving ||
			w.Version != workers[own].Version {
			continue
		}
		out[w.ID] = now
		if since, known := before[w.ID]; known {
			out[w.ID] = since
		}
	}
	return out
}

func statusLog(l logState) status.Log {
	out := status.Log{Waiting: l.Waiting, Dropped: l.Dropped, AuditDropped: l.AuditDropped}
	if !l.Since.IsZero() {
		since := l.Since.UTC()
		out.Since = &since
	}
	return out
}

// snapshot is the state of things now. Safe for concurrent use.
func (s *statusSource) snapshot() status.Status {
	now := time.Now()
	out := status.Status{
		At: now.UTC(),
		Process: status.Process{
			State: "running",
			Build: status.Build{
				Version:   s.build.Version,
				Revision:  s.build.Revision,
				GoVersion: s.build.Go,
			},
			Started: s.started.UTC(),
			Uptime:  seconds(now.Sub(s.started)),
		},
		Stream:  s.stream,
		History: s.history.Status(),
		Records: map[string]uint64{},
		Fleet: status.Fleet{
			ShardCounts: map[string]int{},
			Shards:      []status.Shard{},
			Workers:     []status.FleetWorker{},
		},
		Rulebook:   status.Rulebook{Rules: []status.Rule{}, Silences: []status.Silence{}},
		Delivery:   status.Delivery{Alerts: []status.Alert{}, Topics: []status.Topic{}},
		Doubts:     []status.Doubt{},
		Log:        statusLog(s.lines.state()),
		BadAnswers: status.BadAnswersOf(s.answers),
		Configured: status.Configured{
			Reload:         s.reloads.last.Load(),
			ReloadingSince: s.reloads.began.Load(),
			Configuration:  s.reloads.shown.Load().Text,
		},
	}
	if plain := s.plain.Load(); plain != nil {
		out.PlainEndpoints = *plain
	}
	if doubts := s.reloads.doubts.Load(); doubts != nil {
		out.Doubts = *doubts
	}
	if s.clock != nil {
		if by, known := s.clock.Ahead(); known {
			ahead := seconds(by)
			out.ClockAhead = &ahead
		}
	}
	hung := false
	if p := s.parts.Load(); p == nil {
		out.State = "starting"
		if w := s.waiting.Load(); w != nil {
			out.WaitingFor, out.WaitingSince = w.text(), status.Moment(w.since)
		}
	} else {
		table := p.store.Status()
		s.watch(now, table)
		s.fill(&out, now, table, p)
		hung = table.Ready && !p.store.Healthy()
	}
	if s.probes.draining.Load() {
		out.State = "stopping"
	}
	if p := s.credentials.Load(); p != nil {
		out.Credentials = status.CredentialsStatus(p.Status(), s.reloads.inForce.Load().RoleUsers)
	}
	out.Problems = status.Problems(&out, hung)
	out.Level, out.Summary = status.Summary(&out)
	return out
}

func (w *waiting) text() string {
	if w.because == "" {
		return w.what
	}
	return w.what + " (" + w.because + ")"
}

// fill adds what the parts know.
func (s *statusSource) fill(out *status.Status, now time.Time, table checkpoint.Status, p *statusParts) {
	switch {
	case table.WaitsFor != "":
		w := waiting{what: tableWait(table.WaitsFor), because: table.Because, since: table.WaitingSince}
		out.State, out.WaitingFor, out.WaitingSince = "starting", w.text(), status.Moment(w.since)
	case len(table.Shards) == 0: // every stream has shards
		w := s.waiting.Load()
		out.State, out.WaitingFor, out.WaitingSince = "starting", w.text(), status.Moment(w.since)
	}
	out.Recent = s.history.Recent(recentEvents(p))
	s.mu.Lock()
	heartbeat, unread, differ := s.heartbeat, s.unread, s.differ // replaced, never changed
	s.mu.Unlock()
	out.Stream.Retention, out.Stream.Incomplete = seconds(table.Retention), status.Moment(table.Incomplete)
	for _, d := range table.Damaged {
		out.UnreadableRows = append(out.UnreadableRows, status.Row{Key: d.Key, Cause: d.Cause, Mended: d.Mended})
	}
	for _, i := range table.Incidents {
		out.Incidents = append(
			out.Incidents, status.Incident{Kind: string(i.Kind), Shard: i.Shard, Detail: i.Detail, At: i.At.UTC()},
		)
	}
	out.Worker = status.Worker{
		ID:           table.Worker,
		Heartbeat:    status.Moment(heartbeat),
		Failure:      table.Failure,
		LeaseSeconds: seconds(table.LeaseDuration),
	}
	if table.TrustedUntil.After(now) {
		out.Worker.TrustedUntil = status.Moment(table.TrustedUntil)
	}
	held := fillShards(out, table, p.shards.Status(), unread, &s.lags)
	for _, w := range table.Workers {
		one := status.FleetWorker{
			ID:        w.ID,
			Version:   w.Version,
			Self:      w.Self,
			State:     "live",
			Silent:    seconds(silentFor(&w, table.LeaseDuration, now)),
			Shards:    held[w.ID],
			MaxShards: w.Most,
		}
		if p := w.Pulse; p.Known {
			lag := seconds(p.Lag)
			one.Records, one.Alerts, one.Lag = &p.Records, &p.Alerts, &lag
		}
		one.Heard, one.Configuration, one.DiffersSince = status.Moment(w.Heard), w.Config, status.Moment(differ[w.ID])
		switch {
		case w.Fenced:
			one.State = "fenced"
		case w.Leaving:
			one.State = "leaving"
		}
		out.Workers = append(out.Workers, one)
	}
	for _, l := range table.Lacks {
		out.TableLacks = append(out.TableLacks, status.TableLack{
			Table: l.Table, Setting: string(l.Setting), Since: l.Since.UTC(), Code: l.Code,
		})
	}
	out.Totals = status.TotalsOf(out)
	rules, runbooks := p.pipeline.Status(), s.reloads.shown.Load().Runbooks
	tellRules(out, rules, p.publisher.Tallies(), runbooks)
	s.fillFilter(out, now, rules)
	for _, a := range p.publisher.Recent() {
		one := status.Alert{
			ID:        a.ID,
			Kind:      string(a.Kind),
			Rule:      a.Rule,
			Severity:  a.Severity,
			Topic:     a.Topic,
			Key:       a.Key,
			Alerts:    a.Alerts,
			Occurred:  a.Occurred.UTC(),
			Accepted:  a.At.Add(-out.Ahead()).UTC(),
			MessageID: a.MessageID,
			Runbook:   runbooks[a.Rule],
		}
		if a.HasValue {
			one.Value = &a.Value
		}
		if a.Sequence != "" {
			one.Shard, one.Sequence = a.Shard, a.Sequence
			one.Explain = status.ExplainCommand(s.file, &one, a.Sub)
		}
		out.Alerts = append(out.Alerts, one)
	}
	for _, t := range sns.Topics(p.publisher.Status()) {
		heard := t.Subscriptions
		out.Topics = append(out.Topics, status.Topic{
			Name:              t.Name,
			FIFO:              t.FIFO,
			Rate:              t.Rate,
			Share:             t.Share,
			SentLastMinute:    t.SentLastMinute,
			LastAccepted:      status.Moment(t.LastAccepted),
			Waiting:           t.Waiting,
			Gathered:          t.Gathered,
			Digesting:         t.Digesting,
			Fault:             string(t.Fault),
			Remedy:            t.Remedy,
			Failures:          t.Failures,
			FailingSince:      status.Moment(t.FailingSince),
			Failing:           string(t.Failing),
			Ending:            t.Ending,
			Error:             t.Error,
			AlertFailingSince: status.Moment(t.AlertFailing),
			Subscriptions: status.Subscriptions{
				At:        status.Moment(heard.At),
				Confirmed: heard.Confirmed,
				Pending:   heard.Pending,
				Deleted:   heard.Deleted,
				Had:       p.had.most(t.ARN),
				Unknown:   heard.Unknown,
			},
		})
	}
	for _, o := range p.outputs.Status() {
		out.Outputs = append(out.Outputs, status.Output{
			Name:              o.Name,
			Stream:            o.Stream,
			WrittenLastMinute: o.WrittenLastMinute,
			LastWritten:       status.Moment(o.LastWritten),
			Waiting:           o.Waiting,
			Oldest:            status.Moment(o.Oldest),
			Bytes:             o.Bytes,
			MaxBytes:          o.MaxBytes,
			Crowded:           o.Crowded,
			HeldKeys:          o.HeldKeys,
			Fault:             string(o.Fault),
			Remedy:            o.Remedy,
			Failures:          o.Failures,
			FailingSince:      status.Moment(o.FailingSince),
			Failing:           string(o.Failing),
			Error:             o.Error,
			FailingKeys:       o.FailingKeys,
			KeysFailingSince:  status.Moment(o.KeysFailingSince),
			Ending:            o.Ending,
			Fields:            ruleFields(rules.Outputs[o.Name]),
		})
	}
	if p.letters != nil {
		d := p.letters.Status()
		out.DeadLetters = &status.DeadLetters{
			Kind:         d.Kind,
			Sent:         d.Sent,
			Waiting:      d.Waiting,
			Fault:        string(d.Fault),
			Remedy:       d.Remedy,
			Failures:     d.Failures,
			FailingSince: status.Moment(d.FailingSince),
			Error:        d.Error,
		}
	}
}

// silentFor is how long a worker has been silent. When this process has just begun, that is what the worker's row
// says; not in the first moments, in which it would see a live one's next heartbeat, since clocks differ.
func silentFor(w *checkpoint.WorkerStatus, lease time.Duration, now time.Time) time.Duration {
	if w.Heard.IsZero() || w.Silent < lease/2 {
		return w.Silent
	}
	return max(w.Silent, now.Sub(w.Heard))
}

// fillShards joins what the table knows of the shards with what the process that reads them knows. It returns how many
// shards each worker holds.
func fillShards(
	out *status.Status, table checkpoint.Status, reading []consumer.ShardStatus, unread map[string]time.Time,
	lags *status.LagHistory,
) map[string]int {
	here := make(map[string]*consumer.ShardStatus, len(reading))
	for i := range reading {
		here[reading[i].Shard] = &reading[i]
	}
	for _, state := range checkpoint.ShardStates() {
		out.ShardCounts[string(state)] = 0
	}
	held := make(map[string]int)
	for i := range table.Shards {
		t := &table.Shards[i]
		out.ShardCounts[string(t.State)]++
		shard := status.Shard{
			ID:             t.ID,
			Parents:        t.Parents,
			State:          string(t.State),
			Owner:          t.Owner,
			HandoffTarget:  handoffTarget(t.Handoff),
			BytesPerSecond: t.Load,
			CaughtUp:       status.Moment(t.CaughtUp),
			UnreadSince:    status.Moment(unread[unreadKey(t)]),
			EndDoubted:     status.Moment(t.EndDoubted),
		}
		if shard.Parents == nil {
			shard.Parents = []string{}
		}
		if t.Owner != "" { // by its row, also when the worker fell silent
			held[t.Owner]++
		}
		if r := here[t.ID]; r != nil && t.State == checkpoint.ShardHeld {
			shard.BytesPerSecond = r.Load
			shard.Reading = &status.Reading{
				Phase:         r.Phase,
				Lag:           seconds(r.Lag),
				Behind:        seconds(r.Behind),
				LastFetch:     status.Moment(r.LastFetch),
				Checkpoint:    status.Moment(t.Confirmed),
				Unstorable:    t.Unstorable,
				Since:         status.Moment(r.Began),
				WaitsFor:      r.WaitsFor,
				ReadError:     r.ReadError,
				StateFailing:  status.Moment(r.StateFailing),
				StateTooLarge: r.StateTooLarge,
				ReadFailing:   status.Moment(r.ReadFailing),
				Throttled:     status.Moment(r.Throttled),
				Evaluating:    status.Moment(r.Evaluating),
				LagGrows:      lags.Grow(t.ID, r.Lag),
				Unresolved:    r.Unresolved,
				Gathered:      r.Gathered,
				Writing:       r.Writing,
				HeldKeys:      r.HeldKeys,
				HeldBy:        r.HeldBy,
				EndUnproven:   status.Moment(r.EndUnproven),
				EndChildren:   r.EndChildren,
				Unheard:       r.Unheard,
				Keyless:       r.Keyless,
				Leaving:       r.Leaving,
			}
		}
		out.Shards = append(out.Shards, shard)
	}
	out.Shards = status.ByLineage(out.Shards)
	return held
}

// handoffTarget is the worker that a shard is handed over to; the table also asks for the drain of a paused shard in
// this way.
func handoffTarget(target string) string {
	if strings.HasPrefix(target, "#") {
		return ""
	}
	return target
}

func tellRules(
	out *status.Status, p alert.Status, published map[string]dispatch.Tally, runbooks map[string]string,
) {
	for outcome, n := range p.Records {
		out.Records[outcome.String()] = n
	}
	for i, r := range p.Rules {
		made := published[r.Name]
		one := status.Rule{
			Name:       r.Name,
			Severity:   r.Severity,
			Topics:     r.Topics,
			Mode:       alert.ModeLive,
			Judged:     r.Judged,
			Matched:    r.Matched,
			Undefined:  r.Undefined,
			Kinds:      status.RuleAlerts{Firing: made.Firing, Repeats: made.Repeats, Resolved: made.Resolved},
			InDigests:  made.InDigests,
			Needs:      r.Needs,
			Absence:    r.Absence,
			Runbook:    runbooks[r.Name],
			Suppressed: map[string]uint64{},
		}
		if r.Shadow {
			one.Mode, one.WouldBe, one.Kinds = alert.ModeShadow, true, status.RuleAlerts(r.Shadowed)
			one.InDigests = 0
		}
		one.Published = one.Kinds.Firing + one.Kinds.Repeats + one.Kinds.Resolved
		for reason, n := range r.Suppressed {
			one.Suppressed[string(reason)] = n
		}
		one.Fields = ruleFields(r.Fields)
		one.Standing = status.StandingOf(&one, neverBecause(out.Doubts, i))
		out.Rules = append(out.Rules, one)
	}
}

// ruleFields are fields that nothing has, as the page has them.
func ruleFields(all []alert.FieldFinding) (out []status.RuleField) {
	for _, f := range all {
		out = append(out, status.RuleField{
			Field: f.Field, Similar: f.Similar, Wanted: f.Wanted, Has: f.Has, Records: f.Records,
		})
	}
	return out
}

// neverBecause is the doubt that keeps the rule at a place of the configuration from ever matching; empty if there is
// none.
func neverBecause(doubts []status.Doubt, place int) string {
	for i := range doubts {
		if d := &doubts[i]; d.Never && strings.HasPrefix(d.Field, fmt.Sprintf("rules[%d].", place)) {
			return d.Text
		}
	}
	return ""
}

// fillFilter adds what the filter and the silences suppress.
func (s *statusSource) fillFilter(out *status.Status, now time.Time, p alert.Status) {
	if p.Filters {
		total, dropped := uint64(0), p.Records[alert.Filtered]
		for _, n := range p.Records {
			total += n
		}
		s.mu.Lock()
		s.passed.Look(now, total-dropped, dropped)
		out.Filter = &status.Filter{Dropped: dropped - s.passed.dropped, DroppingSince: status.Moment(s.passed.at)}
		s.mu.Unlock()
	}
	for _, x := range p.Silences {
		muted := 0
		for _, r := range p.Rules {
			if slices.Contains(x.Rules, r.Name) {
				muted++
			}
		}
		out.Silences = append(out.Silences, status.Silence{
			Name:        x.Name,
			All:         muted == len(p.Rules),
			Conditional: x.Conditional,
			From:        status.Moment(x.From),
			Until:       status.Moment(x.Until),
			Muted:       x.Muted,
		})
	}
}

// seconds is a duration for JSON, to the millisecond.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }

// tableWait returns what the lease table waits for.
func tableWait(resource string) string {
	if stream, ok := strings.CutPrefix(resource, "stream "); ok {
		return "the stream " + stream + " in Kinesis"
	}
	return "the lease " + resource + " in DynamoDB"
}
