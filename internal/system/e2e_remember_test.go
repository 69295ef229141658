//go:build e2e

package system_test

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/json"
	"flag"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/fakeaws/npm"
)

var previousBinary = flag.String("previous", "", "the binary of another version, see `make mixed`")

// TestE2ERememberedAlertsAreThoseOfACalmRun runs two processes of the built daemon whose rules remember: suppressions,
// excursions, windows and silences of keys. A worker is killed in the middle of all that, with a storm on its way to a
// topic that e-mail subscribes, and the shards are split. What SNS accepted, alone or inside digests, has to be what
// one evaluation of the same records from the first to the last makes, without any worker, crash or reshard.
func TestE2ERememberedAlertsAreThoseOfACalmRun(t *testing.T) {
	w := newRememberWorld(t)
	binary := buildDaemon(t)
	// With -previous the daemons are a fleet in the middle of an upgrade: the worker that is killed and the one that
	// replaces it are of that version, so its progress and memory are read by this one, and back.
	previous := cmp.Or(*previousBinary, binary)
	start := func(name, binary string) *daemon {
		d := startDaemon(t, binary, name, w.Config(), w.env...)
		d.ready()
		return d
	}
	crashing, steady := start("worker-1", previous), start("worker-2", binary)
	eventually(t, 30*time.Second, "two workers share the stream", func() bool {
		return held(crashing) > 0 && held(steady) > 0
	})

	w.feed(20)
	w.storm(200)
	w.broken()
	w.feed(4)
	killed := crashing.kill()
	t.Logf("SIGKILL after %d records", w.put)
	replacement := start("worker-3", previous)
	w.feed(16)
	w.storm(200)
	w.scale(4)
	w.feed(30)
	t.Logf("%d records put", w.put)

	calm := w.calmRun()
	w.await(calm, time.Minute)
	for _, d := range []*daemon{steady, replacement} {
		require.Zero(t, d.metric("kinesis_alerter_state_gaps_total"), "%s forgot something", d.name)
		require.InDelta(t, d.metric("kinesis_alerter_records_read_total"), d.metric("kinesis_alerter_records_total"), 0,
			"%s: every record has one outcome", d.name)
	}
	for _, d := range []*daemon{steady, replacement} {
		code, _ := d.terminate()
		require.Zero(t, code, "%s, with nothing left to do, exits with 0", d.name)
	}
	w.Settle()

	w.requireAlerts(calm, killed)
	w.requireWindows(calm)
	w.requireDedup(calm)
	w.requireRate()
	w.requireLetter(calm)
	w.requireAudited(crashing, steady, replacement)
}

// The rules' times. They are short, so that each of them is over several times while the daemons are killed.
const (
	rememberWindow = 5 * time.Second
	rememberDedup  = 4 * time.Second
	rememberSilent = 3 * time.Second
)

// reading is the payload of a record.
type reading struct {
	N     int  `json:"n"`
	V     int  `json:"v"`
	Storm bool `json:"storm"`
}

// rememberWorld is a world with two topics: people, whose rate is the default one, and robots, without a rate.
type rememberWorld struct {
	*e2eWorld
	people, robots, letters string // URLs of the queues behind them, and of the dead letters
	peopleARN, robotsARN    string
	round, put              int

	mu       sync.Mutex
	accepted []acceptance
	sent     []time.Time // the messages to people
	digests  int
	letter   []string
}

// acceptance is one alert that SNS accepted.
type acceptance struct {
	id   string
	at   time.Time
	body string // empty inside a digest
}

func newRememberWorld(t *testing.T) *rememberWorld {
	t.Helper()
	at := startEmulators(t)
	w := &rememberWorld{e2eWorld: newE2EWorld(t, at, "memory", 2, 10)}
	w.lease = faultLease
	w.peopleARN, w.people = w.subscribed("people")
	w.robotsARN, w.robots = w.subscribed("robots")
	address, err := url.Parse(w.newQueue("letters"))
	require.NoError(t, err)
	w.letters = at.messaging + address.Path
	for queue, keep := range map[string]func(sqstypes.Message){
		w.people:  func(m sqstypes.Message) { w.keepAlert(m, true) },
		w.robots:  func(m sqstypes.Message) { w.keepAlert(m, false) },
		w.letters: w.keepLetter,
	} {
		w.goUntilCleanup(func(ctx context.Context) {
			if err := w.receive(ctx, queue, keep); ctx.Err() == nil {
				t.Errorf("the queue %s cannot be read any more, what follows says nothing about the daemon: %v", queue,
					err)
			}
		})
	}
	return w
}

