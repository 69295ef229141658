package system

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// The phases in which answers go wrong.
const (
	phaseStart   = "start"   // of the first process of an application
	phaseRestart = "restart" // of one that finds checkpoints and snapshots
	phaseLater   = "later"   // while all is well
	phaseReshard = "reshard" // while the stream is resharded
)

const (
	hostileFault   = 12 * time.Second
	hostileRecover = 10 * time.Second // after the fault, everything is delivered
	hostileNamed   = 10 * time.Second // while it lasts, the page names it
	hostileBatch   = 20
	// hostileLinger is how long a daemon lives on, so that whatever happens once a minute happens.
	hostileLinger = 70 * time.Second
)

// hostileCase is one combination of the matrix.
type hostileCase struct {
	Phase string        `json:"phase"`
	Op    string        `json:"op"`
	For   time.Duration `json:"for"`
	// Letters is where dead letters go: sqs, sns or s3.
	Letters string        `json:"letters"`
	Change  hostileChange `json:"change"`
	// NoEffect keeps the request from the service: the answer is made of this one, or of the request.
	NoEffect []byte `json:"noEffect,omitempty"`
	// Named says that the page has to name the answer as a bad one while it lasts.
	Named bool `json:"named"`
	// Error says that any problem on the page will do, because the answer has the status of an error.
	Error bool `json:"error"`
}

func (c hostileCase) String() string {
	s := fmt.Sprintf("%s, %s: %s", c.Phase, c.Op, c.Change)
	if c.NoEffect != nil {
		s += " (no effect)"
	}
	return s
}

// patience is how long after the fault everything has to be delivered. A sequence number that is well formed and beyond
// all that the shard has cannot be told from a real one: the position has to be refused for a while before it is given
// up.
func (c hostileCase) patience() time.Duration {
	if c.Op == "kinesis.GetRecords" && c.Change.Path == "Records.*.SequenceNumber" && c.Change.How == memberRange {
		return time.Minute
	}
	return hostileRecover
}

// hostileResult is what became of it.
type hostileResult struct {
	Changed   int           `json:"changed"` // answers
	Lost      []int         `json:"lost,omitempty"`
	Letters   []int         `json:"letters,omitempty"` // dead letters that are lost
	Late      bool          `json:"late,omitempty"`    // a record of the minute after was not delivered in time
	Recovered time.Duration `json:"recovered"`         // after the end of the fault
	Died      string        `json:"died,omitempty"`
	Stop      string        `json:"stop,omitempty"`
	Repeats   int           `json:"repeats"`
	Named     bool          `json:"named"`
	Could     bool          `json:"could"` // it lasted long enough to be named
	StillBad  bool          `json:"stillBad,omitempty"`
	Again     bool          `json:"again"` // the operation was called after the fault
	Read      int64         `json:"read"`  // of endless bodies, the most of one
	Followed  int           `json:"followed,omitempty"`
	Ended     []string      `json:"ended,omitempty"` // rows at SHARD_END whose shards are open
	Pages     []string      `json:"pages"`
	After     string        `json:"after"`
	Disorder  string        `json:"disorder,omitempty"`
	Log       []string      `json:"log,omitempty"`
}

