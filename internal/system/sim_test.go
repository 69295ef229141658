package system

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

const (
	simTable  = "sim"
	simMemory = 1 << 20
	simPage   = 1 << 20 // what one page of the simulation's records can hold at most
	simBudget = 12 * time.Second
	// simBound is how long after the last fault everything has to be published: SNS is asked again every 30 s at least,
	// and the leases of the dead have to run out before that.
	simBound = 2 * time.Minute
)

// simHistory records what happens, in one order.
type simHistory struct {
	began time.Time

	mu        sync.Mutex
	events    []simEvent
	published map[int]bool
	written   map[int]bool // to the output stream
	asked     int64        // when T0 was written
}

func (h *simHistory) Add(e simEvent) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.At = time.Since(h.began)
	h.events = append(h.events, e)
	switch {
	case e.Kind == simPublish:
		h.published[e.N[0]] = true
	case e.Kind == simWrite:
		h.written[e.N[0]] = true
	case e.Kind == simRowChange && e.New != nil && e.New.T0 > 0 && h.asked == 0:
		h.asked = e.Arrival
	}
}

// simDaemon is one whole daemon.
type simDaemon struct {
	name string
	wire *simWire
	reg  *prometheus.Registry
	log  *testkit.SyncBuffer
	page *testdaemon.Page
	// reloads asks for the configuration to be read again.
	reloads chan os.Signal
	// joined is since when it has a place in the fleet, of the goroutine that looks at the pages.
	joined time.Time
	leave  context.CancelFunc
	gone   chan struct{}
}

// simWorld carries a plan out.
type simWorld struct {
	*rapid.T

	plan    simPlan
	fake    *fakeaws.AWS
	history *simHistory
	owed    []simEvent
	mu      sync.Mutex // of live, for readers of the pages
	live    []*simDaemon
	leaving []*simDaemon // they have been told to stop
	all     []*simDaemon
	started int
	records int
	others  sync.WaitGroup
	words   *simWords   // nil where no rule remembers
	outputs *simOutputs // nil where nothing is written
}

// TestSimDaemons runs whole daemons, with the real KCL worker and the real SDK inside, through schedules of joins,
// stops, crashes, stalls, reshards and faults that a seed draws, and checks the delivery contract at every write and
// publish.
func TestSimDaemons(t *testing.T) { //nolint:paralleltest // the number of schedules is a flag of rapid's
	simChecks(t, 24, 3)
	rapid.Check(t, func(t *rapid.T) {
		p := drawSimPlan(t)
		rapid.SyncTest(t, func(t *rapid.T) { simulate(t, p) })
	})
}

// simChecks sets how many schedules run, and how few of go test -short, unless the caller of the test did.
func simChecks(t *testing.T, runs, few int) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	before, set := f.Value.String(), false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "rapid.checks" })
	if set {
		return
	}
	require.NoError(t, f.Value.Set(fmt.Sprint(testkit.Runs(runs, few*5)))) // rapid plays a fifth in go test -short
	t.Cleanup(func() { require.NoError(t, f.Value.Set(before)) })
}

func simulate(t *rapid.T, p simPlan) {
	w := &simWorld{
		T: t, plan: p, fake: fakeaws.New(fakeaws.Options{}), history: &simHistory{
			began: time.Now(), published: map[int]bool{}, written: map[int]bool{},
		},
	}
	if p.Outputs {
		w.outputs = newSimOutputs(w)
	}
	w.fake.DynamoDB.Watch(w.written)
	w.fake.SNS.OnPublish(w.published)
	w.fake.Kinesis.Create(testkit.TestStream, p.Shards)
	w.fake.Kinesis.AnswerTrimmed(p.Trimmed)
	client := sns.NewFromConfig(testkit.Emulated(w.fake))
	_, err := client.CreateTopic(context.Background(), &sns.CreateTopicInput{Name: aws.String(testkit.TestTopic)})
	require.NoError(t, err)
	require.NoError(t, testkit.Subscribe(context.Background(), client, testkit.TestTopicARN))
	w.put(0, 5)
	w.join()
	watching := w.watchPages()
	for _, s := range p.Steps {
		w.step(s)
		w.put(s.Which, s.Count/4)
		time.Sleep(s.Pause)
		w.sample()
	}
	for time.Since(w.history.began) < simLeast {
		if len(w.live) == 0 {
			w.join()
		}
		w.put(w.records, 3)
		time.Sleep(5 * time.Second)
		w.sample()
	}
	w.calm(watching)
	rules := simRules{
		Lease: p.Lease, Budget: simBudget, Memory: int(p.memory()) + simPage, Latest: p.Latest, Calm: p.Calm,
		Outputs: p.Outputs, Prompt: p.Prompt,
	}
	if broken := simCheck(rules, w.history.events); len(broken) > 0 {
		w.tell(rules, broken)
	}
}

