package cmd

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"kinesis-alerter/alert/payload"
)

// manyShards is the status of a worker that reads half of many shards, each the child of one that ended.
func manyShards(n int) Status {
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	s := Status{
		At: at, State: "running", Started: at.Add(-26 * time.Hour), Uptime: 26 * 3600, Build: StatusBuild{"1.0.0", "0123456789ab", "go1.26.8"},
		Stream: StatusStream{Name: "ExampleInputStream", Application: "heart-rate-alerts", Retention: 86400}, ShardCounts: map[string]int{},
		Worker: StatusWorker{ID: "alerter-0/5e0f7a11", TrustedUntil: moment(at.Add(8 * time.Second)), Heartbeat: moment(at.Add(-time.Second)), LeaseSeconds: 10},
		Workers: []StatusFleetWorker{
			{ID: "alerter-0/5e0f7a11", Version: "1.0.0", Self: true, State: "live", Shards: (n + 1) / 2},
			{ID: "alerter-1/9c41bd02", Version: "1.0.0", State: "live", Silent: 1.2, Shards: n / 2},
		},
		Records: map[string]uint64{"alerted": 12, "unmatched": 3_204_118},
	}
	for i := range n {
		parent := fmt.Sprintf("shardId-%012d", i)
		s.Shards = append(s.Shards, StatusShard{ID: parent, State: "ended", Owner: "", Parents: []string{}})
		child := StatusShard{
			ID: fmt.Sprintf("shardId-%012d", n+i), Parents: []string{parent}, State: "foreign", Owner: s.Workers[1].ID, CaughtUp: moment(at.Add(-3 * time.Second)),
			BytesPerSecond: 12_400,
		}
		if i%2 == 0 {
			child.State, child.Owner = "held", s.Workers[0].ID
			child.Reading = &StatusReading{
				Phase: "reading", Lag: float64(i%7) / 10, LastFetch: moment(at.Add(-120 * time.Millisecond)), Checkpoint: moment(at.Add(-800 * time.Millisecond)),
				Unresolved: i % 3,
			}
			if i == 40 {
				child.Reading.Lag = 200
			}
		}
		s.Shards = append(s.Shards, child)
		s.ShardCounts[child.State]++
		s.ShardCounts["ended"]++
	}
	s.Shards = byLineage(s.Shards)
	s.Problems = problems(&s, false)
	s.Level, s.Summary = summary(&s)
	return s
}