// faults are the breaches of what is promised.
func (r hostileResult) faults(c hostileCase) []string {
	var list []string
	add := func(broken bool, format string, args ...any) {
		if broken {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	add(r.Died != "", "death: %s", r.Died)
	add(len(r.Lost) > 0, "%d records lost", len(r.Lost))
	add(len(r.Letters) > 0, "%d dead letters lost", len(r.Letters))
	add(r.Late, "does not flow a minute later")
	add(r.Died == "" && len(r.Lost) == 0 && r.Recovered > c.patience(), "recovers after %s", r.Recovered)
	add(r.Died == "" && r.Stop != "", "stop: %s", r.Stop)
	add(len(r.Ended) > 0, "open shards at SHARD_END: %v", r.Ended)
	add(r.Read > hostileBound(c.Op), "%d bytes of one answer were read", r.Read)
	add(r.Followed > 0, "%d redirects were followed", r.Followed)
	add(r.Disorder != "", "out of order: %s", r.Disorder)
	add(r.Changed == 0, "no answer was changed")
	add(c.Named && r.Could && !r.Named, "the page does not name it: %v", r.Pages)
	add(r.StillBad && r.Again, "the page still names it afterwards: %s", r.After)
	return list
}

// hostileBound is how much of one answer may be read: 10 MiB of records in base64, a megabyte of rows, and some more.
func hostileBound(op string) int64 {
	if op == "kinesis.GetRecords" {
		return 25 << 20
	}
	return 9 << 20
}

// hostileLine is a daemon's line to AWS.
type hostileLine struct {
	fake     *fakeaws.AWS
	followed atomic.Int64
	most     atomic.Int64 // bytes that were read of one answer
}

// RoundTrip implements http.RoundTripper.
func (l *hostileLine) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == hostileElsewhere {
		l.followed.Add(1)
	}
	resp, err := l.fake.RoundTrip(r)
	if err == nil {
		resp.Body = &countedBody{ReadCloser: resp.Body, most: &l.most}
	}
	return resp, err
}

// countedBody counts what is read of it.
type countedBody struct {
	io.ReadCloser

	read int64
	most *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	for most := b.most.Load(); b.read > most && !b.most.CompareAndSwap(most, b.read); most = b.most.Load() {
	}
	return n, err
}

// hostileOp names the operation of an answer; the state table's are apart.
func hostileOp(a *fakeaws.Answer) string {
	op := a.Service + "." + a.Operation
	if a.Service == fakeaws.ServiceDynamoDB && hostileState(a.Request) {
		op += "/state"
	}
	return op
}

func hostileState(r *fakeaws.Request) bool {
	return bytes.Contains(r.Body, []byte(`"TableName":"`+hostileApplication+`-state"`))
}

const hostileApplication = "hostile"

// hostileWorld is a stream, a topic, a destination of dead letters and a daemon.
type hostileWorld struct {
	*testing.T

	c      hostileCase
	fake   *fakeaws.AWS
	line   *hostileLine
	page   *testdaemon.Page
	daemon *testdaemon.TestDaemon
	queue  string
	put    int
	keys   map[int]string

	// record, if set, is shown the answers of the fault's time, of which none is changed.
	record func(*fakeaws.Answer)

	mu        sync.Mutex
	published map[int]int
	order     []int
	lettered  map[int]bool
}

func hostileNumber(text string) int {
	_, after, ok := strings.Cut(text, `"n":`)
	if !ok {
		return -1
	}
	if end := strings.IndexFunc(after, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		after = after[:end]
	}
	n, err := strconv.Atoi(after)
	if err != nil {
		return -1
	}
	return n
}

const hostileLetters = "letters"

func newHostileWorld(t *testing.T, c hostileCase) *hostileWorld {
	t.Helper()
	w := &hostileWorld{
		T: t, c: c, fake: fakeaws.New(fakeaws.Options{}), published: map[int]int{}, lettered: map[int]bool{},
		keys: map[int]string{},
	}
	w.line = &hostileLine{fake: w.fake}
	w.fake.Kinesis.Create(testkit.TestStream, 2)
	testkit.CreateTopic(t, w.fake)
	_, err := sns.NewFromConfig(testkit.Emulated(w.fake)).CreateTopic(t.Context(), &sns.CreateTopicInput{
		Name: aws.String(hostileLetters),
	})
	require.NoError(t, err)
	queue, err := sqs.NewFromConfig(testkit.Emulated(w.fake)).CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String(hostileLetters),
	})
	require.NoError(t, err)
	w.queue = *queue.QueueUrl
	_, err = s3.NewFromConfig(testkit.Emulated(w.fake)).CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String(hostileLetters),
	})
	require.NoError(t, err)
	w.fake.SNS.OnPublish(func(p fakeaws.Published) {
		n := hostileNumber(p.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		if p.TopicARN == testkit.TestTopicARN {
			if w.published[n]++; w.published[n] == 1 {
				w.order = append(w.order, n)
			}
		}
	})
	return w
}