// calm ends all faults, waits until everything is published and stops the fleet.
func (w *simWorld) calm(watching func()) {
	w.fake.Faults.Clear()
	w.fake.Kinesis.EmptyPages(0)
	if w.outputs != nil {
		w.outputs.accept()
	}
	for _, d := range w.all {
		d.wire.wake()
	}
	w.others.Wait() // stops and stalls under way
	w.history.Add(simEvent{Kind: simCalm})
	if len(w.live) == 0 {
		w.join()
	}
	w.put(0, 2*w.plan.Keys)
	for began := time.Now(); time.Since(began) < simBound && !w.done(); {
		time.Sleep(500 * time.Millisecond)
	}
	w.history.Add(simEvent{Kind: simEnd})
	watching()
	for len(w.live) > 0 {
		w.stop(0)
	}
	w.others.Wait()
	for _, d := range w.all {
		<-d.gone
	}
	time.Sleep(time.Minute) // whatever a stopped daemon still did would be seen
}

// done reports whether everything that is owed is published.
func (w *simWorld) done() bool {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	if w.history.asked == 0 {
		return false
	}
	for _, e := range w.owed {
		if !w.history.published[e.N[0]] && (!w.plan.Latest || e.Arrival > w.history.asked) {
			return false
		}
	}
	return w.outputs == nil || w.outputs.doneLocked(w)
}

func (w *simWorld) note(format string, args ...any) {
	w.history.Add(simEvent{Kind: simFault, ID: fmt.Sprintf(format, args...)})
}

func (w *simWorld) step(s simStep) {
	open := w.fake.Kinesis.OpenShards(testkit.TestStream)
	switch s.Do {
	case "put":
		w.put(s.Which, s.Count)
	case "split":
		if id := open[s.Which%len(open)]; len(open) < simOpenMax {
			low, high := w.fake.Kinesis.Split(testkit.TestStream, id)
			w.history.Add(simEvent{Kind: simOpen, Shard: low, Parents: []string{id}})
			w.history.Add(simEvent{Kind: simOpen, Shard: high, Parents: []string{id}})
			w.put(0, s.Count)
		}
	case "merge":
		if i := s.Which % len(open); i > 0 {
			child := w.fake.Kinesis.Merge(testkit.TestStream, open[i-1], open[i])
			w.history.Add(simEvent{Kind: simOpen, Shard: child, Parents: []string{open[i-1], open[i]}})
			w.put(0, s.Count)
		}
	case "join":
		if len(w.live) < simWorkers {
			w.join()
		}
	case "leave", "crash", "stall":
		w.trouble(s)
	case "fault":
		w.Fault(s)
	case "expire":
		w.note("iterators expire")
		w.fake.Kinesis.ExpireIterators()
	case "empty":
		w.note("every %dth page is empty", 2+s.Which)
		w.fake.Kinesis.EmptyPages(2 + s.Which)
	case "trim":
		w.trim()
	case "forget row":
		id := open[s.Which%len(open)]
		w.history.Add(simEvent{Kind: simForget, Shard: id})
		w.fake.DynamoDB.Delete(simTable, id)
	case "output split", "output merge", "output refuses":
		w.outputs.step(w, s)
	case "drop table":
		if !w.plan.Latest { // T0 would be gone, and with it what is owed
			w.history.Add(simEvent{Kind: simForget})
			w.fake.DynamoDB.DropTable(simTable)
		}
	}
}

// trim lets the records leave the stream that are older than the first one that still has to be published.
func (w *simWorld) trim() {
	w.history.mu.Lock()
	before := time.Now()
	for _, e := range w.owed {
		if at := time.UnixMilli(e.Arrival); !w.history.published[e.N[0]] && at.Before(before) {
			before = at
		}
	}
	if w.outputs != nil {
		before = w.outputs.trimLocked(w, before)
	}
	w.history.mu.Unlock()
	w.note("records before %s leave the stream", before.Sub(w.history.began))
	w.fake.Kinesis.TrimRecords(testkit.TestStream, before)
}

// trouble is what happens to one worker.
func (w *simWorld) trouble(s simStep) {
	if len(w.live) == 0 {
		return
	}
	i := s.Which % len(w.live)
	d := w.live[i]
	switch s.Do {
	case "leave":
		w.mu.Lock()
		w.leaving = append(w.leaving, d)
		w.mu.Unlock()
		w.stop(i)
	case "crash":
		w.note("%s crashes", d.name)
		if s.Count%2 == 0 { // its last requests are still on their way
			d.wire.stall()
			w.later(w.plan.Lease, d.wire.wake)
			w.later(w.plan.Lease+time.Millisecond, d.wire.sever)
		} else {
			d.wire.sever()
		}
		w.stop(i)
	case "stall":
		w.note("%s stalls for %s", d.name, s.For)
		d.wire.stall()
		w.later(s.For, func() {
			w.note("%s wakes", d.name)
			d.wire.wake()
		})
	}
}