// exampleStatus has something of everything, at a fixed time.
func exampleStatus() Status {
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { return moment(at.Add(-d)) }
	none := map[string]uint64{"dedup": 0, "firing": 0, "inhibited": 0, "silenced": 0, "quiet_hours": 0, "rate_limit": 0, "overdue": 0}
	some := maps.Clone(none)
	some["dedup"], some["silenced"] = 310, 2
	s := Status{
		At: at, State: "running", Started: at.Add(-200 * time.Second), Uptime: 200, Build: StatusBuild{"1.0.0", "0123456789ab", "go1.26.8"},
		Stream: StatusStream{Name: "ExampleInputStream", Application: "heart-rate-alerts", Retention: 86400},
		Worker: StatusWorker{ID: "alerter-0/5e0f7a11", TrustedUntil: moment(at.Add(3 * time.Second)), Heartbeat: ago(6 * time.Second), Failure: "InternalServerError", LeaseSeconds: 10},
		Recent: StatusRecent{
			Window: 900, Missed: 1, Skipped: 2, InvalidLetters: 3, Resolved: 40_000, Unreadable: 4000,
			UnreadableAs: map[payload.Likely]uint64{payload.LikelyGzip: 3900, payload.LikelyText: 100},
		},
		History: StatusHistory{Interval: 5, Records: []float64{96.2, 101.4, 110, 1240.5}, Alerts: []float64{0, 0.4, 8.2, 1.2}},
		Records: map[string]uint64{
			"alerted": 120, "suppressed": 312, "unmatched": 41_204, "filtered": 0, "invalid": 1, "expired": 0, "dead_lettered": 3,
		},
		ShardCounts: map[string]int{"held": 2, "foreign": 1, "unread": 1, "blocked": 0, "paused": 1, "ended": 2, "skipped": 0},
		Shards: byLineage([]StatusShard{
			{ID: "shardId-000000000000", Parents: []string{}, State: "ended", CaughtUp: ago(time.Hour)},
			{ID: "shardId-000000000001", Parents: []string{}, State: "foreign", Owner: "alerter-1/9c41bd02", BytesPerSecond: 812, CaughtUp: ago(2 * time.Second)},
			{ID: "shardId-000000000002", Parents: []string{}, State: "unread", Owner: "alerter-2/00000000", UnreadSince: ago(42 * time.Second)},
			{ID: "shardId-000000000003", Parents: []string{"shardId-000000000009"}, State: "ended"},
			{ID: "shardId-000000000004", Parents: []string{"shardId-000000000000"}, State: "held", Owner: "alerter-0/5e0f7a11", BytesPerSecond: 12_400, Reading: &StatusReading{
				Phase: "reading", Lag: 200, Behind: 0, LastFetch: ago(120 * time.Millisecond), Checkpoint: ago(199 * time.Second), Unresolved: 34, Gathered: 12, HeldKeys: 1,
			}},
			{ID: "shardId-000000000005", Parents: []string{"shardId-000000000000"}, State: "held", Owner: "alerter-0/5e0f7a11", Heir: "alerter-1/9c41bd02", BytesPerSecond: 2_100_000, CaughtUp: ago(0), Reading: &StatusReading{
				Phase: "draining", Lag: 0.21, Behind: 1.5, LastFetch: ago(45 * time.Second), Checkpoint: ago(800 * time.Millisecond),
				Since: ago(100 * time.Second), WaitsFor: "alerts", ReadError: "timeout", StateFailing: ago(50 * time.Second),
			}},
			{ID: "shardId-000000000006", Parents: []string{"shardId-000000000003"}, State: "paused"},
		}),
		Workers: []StatusFleetWorker{
			{ID: "alerter-0/5e0f7a11", Version: "1.0.0", Self: true, State: "live", Shards: 2},
			{ID: "alerter-1/9c41bd02", Version: "1.0.0", State: "live", Silent: 1.2, Shards: 1},
			{ID: "alerter-2/00000000", Version: "0.9.0", State: "fenced", Silent: 54, Shards: 1},
		},
		Rules: []StatusRule{
			{Name: "high-heart-rate", Severity: "critical", Topics: []string{"oncall", "ward"}, Mode: "live", Matched: 432, Undefined: 17, Published: 120, Suppressed: some},
			{Name: "new-threshold", Severity: "warning", Topics: []string{"ward"}, Mode: "shadow", Matched: 12, Published: 9, WouldBe: true, Suppressed: none, Fields: []StatusRuleField{
				{Field: "heartrate", Similar: "heartRate", Records: 41_204},
				{Field: "age", Wanted: "number", Has: "text", Records: 41_204},
				{Field: "ward", Records: 41_204},
			}},
		},
		Filter:   &StatusFilter{Dropped: 12_000, DroppingSince: ago(2 * time.Hour)},
		Silences: []StatusSilence{{Name: "holidays", All: true, Until: moment(at.Add(90 * 24 * time.Hour)), Muted: 4210}},
		Alerts: []StatusAlert{
			{ID: "4f1c0a9be2d35577aa", Kind: "firing", Rule: "high-heart-rate", Severity: "critical", Topic: "ward", Key: "pati…", Alerts: 1, Occurred: *ago(1350 * time.Millisecond), Accepted: *ago(time.Second), MessageID: "m-2"},
			{ID: "77ab3f00c1d2e3f401", Kind: "digest", Topic: "ward", Alerts: 57, Occurred: *ago(70 * time.Second), Accepted: *ago(40 * time.Second), MessageID: "m-1"},
		},
		Topics: []StatusTopic{
			{Name: "oncall", Rate: 8, Share: 4, LastAccepted: ago(200 * time.Second), Waiting: 34, Fault: "not_authorized", Remedy: "allow sns:Publish on the topic", Failures: 5, FailingSince: ago(190 * time.Second), Error: "AuthorizationError: not authorized to perform SNS:Publish"},
			{Name: "pager", FIFO: true, SentLastMinute: 0, Waiting: 1, Failures: 4, FailingSince: ago(9 * time.Second)},
			{Name: "ward", Rate: 8, Share: 4, SentLastMinute: 61, LastAccepted: ago(time.Second), Gathered: 12, Digesting: true},
		},
		DeadLetters: &StatusDeadLetters{Kind: "sqs", Sent: 3, Waiting: 1, Fault: "not_authorized", Remedy: "allow sqs:SendMessage on the queue", Failures: 2, FailingSince: ago(5 * time.Second)},
		BadAnswers: []StatusBadAnswers{{
			Service: "SNS", Operation: "PublishBatch", What: "an accepted entry has no MessageId", Since: *ago(12 * time.Second),
			Of: []string{"arn:aws:sns:us-east-1:000000000000:oncall"},
		}},
		Reload:        &StatusReload{At: *ago(65 * time.Second), Changes: []string{}, Error: "line 12: rules[0].when"},
		Configuration: "stream:\n  name: ${STREAM}\n",
	}
	s.Problems = problems(&s, true)
	s.Level, s.Summary = summary(&s)
	return s
}