func (w *hostileWorld) start() {
	w.page = testdaemon.NewPage()
	w.daemon = testdaemon.StartDaemon(w.T, w.fake, func(c *config.Config, o *daemon.Options) {
		c.Stream.Application = hostileApplication
		c.Rules = []alert.RuleConfig{
			{Name: "all", When: "n >= 0", Topics: []string{"oncall"}},
			{Name: "remembers", When: "n >= 0", Dedup: time.Minute, Mode: alert.ModeShadow, Topics: []string{"oncall"}},
		}
		c.DeadLetter.Invalid = true
		c.Processing.PollInterval = time.Second
		switch w.c.Letters {
		case "sqs":
			c.DeadLetter.SQS = w.queue
		case "sns":
			c.DeadLetter.SNS = strings.Replace(testkit.TestTopicARN, testkit.TestTopic, hostileLetters, 1)
		case "s3":
			c.DeadLetter.S3 = "s3://" + hostileLetters
		}
		o.AWS.HTTPClient = &http.Client{Transport: w.line}
		o.Listener = w.page
	})
}

// unreadable returns which records become dead letters.
func unreadable(n int) bool { return n%10 == 7 }

func (w *hostileWorld) Add(count int) {
	for range count {
		n := w.put
		w.put++
		text := fmt.Sprintf(`{"n":%d}`, n)
		if unreadable(n) {
			text = fmt.Sprintf(`{"n":%d,`, n)
		}
		w.keys[n] = fmt.Sprint("key-", n%16)
		w.fake.Kinesis.Put(testkit.TestStream, w.keys[n], []byte(text))
	}
}

// missing are the records without their alert, and without their dead letter.
func (w *hostileWorld) missing() (alerts, letters []int) {
	w.mu.Lock()
	for n := range w.put {
		if !unreadable(n) && w.published[n] == 0 {
			alerts = append(alerts, n)
		}
	}
	w.mu.Unlock()
	if len(alerts) > 0 {
		return alerts, nil
	}
	sent := w.letters()
	for n := range w.put {
		if unreadable(n) && !sent[n] {
			letters = append(letters, n)
		}
	}
	return nil, letters
}

// letters are the records that became dead letters.
func (w *hostileWorld) letters() map[int]bool {
	sent := w.lettered
	note := func(document []byte) {
		var letter struct {
			Payload string `json:"payload"`
		}
		if json.Unmarshal(document, &letter) != nil {
			return
		}
		var event struct {
			Records []struct {
				Kinesis struct {
					Data []byte `json:"data"`
				} `json:"kinesis"`
			} `json:"Records"`
		}
		if json.Unmarshal([]byte(letter.Payload), &event) != nil {
			return
		}
		for _, r := range event.Records {
			sent[hostileNumber(string(r.Kinesis.Data))] = true
		}
	}
	switch w.c.Letters {
	case "sqs":
		for {
			out, err := sqs.NewFromConfig(testkit.Emulated(w.fake)).ReceiveMessage(w.Context(),
				&sqs.ReceiveMessageInput{
					QueueUrl: &w.queue, MaxNumberOfMessages: 10, VisibilityTimeout: 3600,
				})
			require.NoError(w, err)
			if len(out.Messages) == 0 {
				break
			}
			for i := range out.Messages {
				note([]byte(*out.Messages[i].Body))
			}
		}
	case "sns":
		for _, m := range w.fake.SNS.Messages(strings.Replace(testkit.TestTopicARN, testkit.TestTopic, hostileLetters,
			1)) {
			note([]byte(m.Body))
		}
	case "s3":
		for _, key := range w.fake.S3.Keys(hostileLetters) {
			if object, ok := w.fake.S3.Object(hostileLetters, key); ok {
				note(object)
			}
		}
	}
	return sent
}

// rule matches the calls of the operation that the combination is about.
func (w *hostileWorld) rule() fakeaws.Fault {
	service, operation, _ := strings.Cut(w.c.Op, ".")
	operation, state := strings.CutSuffix(operation, "/state")
	return fakeaws.Fault{
		Service: service, Operation: operation, Client: "worker", Kind: fakeaws.Changed,
		Match: func(r *fakeaws.Request) bool { return service != fakeaws.ServiceDynamoDB || hostileState(r) == state },
	}
}