func (w *rememberWorld) Config() string {
	words := "{{ .Rule }} {{ .Kind }} {{ .Key }} {{ .Value }} {{ .At }} {{ .Since }} {{ .Suppressed }}"
	if *previousBinary != "" {
		// Earlier versions have no Since for tumbling windows, and another word for no value.
		words = "{{ .Rule }} {{ .Kind }} {{ .Key }} {{ with .Value }}{{ . }}{{ end }} {{ .At }} {{ .Suppressed }}"
	}
	return fmt.Sprintf(`stream:
  name: %s
  application: %s
  start: trim_horizon
leases:
  duration: %s
rules:
  - {name: storm, when: storm, topics: [people]}
  - {name: excursion, when: v > 60, resolve: 2, topics: [people, robots]}
  - {name: once, when: v > 50, dedup: %s, topics: [robots]}
  - name: sum
    when: not storm
    window: {length: %s, tumbling: true, aggregate: sum, of: v, is: ">= 0"}
    topics: [robots]
  - {name: silent, when: not storm, absence: {after: %s}, topics: [people, robots]}
topics:
  people: {arn: "%s", digest: 2s, message: %q}
  robots: {arn: "%s", rate: unlimited, email: false, message: %q}
dead_letter:
  sqs: %s
  invalid: true
server:
  listen: 127.0.0.1:0
`, w.name, w.table(), w.lease, rememberDedup, rememberWindow, rememberSilent, w.peopleARN, words, w.robotsARN, words, w.letters)
}

// feed puts rounds of one record of every key. The first key says nothing in some of them.
func (w *rememberWorld) feed(rounds int) {
	w.t.Helper()
	for range rounds {
		var entries []types.PutRecordsRequestEntry
		for k := range w.keys {
			if k > 0 || w.round%40 < 15 {
				entries = append(entries, w.entry(k, reading{N: w.round, V: (w.round*7 + k*13) % 100}))
			}
		}
		w.putAll(entries)
		w.round++
		time.Sleep(150 * time.Millisecond) // so that event time passes
	}
}

// storm puts records that alert each, a few at a time: a long call would let records be seen long after their arrival.
func (w *rememberWorld) storm(records int) {
	w.t.Helper()
	for n := range records {
		w.putAll([]types.PutRecordsRequestEntry{w.entry(n%w.keys, reading{N: n, Storm: true})})
	}
}

// broken puts an unreadable record.
func (w *rememberWorld) broken() {
	w.t.Helper()
	w.putAll([]types.PutRecordsRequestEntry{{PartitionKey: aws.String("broken"), Data: []byte(`{"v":`)}})
}

func (w *rememberWorld) entry(key int, r reading) types.PutRecordsRequestEntry {
	w.t.Helper()
	data, err := json.Marshal(r)
	require.NoError(w.t, err)
	return types.PutRecordsRequestEntry{PartitionKey: aws.String("key-" + strconv.Itoa(key)), Data: data}
}

func (w *rememberWorld) putAll(entries []types.PutRecordsRequestEntry) {
	w.t.Helper()
	w.put += len(entries)
	for len(entries) > 0 {
		out, err := w.kinesis.PutRecords(w.t.Context(), &kinesis.PutRecordsInput{StreamName: &w.name, Records: entries})
		require.NoError(w.t, err)
		refused := entries[:0:0]
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				refused = append(refused, entries[i])
			}
		}
		entries = refused
	}
}

// keepAlert notes what a message stands for.
func (w *rememberWorld) keepAlert(m sqstypes.Message, limited bool) {
	millis, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
	if err != nil {
		w.t.Errorf("a message without the time at which it was sent: %v", err)
		return
	}
	at := time.UnixMilli(millis)
	w.mu.Lock()
	defer w.mu.Unlock()
	if limited {
		w.sent = append(w.sent, at)
	}
	count, digest := m.MessageAttributes["count"]
	if !digest {
		w.accepted = append(w.accepted, acceptance{
			id: *m.MessageAttributes["alert_id"].StringValue, at: at, body: *m.Body,
		})
		return
	}
	w.digests++
	_, list, _ := strings.Cut(*m.Body, "Alert ids:\n")
	ids := strings.Fields(list)
	if got := strconv.Itoa(len(ids)); got != *count.StringValue {
		w.t.Errorf("a digest of %s alerts lists %s of them: %.300s", *count.StringValue, got, *m.Body)
	}
	for _, id := range ids {
		w.accepted = append(w.accepted, acceptance{id: id, at: at})
	}
}