func (w *simWorld) later(after time.Duration, do func()) {
	w.others.Go(func() {
		time.Sleep(after)
		do()
	})
}

func (w *simWorld) Fault(s simStep) {
	client := ""
	if s.Fault.OneOf >= 0 && len(w.live) > 0 {
		client = w.live[s.Fault.OneOf%len(w.live)].name
	}
	w.note("%s for %s of %q", s.Fault, s.For, client)
	remove := w.fake.Faults.Add(s.Fault.rule(client))
	w.later(s.For, func() {
		w.note("no more %s of %q", s.Fault, client)
		remove()
	})
}

// put puts records, of which a few make no alert and some are large.
func (w *simWorld) put(first, count int) {
	if w.words != nil {
		w.words.put(w, first, count)
		return
	}
	if w.plan.Packed {
		w.putPacked(first, count)
		return
	}
	for i := range count {
		n := w.records
		rate, data := w.nextRecord()
		key := fmt.Sprintf("patient-%d", (first+i)%w.plan.Keys)
		arrival := time.Now().UnixMilli()
		shard, sequence := w.fake.Kinesis.Put(testkit.TestStream, key, []byte(data))
		e := simEvent{
			Kind: simPut, N: []int{n}, Shard: shard, Sequence: sequence, Key: key, Quiet: rate == 60, Arrival: arrival,
		}
		w.noteOwed(e)
	}
}

// noteOwed notes what a record is owed: its alert, and in the output stream itself.
func (w *simWorld) noteOwed(e simEvent) {
	w.history.Add(e)
	if !e.Quiet {
		w.owed = append(w.owed, e)
	}
	if w.outputs != nil {
		w.outputs.owed = append(w.outputs.owed, e)
	}
}

// nextRecord makes the next record.
func (w *simWorld) nextRecord() (rate int, data string) {
	n := w.records
	w.records++
	pad := 0
	rate = 150 + n%50
	if n%7 == 3 {
		rate = 60
	}
	if n%11 == 5 {
		pad = 20_000
	}
	return rate, fmt.Sprintf(`{"heartRate":%d,"n":%d,"pad":%q}`, rate, n, strings.Repeat("x", pad))
}