// arm activates the fault and counts what it changes.
func (w *hostileWorld) arm(r *hostileResult, first *time.Time) (remove func()) {
	if w.record != nil {
		return w.fake.Faults.Add(fakeaws.Fault{Kind: fakeaws.Changed, Rewrite: w.record})
	}
	f, c := w.rule(), w.c
	if c.NoEffect != nil {
		f.Kind = fakeaws.Before
	}
	f.Rewrite = func(a *fakeaws.Answer) {
		if c.NoEffect != nil {
			a.Status, a.Body = http.StatusOK, c.NoEffect
			if f.Operation == "PublishBatch" {
				a.Body = acceptedEntries(a.Request.Form)
			}
		}
		changed := c.Change.apply(a) || c.NoEffect != nil
		w.mu.Lock()
		defer w.mu.Unlock()
		if !changed {
			return
		}
		if r.Changed++; first.IsZero() {
			*first = time.Now()
		}
	}
	return w.fake.Faults.Add(f)
}

// watch notes whether the operation is called.
func (w *hostileWorld) watch(called *bool) (stop func()) {
	f := w.rule()
	f.Kind = fakeaws.Changed
	f.Rewrite = func(*fakeaws.Answer) {
		w.mu.Lock()
		defer w.mu.Unlock()
		*called = true
	}
	return w.fake.Faults.Add(f)
}

// acceptedEntries is an answer that accepts all entries of a request.
func acceptedEntries(form url.Values) []byte {
	var b strings.Builder
	b.WriteString(`<PublishBatchResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishBatchResult><Failed/><Successful>`)
	for n := 1; form.Has(fmt.Sprintf("PublishBatchRequestEntries.member.%d.Id", n)); n++ {
		fmt.Fprintf(&b, "<member><Id>%s</Id><MessageId>%d</MessageId></member>",
			form.Get(fmt.Sprintf("PublishBatchRequestEntries.member.%d.Id", n)), n)
	}
	b.WriteString("</Successful></PublishBatchResult><ResponseMetadata><RequestId>x</RequestId></ResponseMetadata></PublishBatchResponse>")
	return []byte(b.String())
}

// hostileRun plays combinations one after the other, with one daemon; more than one are of phaseLater. It ends with the
// first that costs something.
func hostileRun(t *testing.T, cases []hostileCase) []hostileResult {
	t.Helper()
	results := make([]hostileResult, len(cases))
	synctest.Test(t, func(t *testing.T) {
		w := newHostileWorld(t, cases[0])
		w.play(cases, results)
	})
	return results
}

func (w *hostileWorld) play(cases []hostileCase, results []hostileResult) {
	w.Add(hostileBatch)
	var last *hostileResult
	for i := range cases {
		w.c, last = cases[i], &results[i]
		w.Fault(last, i == 0)
		w.judge(last)
		if len(last.faults(w.c)) > 0 {
			break
		}
	}
	if !w.alive(last) {
		return
	}
	if len(last.Lost) == 0 && len(cases) == 1 && lingers(w.c) {
		time.Sleep(hostileLinger)
		w.Add(hostileBatch)
		last.Late = w.settle(hostileRecover) >= hostileRecover
	}
	if w.alive(last) {
		if err := w.daemon.End(); err != nil {
			last.Stop = err.Error()
		}
	}
	w.judge(last)
}

// Fault lets answers go wrong for a time, and waits until everything is delivered again.
func (w *hostileWorld) Fault(r *hostileResult, begin bool) {
	var first time.Time // guarded by mu
	begun := func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return first
	}
	var remove func()
	c := w.c
	switch {
	case !begin:
		remove = w.arm(r, &first)
		w.fake.Kinesis.ExpireIterators()
	case c.Phase == phaseStart:
		remove = w.arm(r, &first)
		w.start()
	case c.Phase == phaseRestart:
		w.start()
		w.settle(20 * time.Second)
		time.Sleep(2 * time.Second)
		require.NoError(w, w.daemon.End())
		remove = w.arm(r, &first)
		w.start()
	default:
		w.start()
		w.settle(20 * time.Second)
		time.Sleep(2 * time.Second)
		remove = w.arm(r, &first)
		w.fake.Kinesis.ExpireIterators()
	}
	began, put := time.Now(), w.put
	for i := 0; time.Since(began) < c.For; i++ {
		if w.put < put+hostileBatch {
			w.Add(2)
		}
		if i == 3 && c.Phase == phaseReshard {
			w.fake.Kinesis.Split(testkit.TestStream, "shardId-000000000000")
		}
		time.Sleep(time.Second)
		w.Look(r, begun(), false)
	}
	w.Add(put + hostileBatch - w.put)
	remove()
	unwatch := w.watch(&r.Again)
	defer unwatch()
	r.Could = r.Changed > 1 && time.Since(begun()) >= hostileNamed
	w.Add(hostileBatch)
	r.Recovered = w.settle(time.Minute + hostileRecover)
	r.Lost, r.Letters = w.missing()
	if w.alive(r) && len(r.Lost) == 0 {
		time.Sleep(hostileRecover)
		w.Look(r, begun(), true)
	}
}