func (w *rememberWorld) keepLetter(m sqstypes.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.letter = append(w.letter, *m.Body)
}

// taken is a copy of what was accepted so far, in the order of time, and how many letters came.
func (w *rememberWorld) taken() (accepted []acceptance, letters int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	accepted = slices.Clone(w.accepted)
	slices.SortStableFunc(accepted, func(a, b acceptance) int { return a.at.Compare(b.at) })
	return accepted, len(w.letter)
}

// calmRun is what one evaluation of all records makes of them.
type calmRun struct {
	stream  string // ARN
	records []alert.Record
	alerts  []*alert.Alert
	// twins are other ids of the alerts that time made: see rememberWorld.evaluate.
	twins   map[string]string
	invalid []alert.Record
}

// calmRun reads the stream from its beginning and evaluates it.
func (w *rememberWorld) calmRun() *calmRun {
	w.t.Helper()
	ctx := w.t.Context()
	summary, err := w.kinesis.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &w.name})
	require.NoError(w.t, err)
	listed, err := w.kinesis.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &w.name})
	require.NoError(w.t, err)
	slices.SortFunc(listed.Shards, func(a, b types.Shard) int { return cmp.Compare(*a.ShardId, *b.ShardId) })
	records := map[string][]alert.Record{}
	out := &calmRun{stream: *summary.StreamDescriptionSummary.StreamARN, twins: map[string]string{}}
	for _, s := range listed.Shards {
		records[*s.ShardId] = w.readShard(*s.ShardId)
		out.records = append(out.records, records[*s.ShardId]...)
	}
	require.Len(w.t, out.records, w.put, "the stream has what was put")
	slices.SortStableFunc(out.records, func(a, b alert.Record) int { return a.Arrival.Compare(b.Arrival) })

	out.alerts, out.invalid = w.evaluate(out.stream, listed.Shards, records, false)
	early, _ := w.evaluate(out.stream, listed.Shards, records, true)
	what := func(a *alert.Alert) string { return fmt.Sprint(a.Rule, a.Topic, a.Kind, a.Key, a.At.UnixMilli()) }
	earlier := map[string]string{}
	for _, a := range early {
		earlier[what(a)] = a.ID
	}
	for _, a := range out.alerts {
		require.Contains(w.t, earlier, what(a))
		out.twins[a.ID] = earlier[what(a)]
	}
	kinds := map[string]int{}
	for _, a := range out.alerts {
		kinds[a.Rule+" "+string(a.Kind)]++
	}
	w.t.Logf("a calm run makes %d alerts: %v", len(out.alerts), kinds)
	require.Subset(w.t, kinds, map[string]int{"storm firing": 400}, "the records give every rule something to say")
	require.Len(w.t, kinds, 7, "%v", kinds)
	return out
}

func (w *rememberWorld) readShard(id string) (records []alert.Record) {
	w.t.Helper()
	ctx := w.t.Context()
	begin, err := w.kinesis.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: &w.name, ShardId: &id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	require.NoError(w.t, err)
	for iterator := begin.ShardIterator; iterator != nil; {
		page, err := w.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator})
		require.NoError(w.t, err)
		for _, r := range page.Records {
			records = append(records, alert.Record{
				Shard: id, PartitionKey: *r.PartitionKey, SequenceNumber: *r.SequenceNumber,
				Arrival: *r.ApproximateArrivalTimestamp, Data: r.Data,
			})
		}
		if iterator = page.NextShardIterator; len(page.Records) == 0 && aws.ToInt64(page.MillisBehindLatest) == 0 {
			break
		}
	}
	return records
}