// The names in the JSON are a promise, and what the text looks like is what operators see first.
func TestStatusGolden(t *testing.T) {
	t.Parallel()
	do := startAdmin(t, adminDeps{Status: exampleStatus, Healthy: func() error { return nil }, Ready: func() error { return nil }})
	code, body, header := do("GET", "/api/v1/status", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "application/json", header.Get("Content-Type"))
	golden(t, "status.json", body)
	_, again, _ := do("GET", "/", "", "Accept", "application/json")
	require.Equal(t, body, again)
	_, text, header := do("GET", "/", "", "Accept", "*/*")
	require.Equal(t, "text/plain; charset=utf-8", header.Get("Content-Type"))
	golden(t, "status.txt", text)
}

// The page runs only what was compiled in, is kept by nobody and framed by nobody.
func TestStatusPageIsLockedDown(t *testing.T) {
	t.Parallel()
	do := startAdmin(t, adminDeps{Status: exampleStatus, Healthy: func() error { return nil }, Ready: func() error { return nil }})
	_, page, header := do("GET", "/", "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	require.Equal(t, "text/html; charset=utf-8", header.Get("Content-Type"))
	policy := header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "connect-src 'self'"} {
		require.Contains(t, policy, want)
	}
	require.NotContains(t, policy, "unsafe")
	for _, tag := range []string{"style", "script"} {
		inline := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		require.Len(t, inline, 1, tag)
		require.Contains(t, policy, tag+"-src "+hashSource(inline[0][1]), "the hash is that of what the browser sees")
	}
	require.NotRegexp(t, `(?i)<[^>]* (style|on[a-z]+)=`, page, "nothing inline that the policy would refuse")
	require.NotRegexp(t, `(?:src|href|action)="https?:`, page, "nothing from elsewhere")
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		"Vary": "Accept, Accept-Encoding",
	} {
		require.Equal(t, want, header.Get(name))
	}
	require.Contains(t, page, `<noscript><meta http-equiv="refresh"`)
	require.Contains(t, page, "DynamoDB: no success for 6.0 s (InternalServerError), trust in the leases ends in 3.0 s")
}