func (w *simWorld) join() {
	var machine *simClock
	if n := len(w.plan.Clocks); n > 0 {
		machine = &w.plan.Clocks[w.started%n]
	}
	w.started++
	d := &simDaemon{
		name: fmt.Sprintf("w%d", w.started), reg: prometheus.NewRegistry(), log: &testkit.SyncBuffer{},
		gone: make(chan struct{}), page: testdaemon.NewPage(), reloads: make(chan os.Signal, 1),
	}
	d.wire = &simWire{who: d.name, fake: w.fake, history: w.history, sns: w.plan.SNS}
	c := config.Config{
		Stream: config.StreamConfig{
			Name: testkit.TestStream, Application: simTable, Start: checkpoint.Start{Kind: checkpoint.StartTrimHorizon},
		},
		Leases: config.LeasesConfig{Duration: w.plan.Lease},
		Processing: config.ProcessingConfig{
			Memory: w.plan.memory(), PollInterval: w.plan.Poll, StopBudget: simBudget, Parallelism: 3,
		},
		Rules:  []alert.RuleConfig{{Name: "high", When: "heartRate > 149", Topics: []string{"oncall"}}},
		Topics: map[string]alert.TopicConfig{"oncall": testkit.AnyRate(testkit.TestTopicARN)},
	}
	if w.plan.Latest {
		c.Stream.Start.Kind = checkpoint.StartLatest
	}
	if w.plan.Packed {
		c.Input = decode.Input{Steps: []decode.Step{{Decompress: "auto"}, {Split: "lines"}}}
	}
	if w.words != nil {
		w.words.Config(&c, "0")
	}
	if w.outputs != nil {
		c.Outputs = map[string]alert.OutputConfig{"all": {Stream: outputStream}}
	}
	c = c.WithDefaults()
	require.NoError(w, c.Validate())
	o := daemon.Options{
		AWS: aws.Config{
			Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider(d.name, "x", ""),
			HTTPClient: &http.Client{Transport: d.wire},
		},
		Output: d.log, Registry: d.reg, Listener: d.page, Host: d.name, CreateTable: true,
		Machine: machine.machine(w.history.began),
		Reloads: d.reloads,
	}
	if w.words != nil {
		o.Reload = w.words.reload(c)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.leave = cancel
	w.history.Add(simEvent{Kind: simStarted, Who: d.name})
	w.mu.Lock()
	w.live, w.all = append(w.live, d), append(w.all, d)
	w.mu.Unlock()
	go func() {
		defer close(d.gone)
		err := daemon.Run(ctx, c, o)
		if ctx.Err() == nil {
			w.history.Add(simEvent{Kind: simAfterEnd, Who: d.name, ID: fmt.Sprintf("its end by itself: %v", err)})
		}
		d.wire.end(err == nil)
	}()
}

// stop tells a daemon to stop, and continues.
func (w *simWorld) stop(i int) {
	d := w.live[i]
	w.mu.Lock()
	w.live = slices.Delete(slices.Clone(w.live), i, i+1)
	w.mu.Unlock()
	began := time.Now()
	w.history.Add(simEvent{Kind: simStopping, Who: d.name})
	d.leave()
	w.others.Go(func() {
		<-d.gone
		e := simEvent{Kind: simStopped, Who: d.name, Took: time.Since(began)}
		d.wire.mu.Lock()
		if !d.wire.clean {
			e.Err = "not clean"
		}
		d.wire.mu.Unlock()
		w.history.Add(e)
	})
}

// sample looks at the credits that are in use.
func (w *simWorld) sample() {
	for _, d := range w.live {
		families, err := d.reg.Gather()
		require.NoError(w, err)
		for _, f := range families {
			if f.GetName() == "kinesis_alerter_buffered_bytes" {
				w.history.Add(simEvent{
					Kind: simBuffered, Who: d.name, Bytes: int(f.GetMetric()[0].GetGauge().GetValue()),
				})
			}
		}
	}
}

// written gets each write of the lease table.
func (w *simWorld) written(_ string, before, after map[string]any) {
	key := after
	if key == nil {
		key = before
	}
	name, _ := key["leaseKey"].(string)
	if name == "#fleet" {
		return
	}
	w.history.Add(simEvent{
		Kind: simRowChange, Shard: name, Arrival: time.Now().UnixMilli(), Old: readSimRow(before),
		New: readSimRow(after),
	})
}

func readSimRow(item map[string]any) *simRow {
	if item == nil {
		return nil
	}
	r := &simRow{}
	r.Owner, _ = item["leaseOwner"].(string)
	r.Epoch, _ = item["leaseEpoch"].(int64)
	r.Checkpoint, _ = item["checkpoint"].(string)
	if sub, ok := item["checkpointSub"].(int64); ok && sub < simWhole {
		r.Checkpoint += fmt.Sprint(".", sub)
	}
	r.Resolved, _ = item["resolved"].(string)
	r.Counter, _ = item["counter"].(int64)
	r.T0, _ = item["t0"].(int64)
	_, r.Fenced = item["fenced"]
	return r
}

func (w *simWorld) published(p fakeaws.Published) {
	w.history.Add(simEvent{
		Kind: simPublish, Who: p.Client, N: []int{simNumber(p.Body)}, ID: p.Attributes["alert_id"].StringValue,
	})
}

// simRecording is a history in a file, with what it is judged by.
type simRecording struct {
	Rules   simRules   `json:"rules"`
	Plan    simPlan    `json:"plan"`
	History []simEvent `json:"history"`
}

// tell fails the test with all that is needed to understand and to repeat it.
func (w *simWorld) tell(rules simRules, broken []string) {
	dir, err := os.MkdirTemp("", "kinesis-alerter-sim-") // it outlives the test
	require.NoError(w, err)
	recording, err := json.MarshalIndent(simRecording{rules, w.plan, w.history.events}, "", " ")
	require.NoError(w, err)
	keep := func(name string, content []byte) {
		require.NoError(w, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	keep("history.json", recording)
	keep("requests.txt", []byte(w.fake.History.String()))
	var logs strings.Builder
	for _, d := range w.all {
		fmt.Fprintf(&logs, "== %s\n%s", d.name, d.log.Story())
	}
	keep("daemons.log", []byte(logs.String()))
	var story strings.Builder
	for i := range w.history.events {
		e := &w.history.events[i]
		if e.Kind != simPut && e.Kind != simBuffered && e.Kind != simLook && e.Kind != simRowChange {
			fmt.Fprintf(&story, "%9.3fs %s %s %s %v %s %s\n", e.At.Seconds(), e.Kind, e.Who, e.Shard, e.N, e.ID, e.Err)
		}
	}
	if len(broken) > 10 {
		broken = append(broken[:10], "…")
	}
	w.Fatalf("the delivery contract is broken:\n%s\nschedule:\n%s\nstory (rows, requests and logs are in %s; go "+
		"test ./cmd -run TestSimRecorded -sim.history %s judges it again):\n%s",
		strings.Join(broken, "\n"), w.plan, dir, filepath.Join(dir, "history.json"), &story)
}