// evaluate has the records evaluated, shard by shard, parents first, and then time pass until nothing is due any more.
//
// What is due between the last record of a shard and the first of its children may be said by either: by the shard if
// time has passed it when the shard is read to its end, which depends on how fast that is. The alert has the shard's
// name in its id. With early, the shard says what it possibly can, otherwise its children say it.
func (w *rememberWorld) evaluate(
	stream string, shards []types.Shard, records map[string][]alert.Record, early bool,
) (alerts []*alert.Alert, invalid []alert.Record) {
	w.t.Helper()
	file := filepath.Join(w.t.TempDir(), "calm.yaml")
	require.NoError(w.t, os.WriteFile(file, []byte(w.Config()), 0o600))
	config, err := config.LoadConfig(w.t.Context(), file, os.LookupEnv)
	require.NoError(w.t, err)
	rules, err := alert.Config{Rules: config.Rules, Topics: config.Topics, DeadLetterInvalid: true}.Compile()
	require.NoError(w.t, err)
	pipeline, err := alert.New(rules, alert.Deps{
		Stream: stream, Log: zap.NewNop(), Registerer: prometheus.NewRegistry(),
	})
	require.NoError(w.t, err)

	states := map[string][]byte{}
	for _, s := range shards {
		e := pipeline.Shard(*s.ShardId)
		var parents [][]byte
		for _, parent := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
			if parent != nil {
				parents = append(parents, states[*parent])
			}
		}
		if parents != nil {
			require.NoError(w.t, e.Inherit(parents, alert.Heir{Owns: owner(w.t, s)}))
		}
		for i := range records[*s.ShardId] {
			r := &records[*s.ShardId][i]
			d := e.Evaluate(r)
			alerts = append(alerts, d.Alerts...)
			if d.Outcome == alert.Invalid {
				invalid = append(invalid, *r)
			}
		}
		var children []time.Time
		hasChildren := false
		for _, c := range shards {
			if *s.ShardId != aws.ToString(c.ParentShardId) && *s.ShardId != aws.ToString(c.AdjacentParentShardId) {
				continue
			}
			hasChildren = true
			if of := records[*c.ShardId]; len(of) > 0 {
				children = append(children, of[0].Arrival)
			}
		}
		switch {
		case !hasChildren:
			alerts = append(alerts, e.Elapse(time.Now().Add(time.Hour))...)
		case early && len(children) > 0:
			alerts = append(alerts, e.Elapse(slices.MinFunc(children, time.Time.Compare))...)
		}
		states[*s.ShardId] = e.State()
	}
	return alerts, invalid
}

// owner tells which partition keys fall to a shard.
func owner(t *testing.T, s types.Shard) func(partitionKey string) bool {
	t.Helper()
	number := func(text string) *big.Int {
		n, ok := new(big.Int).SetString(text, 10)
		require.True(t, ok, text)
		return n
	}
	from, to := number(*s.HashKeyRange.StartingHashKey), number(*s.HashKeyRange.EndingHashKey)
	return func(partitionKey string) bool {
		sum := md5.Sum([]byte(partitionKey))
		hash := new(big.Int).SetBytes(sum[:])
		return hash.Cmp(from) >= 0 && hash.Cmp(to) <= 0
	}
}

// await waits until all alerts were accepted and the letter has come, or until nothing came for a while.
func (w *rememberWorld) await(calm *calmRun, patience time.Duration) {
	w.t.Helper()
	last := -1
	for since := time.Now(); time.Since(since) < patience; time.Sleep(50 * time.Millisecond) {
		accepted, letters := w.taken()
		if len(calm.missing(accepted)) == 0 && letters > 0 {
			return
		}
		if len(accepted) != last {
			last, since = len(accepted), time.Now()
		}
	}
}

// Settle waits until nothing comes any more, so that late repetitions are seen, too.
func (w *rememberWorld) Settle() {
	last := -1
	for since := time.Now(); time.Since(since) < 2*time.Second; time.Sleep(50 * time.Millisecond) {
		if accepted, _ := w.taken(); len(accepted) != last {
			last, since = len(accepted), time.Now()
		}
	}
}

// missing are the alerts that were not sent.
func (c *calmRun) missing(accepted []acceptance) (missing []*alert.Alert) {
	ids := map[string]bool{}
	for _, a := range accepted {
		ids[a.id] = true
	}
	for _, a := range c.alerts {
		if !ids[a.ID] && !ids[c.twins[a.ID]] {
			missing = append(missing, a)
		}
	}
	return missing
}