// Names are text, whoever chose them.
func TestStatusPageEscapes(t *testing.T) {
	t.Parallel()
	page := newStatusPage(func() Status {
		s := exampleStatus()
		s.Stream.Name, s.Rules[0].Name, s.Topics[0].Name = `</title><script>1</script>`, `"><img src=x>`, `<b>`
		s.Configuration = "</pre><script>2</script>"
		return s
	}, zaptest.NewLogger(t))
	w := httptest.NewRecorder()
	page.html(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	require.Equal(t, 1, strings.Count(w.Body.String(), "<script"))
	require.NotContains(t, w.Body.String(), "<img")
	require.NotContains(t, w.Body.String(), "<b>")
}

// A thousand shards make a page that a phone can load: those that need a look, and the others folded up.
func TestStatusPageOfManyShards(t *testing.T) {
	t.Parallel()
	page := newStatusPage(func() Status { return manyShards(1000) }, zaptest.NewLogger(t))
	w := httptest.NewRecorder()
	page.html(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	require.Less(t, w.Body.Len(), 512<<10)
	require.Equal(t, 10, strings.Count(w.Body.String(), `<details id="shards-`))
	require.Contains(t, w.Body.String(), "Of 1,000 open shards, those that need a look are shown, the gravest first")
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Accept-Encoding", "gzip, br")
	w = httptest.NewRecorder()
	page.html(w, r)
	require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
	require.Less(t, w.Body.Len(), 32<<10)
	s := manyShards(1000)
	text := statusText(&s)
	require.Less(t, strings.Count(text, "\n"), 60, "a terminal shows it")
}

// Of more shards in need of a look than there is room for, the gravest are shown, and the page says how many there are.
func TestStatusPageShowsTheGravestShards(t *testing.T) {
	t.Parallel()
	s := manyShards(1000)
	for i := range s.Shards {
		switch shard := &s.Shards[i]; {
		case shard.Reading == nil:
		case shard.ID == "shardId-000000001998":
			shard.Reading.LastFetch, shard.Reading.ReadError = nil, "AccessDeniedException"
			shard.Reading.Since = moment(s.At.Add(-4 * time.Hour))
			shard.Reading.Lag = 4 * 3600
		case shard.ID == "shardId-000000001996":
			shard.Reading.HeldKeys = 1
		case shard.ID < "shardId-000000001400":
			shard.Reading.Lag = 61
		}
	}
	v := newStatusView(&s)
	require.Len(t, v.Families, fewShards)
	require.Equal(t, "shardId-000000001996", v.Families[0].ID)
	require.Equal(t, "shardId-000000001998", v.Families[1].ID)
	require.Equal(t, "held, read fails (AccessDeniedException)", v.Families[1].State)
	require.Contains(t, v.RestNote, "Of 1,000 open shards, 202 need a look: the gravest 60 are shown, the others are folded up.")
	require.Contains(t, statusText(&s), v.RestNote)
	shown := len(v.Families)
	for i := range v.Chunks {
		shown += len(v.Chunks[i].Rows)
	}
	require.Equal(t, 1000, shown, "nothing is left out")
}

func BenchmarkStatusPageOfThousandShards(b *testing.B) {
	s := manyShards(1000)
	page := newStatusPage(func() Status { return s }, zap.NewNop())
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for b.Loop() {
		page.html(httptest.NewRecorder(), r)
	}
}

func TestStatusSummary(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	well := func() Status {
		return Status{
			At: at, State: "running", Worker: StatusWorker{ID: "a/1", Heartbeat: moment(at.Add(-time.Second)), TrustedUntil: moment(at.Add(8 * time.Second)), LeaseSeconds: 10},
			Shards: []StatusShard{
				{ID: "shardId-000000000000", State: "held", Reading: &StatusReading{Phase: "reading", Lag: 0.2, LastFetch: moment(at)}},
				{ID: "shardId-000000000001", State: "foreign"},
			},
			ShardCounts: map[string]int{"held": 1, "foreign": 1},
			Workers:     []StatusFleetWorker{{ID: "a/1", Self: true, State: "live", Shards: 1}, {ID: "b/2", State: "live", Shards: 1}},
		}
	}
	for name, c := range map[string]struct {
		change  func(*Status)
		level   Level
		summary string
	}{
		"well":  {func(*Status) {}, LevelOK, "This worker is well: 1 shard is read here, lag 0.2 s; the fleet: 2 workers, all 2 shards read."},
		"alone": {func(s *Status) { s.Shards, s.Workers = s.Shards[:1], s.Workers[:1] }, LevelOK, "All is well: 1 shard is read here, lag 0.2 s."},
		"behind a parent": {func(s *Status) {
			s.Shards = append(s.Shards, StatusShard{ID: "shardId-000000000002", State: "blocked"})
		}, LevelOK, "This worker is well: 1 shard is read here, lag 0.2 s; the fleet: 2 workers, all 2 shards read, 1 more behind a parent."},
		"idle": {func(s *Status) { s.Shards[0] = s.Shards[1] }, LevelOK, "This worker is well: it reads no shard and is ready to take over; the fleet: 2 workers, all 2 shards read."},
		"starting": {func(s *Status) {
			s.State, s.WaitingFor, s.WaitingSince = "starting", "the stream x in Kinesis", moment(at.Add(-2*time.Second))
		}, LevelInfo, "Starting; waits for the stream x in Kinesis, for 2.0 s so far."},
		"waiting": {func(s *Status) {
			s.State, s.WaitingFor, s.WaitingSince = "starting", "the stream x in Kinesis", moment(at.Add(-3*time.Minute))
		}, LevelWarning, "Starting; waits for the stream x in Kinesis, for 3 m so far."},
		"stopping": {func(s *Status) { s.State = "stopping" }, LevelInfo, "The daemon is stopping: it drains its shards and hands them over."},
		"paused":   {func(s *Status) { s.ShardCounts["paused"] = 2 }, LevelWarning, "2 shards are paused by an operator."},
		"paused for long": {func(s *Status) {
			s.ShardCounts["paused"], s.Stream.Retention = 1, 86400
			s.Shards[1].State, s.Shards[1].CaughtUp = "paused", moment(at.Add(-13*time.Hour))
		}, LevelCritical, "1 shard is paused by an operator, the first of them resolved up to 13 h ago, which is more than half of the stream's retention."},
		"a reload of a part": {func(s *Status) {
			s.Reload = &StatusReload{At: at.Add(-2 * time.Hour), OK: true, Changes: []string{"rule a changed", "processing" + restartNeeded}}
		}, LevelInfo, "This worker is well; processing in the file differs from what is in force, since a reload 2 h ago."},
		"unread": {func(s *Status) {
			s.Shards[1] = StatusShard{ID: "shardId-000000000001", State: "unread", UnreadSince: moment(at.Add(-25 * time.Second))}
		}, LevelCritical, "1 shard has been read by nobody for 25 s: shardId-000000000001."},
		"just released": {func(s *Status) {
			s.Shards[1] = StatusShard{ID: "shardId-000000000001", State: "unread", UnreadSince: moment(at.Add(-5 * time.Second))}
		}, LevelInfo, "1 shard waits for an owner."},
		"an owner fell silent": {func(s *Status) {
			for i := range s.Shards {
				s.Shards[i] = StatusShard{ID: s.Shards[i].ID, State: "unread", Owner: "b/2", UnreadSince: moment(at.Add(-3 * time.Second))}
			}
			s.Workers = []StatusFleetWorker{{ID: "a/1", Self: true, State: "live"}, {ID: "b/2", State: "fenced", Silent: 14, Shards: 2}}
		}, LevelInfo, "2 shards wait for an owner; worker b/2 has been silent for 14 s."},
		"owners fell silent long ago": {func(s *Status) {
			for i, owner := range []string{"b/2", "c/3"} {
				s.Shards[i] = StatusShard{ID: s.Shards[i].ID, State: "unread", Owner: owner, UnreadSince: moment(at.Add(-40 * time.Second))}
			}
			s.Workers = []StatusFleetWorker{{ID: "a/1", Self: true, State: "live"}, {ID: "b/2", State: "fenced", Silent: 54, Shards: 1}, {ID: "c/3", State: "live", Silent: 52, Shards: 1}}
		}, LevelCritical, "2 shards have been read by nobody for 40 s: shardId-000000000000, shardId-000000000001; worker b/2 has been silent for 54 s, and 1 other."},
		"an owner was not heard of": {func(s *Status) {
			s.Shards[0] = s.Shards[1]
			s.Workers = []StatusFleetWorker{{ID: "b/2", State: "live", Silent: 16, Shards: 2}}
		}, LevelInfo, "Worker b/2 has been silent for 16 s, it holds 2 shards."},
		"an owner fell silent before this process began": {func(s *Status) {
			s.Workers[1].Silent = 60
		}, LevelWarning, "Worker b/2 has been silent for 1 m, it holds 1 shard."},
		"about to read": {func(s *Status) { s.Shards[0].Reading = nil }, LevelOK, "This worker is well: 1 shard is about to be read here; the fleet: 2 workers, 1 of 2 shards read."},
		"not joined": {func(s *Status) {
			s.Shards[0], s.Worker.TrustedUntil = s.Shards[1], nil
		}, LevelOK, "This worker is well: it is joining the fleet."},
		"nothing to read": {func(s *Status) {
			s.Shards = []StatusShard{{ID: "a", State: "ended"}, {ID: "b", State: "paused"}, {ID: "c", State: "blocked"}}
		}, LevelOK, "This worker is well: no shard is to be read now."},
		"too late": {
			func(s *Status) { s.Shards[0].Reading.Lag, s.Stream.Retention = 13*3600, 86400 }, LevelCritical,
			"Lag 13 h on shardId-000000000000, which is more than half of the stream's retention.",
		},
		"too late for a pager": {func(s *Status) { s.Shards[0].Reading.Lag = 301 }, LevelCritical, "Lag 5 m 1 s on shardId-000000000000."},
		"late":                 {func(s *Status) { s.Shards[0].Reading.Lag = 200 }, LevelWarning, "Lag 3 m 20 s on shardId-000000000000."},
		"no trust": {
			func(s *Status) { s.Worker.TrustedUntil, s.Worker.Heartbeat = nil, moment(at.Add(-40*time.Second)) }, LevelCritical,
			"DynamoDB: no success for 40 s, trust in the leases has ended: nothing is read or published.",
		},
		"less trust": {
			func(s *Status) {
				s.Worker.TrustedUntil, s.Worker.Heartbeat, s.Worker.Failure = moment(at.Add(3*time.Second)), moment(at.Add(-6*time.Second)), "AccessDeniedException"
			}, LevelWarning,
			"DynamoDB: no success for 6.0 s (AccessDeniedException), trust in the leases ends in 3.0 s.",
		},
		"no Kinesis": {
			func(s *Status) {
				s.Shards[0].Reading.LastFetch, s.Shards[0].Reading.ReadError = moment(at.Add(-42*time.Second)), "timeout"
			}, LevelWarning,
			"Kinesis: no success for 42 s for 1 shard (no answer): shardId-000000000000.",
		},
		"never an answer": {
			func(s *Status) {
				s.Shards[0].Reading.LastFetch, s.Shards[0].Reading.ReadError = nil, "AccessDeniedException"
				s.Shards[0].Reading.Since = moment(at.Add(-4 * time.Minute))
				s.Shards[0].Reading.Lag = 240
			}, LevelCritical,
			"Kinesis: no success for 4 m for 1 shard (AccessDeniedException): shardId-000000000000.",
		},
		"no memory": {
			func(s *Status) {
				s.Shards[0].Reading.LastFetch, s.Shards[0].Reading.WaitsFor = moment(at.Add(-42*time.Second)), "memory"
				s.Shards[0].Reading.ReadError = "timeout" // before
				s.Topics = []StatusTopic{{Name: "oncall", Waiting: 900, Failures: 3, FailingSince: moment(at.Add(-50 * time.Second))}}
			}, LevelWarning,
			"Topic oncall: SNS has failed for 50 s, 900 alerts wait. And 1 more problem.",
		},
		"a wait for the state": {
			func(s *Status) {
				s.Shards[0].Reading.LastFetch, s.Shards[0].Reading.WaitsFor, s.Shards[0].Reading.Since = nil, "state", moment(at.Add(-42*time.Second))
			}, LevelWarning,
			"1 shard waits for the state in DynamoDB, for 42 s so far: shardId-000000000000.",
		},
		"a checkpoint that is not stored": {
			func(s *Status) { s.Shards[0].Reading.Checkpoint = moment(at.Add(-6 * time.Minute)) }, LevelCritical,
			"The checkpoint of 1 shard has not been stored for 6 m: shardId-000000000000.",
		},
		"a checkpoint that lag holds": {
			func(s *Status) {
				s.Shards[0].Reading.Checkpoint, s.Shards[0].Reading.Lag = moment(at.Add(-6*time.Minute)), 200
			}, LevelWarning, "Lag 3 m 20 s on shardId-000000000000.",
		},
		"a state that is not saved": {
			func(s *Status) { s.Shards[0].Reading.StateFailing = moment(at.Add(-6 * time.Minute)) }, LevelWarning,
			"The state of 1 shard has not been saved for 6 m: shardId-000000000000.",
		},
		"a state that is too large": {
			func(s *Status) {
				s.Shards[0].Reading.StateFailing, s.Shards[0].Reading.StateTooLarge = moment(at), "score ANOMALY_SCORE"
			}, LevelCritical,
			"The state of shard shardId-000000000000 is too large to be saved, most of it is of score ANOMALY_SCORE.",
		},
		"missed": {
			func(s *Status) { s.Recent = StatusRecent{Window: 900, Missed: 2} }, LevelCritical,
			"Records may have been missed in the last 15 m: 2 checkpoints had left the stream.",
		},
		"given up": {
			func(s *Status) { s.Recent = StatusRecent{Window: 900, GivenUp: 3} }, LevelCritical,
			"Alerts dropped in the last 15 m: 3 alerts given up at the limits of attempts or age.",
		},
		"skipped": {
			func(s *Status) { s.Recent = StatusRecent{Window: 900, Skipped: 1} }, LevelWarning,
			"Alerts dropped in the last 15 m: 1 alert rejected by SNS and skipped as configured.",
		},
		"dead letters": {
			func(s *Status) { s.Recent = StatusRecent{Window: 900, Letters: 2} }, LevelWarning, "Alerts became dead letters in the last 15 m: 2 letters.",
		},
		"dead letters of invalid records": {
			func(s *Status) { s.Recent = StatusRecent{Window: 900, InvalidLetters: 2} }, LevelInfo,
			"This worker is well; records that cannot be read became dead letters in the last 15 m: 2 letters.",
		},
		"panics": {
			func(s *Status) { s.Recent = StatusRecent{Window: 900, Panics: 1} }, LevelWarning, "1 panic recovered from in the last 15 m.",
		},
		"state lost": {
			func(s *Status) { s.Recent = StatusRecent{Window: 900, StateGaps: 1} }, LevelWarning, "Evaluation went on without its state in the last 15 m, on 1 shard.",
		},
		"held keys": {
			func(s *Status) {
				s.Shards = nil
				for i := range 5 {
					s.Shards = append(s.Shards, StatusShard{ID: fmt.Sprint("s", i), State: "held", Reading: &StatusReading{HeldKeys: 2}})
				}
			}, LevelCritical, "10 partition keys are held, because SNS will never accept an alert: s0, s1, s2, ….",
		},
		"lag with a cause": {
			func(s *Status) {
				s.Shards[0].Reading.Lag = 200
				s.Topics = []StatusTopic{{Name: "oncall", Failures: 3, FailingSince: moment(at.Add(-50 * time.Second)), Waiting: 2}}
			}, LevelWarning, "Topic oncall: SNS has failed for 50 s, 2 alerts wait.",
		},
		"lag with no cause": {
			func(s *Status) {
				s.Shards[0].Reading.Lag = 200
				s.Reload = &StatusReload{At: at.Add(-time.Minute)}
			}, LevelWarning, "Lag 3 m 20 s on shardId-000000000000. And 1 more problem.",
		},
		"two things": {func(s *Status) {
			s.Shards[0].Reading.Lag = 61
			s.Topics = []StatusTopic{{Name: "oncall", Fault: "not_authorized", Waiting: 34}}
			s.ShardCounts["paused"] = 1
		}, LevelCritical, "Topic oncall: access denied, 34 alerts wait. And 1 more problem."},
	} {
		s := well()
		c.change(&s)
		s.Problems = problems(&s, false)
		level, text := summary(&s)
		require.Equal(t, c.level, level, name)
		require.Equal(t, c.summary, text, name)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0 s": 20 * time.Millisecond, "0.2 s": 230 * time.Millisecond, "9.9 s": 9940 * time.Millisecond, "10 s": 9960 * time.Millisecond, "59 s": 59 * time.Second,
		"1 m": 60 * time.Second, "3 m 20 s": 200 * time.Second, "2 h 5 m": 2*time.Hour + 5*time.Minute + 3*time.Second, "3 d 4 h": 76 * time.Hour,
	} {
		require.Equal(t, want, words(d))
	}
	require.Equal(t, []string{"0", "999", "1,000", "1,234,567"}, []string{grouped(0), grouped(999), grouped(1000), grouped(1234567)})
}

// The ring keeps 15 minutes, and one goroutine feeds it for as long as it is told to.
func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h history
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		began := time.Now()
		go func() {
			done <- h.run(ctx, func(now time.Time) (totals, bool) {
				s := uint64(now.Sub(began).Seconds())
				return totals{records: 100 * s, alerts: s}, true
			})
		}()
		time.Sleep(61 * time.Second)
		require.Equal(t, StatusHistory{Interval: 5, Records: slices.Repeat([]float64{100}, 12), Alerts: slices.Repeat([]float64{1}, 12)}, h.status())
		time.Sleep(time.Hour)
		require.Len(t, h.status().Records, historyLength)
		befell := StatusRecent{Panics: 2, Missed: 1}
		require.Equal(t, StatusRecent{Window: 900, Panics: 2, Missed: 1}, h.recent(befell), "before the next sample")
		stop()
		require.NoError(t, <-done)
	})
}