// lingers reports whether an answer could have left something behind that shows only a minute later.
func lingers(c hostileCase) bool {
	return strings.HasPrefix(c.Op, "kinesis.") || c.Op == "dynamodb.GetItem" || c.Op == "dynamodb.Scan" ||
		c.Op == "dynamodb.UpdateItem"
}

// Settle waits until everything is delivered, and says how long that took.
func (w *hostileWorld) settle(most time.Duration) time.Duration {
	began := time.Now()
	for time.Since(began) < most {
		if alerts, letters := w.missing(); len(alerts)+len(letters) == 0 {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	return time.Since(began)
}

// alive notes a daemon that ended by itself.
func (w *hostileWorld) alive(r *hostileResult) bool {
	select {
	case err := <-w.daemon.Done:
		w.daemon.Done <- err
		r.Died = fmt.Sprint(err)
		return false
	default:
		return true
	}
}

// Look reads the page.
func (w *hostileWorld) Look(r *hostileResult, first time.Time, afterwards bool) {
	if !w.alive(r) {
		return
	}
	s := w.page.Status(w.T)
	bad := slices.ContainsFunc(s.Problems, func(p status.Problem) bool { return p.Code == "bad_answers" })
	if afterwards {
		r.StillBad, r.After = bad, s.Summary
		return
	}
	grave := func(p status.Problem) bool {
		return p.Code == "bad_answers" || w.c.Error && p.Level != status.LevelInfo
	}
	if slices.ContainsFunc(s.Problems, grave) && time.Since(first) <= hostileNamed {
		r.Named = true
	}
	var codes []string
	for _, p := range s.Problems {
		codes = append(codes, p.Code)
	}
	if text := strings.Join(codes, " "); len(r.Pages) == 0 || r.Pages[len(r.Pages)-1] != text {
		r.Pages = append(r.Pages, text)
	}
}

func (w *hostileWorld) judge(r *hostileResult) {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := map[string]int{}
	for _, n := range w.order {
		if before, ok := last[w.keys[n]]; ok && n < before {
			r.Disorder = fmt.Sprintf("record %d after %d", n, before)
		}
		last[w.keys[n]] = n
	}
	r.Ended, r.Repeats = nil, 0
	for _, times := range w.published {
		r.Repeats += times - 1
	}
	for _, id := range w.fake.Kinesis.OpenShards(testkit.TestStream) {
		if row := readSimRow(w.fake.DynamoDB.Item(hostileApplication, id)); row != nil &&
			row.Checkpoint == simShardEnd {
			r.Ended = append(slices.Clip(r.Ended), id)
		}
	}
	r.Read = w.line.most.Load()
	r.Followed = int(w.line.followed.Load())
	r.Log = nil
	for line := range strings.Lines(w.daemon.Log.String()) {
		if (strings.Contains(line, `"warn"`) || strings.Contains(line, `"error"`)) && len(r.Log) < 8 {
			r.Log = append(r.Log, line[:min(len(line), 700)])
		}
	}
}

// hostileRecord plays a phase without a fault and returns what each operation answered.
func hostileRecord(t *testing.T, phase, letters string, length time.Duration) map[string][][]byte {
	t.Helper()
	answers := map[string][][]byte{}
	synctest.Test(t, func(t *testing.T) {
		w := newHostileWorld(t, hostileCase{Phase: phase, Letters: letters, For: length})
		var lock sync.Mutex
		w.record = func(a *fakeaws.Answer) {
			lock.Lock()
			defer lock.Unlock()
			if op := hostileOp(a); a.Status == http.StatusOK && len(answers[op]) < 300 {
				answers[op] = append(answers[op], bytes.Clone(a.Body))
			}
		}
		r := []hostileResult{{Changed: 1}}
		w.play([]hostileCase{w.c}, r)
		require.Empty(t, r[0].faults(hostileCase{}), "without a fault: %+v", r)
	})
	return answers
}