// requireAlerts: what was accepted is what the calm run made, in its words, and only what the killed worker had
// published was repeated.
func (w *rememberWorld) requireAlerts(calm *calmRun, killed time.Time) {
	w.t.Helper()
	accepted, _ := w.taken()
	var lost []string
	for _, a := range calm.missing(accepted) {
		lost = append(lost, fmt.Sprintf("%s %s of %s to %s at %s", a.Rule, a.Kind, a.Key, a.Topic, a.At))
	}
	require.Empty(w.t, lost, "lost")
	byID := map[string]*alert.Alert{}
	for _, a := range calm.alerts {
		byID[a.ID], byID[calm.twins[a.ID]] = a, a
	}
	first := map[*alert.Alert]acceptance{}
	repeated := 0
	for _, got := range accepted {
		a := byID[got.id]
		require.NotNil(w.t, a, "invented: %+v", got)
		if before, again := first[a]; again {
			repeated++
			require.Equal(w.t, before.id, got.id, "repeated with another id: %s %s of %s", a.Rule, a.Kind, a.Key)
			require.False(w.t, before.at.After(killed), "repeated without need: %s %s of %s", a.Rule, a.Kind, a.Key)
		} else {
			first[a] = got
		}
		if got.body == "" {
			continue
		}
		m, err := a.Render()
		require.NoError(w.t, err)
		require.Equal(w.t, m.Body, got.body)
	}
	w.t.Logf("%d alerts accepted, none lost or invented, %d repeated after the SIGKILL", len(first), repeated)
}

// requireWindows: every window of every key has the sum of its records, which are added up here by another way.
func (w *rememberWorld) requireWindows(calm *calmRun) {
	w.t.Helper()
	want, got := map[string]float64{}, map[string]float64{}
	name := func(key string, end time.Time) string { return key + " until " + end.UTC().Format(time.RFC3339) }
	for _, r := range calm.records {
		var d reading
		if json.Unmarshal(r.Data, &d) == nil && !d.Storm {
			want[name(r.PartitionKey, r.Arrival.Truncate(rememberWindow).Add(rememberWindow))] += float64(d.V)
		}
	}
	for _, a := range calm.alerts {
		if a.Rule == "sum" {
			got[name(a.Key, a.At)] = a.Value
		}
	}
	require.Equal(w.t, want, got)
}

// requireDedup: after an alert of a key there is none for the time of dedup, and then one for the next record.
func (w *rememberWorld) requireDedup(calm *calmRun) {
	w.t.Helper()
	want, got := map[string][]int64{}, map[string][]int64{}
	for _, r := range calm.records {
		var d reading
		if json.Unmarshal(r.Data, &d) != nil || d.V <= 50 {
			continue
		}
		times, at := want[r.PartitionKey], r.Arrival.UnixMilli()
		if n := len(times); n == 0 || at >= times[n-1]+rememberDedup.Milliseconds() {
			want[r.PartitionKey] = append(times, at)
		}
	}
	for _, a := range calm.alerts {
		if a.Rule == "once" {
			got[a.Key] = append(got[a.Key], a.At.UnixMilli())
		}
	}
	require.Equal(w.t, want, got)
}

// requireRate: in no second does a topic get more messages than the default rate.
func (w *rememberWorld) requireRate() {
	w.t.Helper()
	const rate = 8
	w.mu.Lock()
	sent, digests := slices.Clone(w.sent), w.digests
	w.mu.Unlock()
	require.Positive(w.t, digests, "a storm becomes digests")
	slices.SortFunc(sent, time.Time.Compare)
	most := 0
	for i := range sent {
		n := i
		for n < len(sent) && sent[n].Sub(sent[i]) < time.Second {
			n++
		}
		most = max(most, n-i)
	}
	require.LessOrEqual(w.t, most, rate)
	w.t.Logf("%d messages to people, %d of them digests, %d at most in a second", len(sent), digests, most)
}