// What befell a process is told for 15 minutes.
func TestHistoryForgets(t *testing.T) {
	t.Parallel()
	var h history
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	befell := StatusRecent{Skipped: 3}
	for i := range 3 * historyLength {
		if i == historyLength {
			befell.Skipped += 2
		}
		h.note(at.Add(time.Duration(i)*historyEvery), totals{befell: befell})
		want := uint64(3) // before the first sample, and since the start all the same
		switch {
		case i >= 2*historyLength-1:
			want = 0
		case i >= historyLength:
			want = 2
		case i == historyLength-1:
			want = 0
		}
		require.Equal(t, want, h.recent(befell).Skipped, i)
	}
}

func TestByLineage(t *testing.T) {
	t.Parallel()
	ids := func(shards []StatusShard) (out []string) {
		for i := range shards {
			out = append(out, shards[i].ID)
		}
		return out
	}
	require.Equal(t, []string{"a", "c", "b", "e", "d", "g"}, ids(byLineage([]StatusShard{
		{ID: "a"}, {ID: "b"}, {ID: "c", Parents: []string{"a"}}, {ID: "d", Parents: []string{"gone"}}, {ID: "e", Parents: []string{"b", "c"}}, {ID: "g", Parents: []string{"d"}},
	})))
}

// A code that is not listed has no subject, and a problem without one is sorted before its causes.
func TestEveryProblemCodeIsListed(t *testing.T) {
	files, err := filepath.Glob("status_problems*.go")
	require.NoError(t, err)
	found, subjects := map[string]bool{}, problemSubjects()
	for _, file := range files {
		source, err := os.ReadFile(file) //nolint:gosec // of this folder
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`add\([^"\n]*, "([a-z_]+)",\s`).FindAllStringSubmatch(string(source), -1) {
			found[m[1]] = true
			require.Contains(t, subjects, m[1])
		}
	}
	for code := range subjects {
		require.Contains(t, found, code, "listed, and never shown")
	}
}