// requireLetter: the unreadable record is a dead letter in the form in which Lambda writes them.
func (w *rememberWorld) requireLetter(calm *calmRun) {
	w.t.Helper()
	type batch struct {
		ShardID                         string `json:"shardId"`
		StartSequenceNumber             string `json:"startSequenceNumber"`
		EndSequenceNumber               string `json:"endSequenceNumber"`
		ApproximateArrivalOfFirstRecord string `json:"approximateArrivalOfFirstRecord"`
		ApproximateArrivalOfLastRecord  string `json:"approximateArrivalOfLastRecord"`
		BatchSize                       int    `json:"batchSize"`
		StreamArn                       string `json:"streamArn"`
	}
	type letter struct {
		RequestContext struct {
			RequestID              string `json:"requestId"`
			FunctionArn            string `json:"functionArn"`
			Condition              string `json:"condition"`
			ApproximateInvokeCount int    `json:"approximateInvokeCount"`
		} `json:"requestContext"`
		ResponseContext struct {
			StatusCode      int    `json:"statusCode"`
			ExecutedVersion string `json:"executedVersion"`
			FunctionError   string `json:"functionError"`
		} `json:"responseContext"`
		Version          string
		Timestamp        time.Time
		KinesisBatchInfo batch
		Payload          string
		KinesisAlerter   struct{ Reason string } `json:"kinesisAlerter"`
	}
	type event struct {
		Records []struct {
			Kinesis struct {
				KinesisSchemaVersion, PartitionKey, SequenceNumber string
				Data                                               []byte
				ApproximateArrivalTimestamp                        float64
			}
			EventSource, EventVersion, EventID, EventName, InvokeIdentityArn, AwsRegion, EventSourceARN string
		}
	}
	require.Len(w.t, calm.invalid, 1)
	record := calm.invalid[0]
	arrival := record.Arrival.UTC().Format("2006-01-02T15:04:05.000Z")
	w.mu.Lock()
	letters := slices.Clone(w.letter)
	w.mu.Unlock()
	require.NotEmpty(w.t, letters, "the record that cannot be read is a letter")
	id := ""
	for _, text := range letters {
		var l letter
		strict := json.NewDecoder(strings.NewReader(text))
		strict.DisallowUnknownFields()
		require.NoError(w.t, strict.Decode(&l), text)
		id = cmp.Or(id, l.RequestContext.RequestID)
		require.Equal(w.t, id, l.RequestContext.RequestID, "a letter that a crash repeats has the same id")
		require.Equal(w.t, "arn:aws:lambda:"+npm.Region+":"+npm.Account+":function:"+w.table(),
			l.RequestContext.FunctionArn)
		require.Equal(w.t, alert.ConditionRetries, l.RequestContext.Condition)
		require.Equal(w.t, 1, l.RequestContext.ApproximateInvokeCount)
		require.Equal(w.t, 200, l.ResponseContext.StatusCode)
		require.Equal(w.t, "Unhandled", l.ResponseContext.FunctionError)
		require.Equal(w.t, "1.0", l.Version)
		require.Equal(w.t, string(alert.ReasonTruncated), l.KinesisAlerter.Reason)
		require.Equal(w.t, batch{
			record.Shard, record.SequenceNumber, record.SequenceNumber, arrival, arrival, 1, calm.stream,
		}, l.KinesisBatchInfo)
		var e event
		strict = json.NewDecoder(strings.NewReader(l.Payload))
		strict.DisallowUnknownFields()
		require.NoError(w.t, strict.Decode(&e), l.Payload)
		require.Len(w.t, e.Records, 1)
		r := e.Records[0]
		require.Equal(w.t, record.PartitionKey, r.Kinesis.PartitionKey)
		require.Equal(w.t, record.SequenceNumber, r.Kinesis.SequenceNumber)
		require.Equal(w.t, string(record.Data), string(r.Kinesis.Data))
		require.Equal(w.t, record.Shard+":"+record.SequenceNumber, r.EventID)
		require.Equal(w.t, "aws:kinesis", r.EventSource)
		require.Equal(w.t, calm.stream, r.EventSourceARN)
	}
}

// requireAudited: what the audit logs say was accepted, was.
func (w *rememberWorld) requireAudited(daemons ...*daemon) {
	w.t.Helper()
	accepted, _ := w.taken()
	ids := map[string]bool{}
	for _, a := range accepted {
		ids[a.id] = true
	}
	audited := 0
	for _, d := range daemons {
		for line := range d.lines() {
			var entry struct {
				Logger, Msg string
				AlertID     string   `json:"alert_id"`
				AlertIDs    []string `json:"alert_ids"`
			}
			if json.Unmarshal(line, &entry) != nil || entry.Logger != "audit" || entry.Msg == "dead letter sent" {
				continue // a line that the SIGKILL cut is none, either
			}
			list := entry.AlertIDs
			if entry.Msg == "alert published" {
				list = append(list, entry.AlertID)
			}
			for _, id := range list {
				audited++
				require.True(w.t, ids[id], "%s: %q names %s, which nobody got", d.name, entry.Msg, id)
			}
		}
	}
	require.Positive(w.t, audited)
}
