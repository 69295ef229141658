//go:build bench

package system_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// emulator is fakeaws on loopback, in the test's process and so in another one than the daemon's, with a note of when
// which record was handed to whom.
type emulator struct {
	aws *fakeaws.AWS
	url string

	mu     sync.Mutex
	shards map[int]string       // of every record that was put
	acked  map[int]time.Time    // when it was
	handed map[int]handed       // its first way out in a GetRecords answer
	sent   map[int]time.Time    // when SNS got the alert about it
	flood  *flood               // answers GetRecords instead of fakeaws, if set
	onHand func(handed, string) // sees every first way out, with the shard
}

// handed is when a record went out, and to which access key.
type handed struct {
	at time.Time
	to string
}

const (
	benchStream = "bench"
	benchTopic  = "arn:aws:sns:us-east-1:000000000000:bench"
)

var (
	credential = regexp.MustCompile(`Credential=([^/]+)/`)
	numbered   = regexp.MustCompile(`^\{"id":(\d+)`)
)

func newEmulator(tb testing.TB, shards int, o fakeaws.Options) *emulator {
	tb.Helper()
	e := &emulator{
		aws: fakeaws.New(o), shards: map[int]string{}, acked: map[int]time.Time{}, handed: map[int]handed{},
		sent: map[int]time.Time{},
	}
	e.aws.History.CountOnly()
	e.aws.SNS.CountOnly()
	e.aws.Kinesis.Create(benchStream, shards)
	e.aws.SNS.OnPublish(func(p fakeaws.Published) {
		if id, ok := recordID([]byte(p.Body)); ok {
			e.mu.Lock()
			defer e.mu.Unlock()
			if _, again := e.sent[id]; !again {
				e.sent[id] = p.At
			}
		}
	})
	srv := httptest.NewServer(e)
	tb.Cleanup(srv.Close)
	tb.Cleanup(http.DefaultClient.CloseIdleConnections)
	e.url = srv.URL
	res, err := http.PostForm(e.url, map[string][]string{"Action": {"CreateTopic"}, "Name": {"bench"}})
	require.NoError(tb, err)
	require.NoError(tb, res.Body.Close())
	return e
}

func recordID(data []byte) (int, bool) {
	m := numbered.FindSubmatch(data)
	if m == nil {
		return 0, false
	}
	id, err := strconv.Atoi(string(m[1]))
	return id, err == nil
}

// env is what a daemon needs to find the emulator; client tells daemons apart.
func (e *emulator) env(client string) []string {
	return []string{"AWS_ENDPOINT_URL=" + e.url, "AWS_ACCESS_KEY_ID=" + client}
}

// put stores a record of a key, with padding up to size bytes.
func (e *emulator) put(id int, key string, size int) {
	data := fmt.Appendf(nil, `{"id":%d,"pad":"`, id)
	data = append(data, bytes.Repeat([]byte{'x'}, max(0, size-len(data)-2))...)
	data = append(data, `"}`...)
	// Under the lock, so that the record is known before it goes out.
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shards[id], _ = e.aws.Kinesis.Put(benchStream, key, data)
	e.acked[id] = time.Now()
}

// ServeHTTP answers as fakeaws does and reads the GetRecords answers on their way out.
func (e *emulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if e.flood != nil && e.flood.serve(op, w, r) {
		return
	}
	if op != "GetRecords" {
		e.aws.ServeHTTP(w, r)
		return
	}
	client := ""
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		client = m[1]
	}
	answer := &tee{ResponseWriter: w}
	e.aws.ServeHTTP(answer, r)
	e.Note(client, answer.body.Bytes())
}

// Note keeps when each record went out for the first time.
func (e *emulator) Note(client string, answer []byte) {
	at := time.Now()
	if len(answer) > 1<<20 {
		return // the backlog figures do not ask
	}
	var page struct{ Records []struct{ Data []byte } }
	if json.Unmarshal(answer, &page) != nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range page.Records {
		id, ok := recordID(r.Data)
		if _, again := e.handed[id]; !ok || again {
			continue
		}
		h := handed{at, client}
		e.handed[id] = h
		if e.onHand != nil {
			e.onHand(h, e.shards[id])
		}
	}
}

// tee keeps a copy of what is written.
type tee struct {
	http.ResponseWriter

	body bytes.Buffer
}

func (t *tee) Write(p []byte) (int, error) {
	_, _ = t.body.Write(p)
	return t.ResponseWriter.Write(p)
}

// watch calls f for every record that goes out for the first time from now on.
func (e *emulator) watch(f func(h handed, shard string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onHand = f
}

// produce puts rate records a second over all shards, ten milliseconds' worth at a time, until stop is closed.
func (e *emulator) produce(rate int, stop <-chan struct{}) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		began, id := time.Now(), 0
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for due := int(time.Since(began).Seconds() * float64(rate)); id < due; id++ {
				e.put(id, "key-"+strconv.Itoa(id*7919%10007), 200)
			}
		}
	}()
	return done
}

// Config is a daemon's configuration: with rules that all records match, or that none does.
func (*emulator) Config(lease time.Duration, rules int, matching bool) string {
	var c strings.Builder
	fmt.Fprintf(&c,
		"stream: {name: %s, application: bench, start: trim_horizon}\nleases: {duration: %s}\nserver: {listen: "+
			"\"127.0.0.1:0\"}\n", benchStream, lease)
	fmt.Fprintf(&c,
		"topics: {all: {arn: %q, rate: unlimited, email: false, message: \"{{ printf `%%.32s` .Record.Data "+
			"}}\"}}\nrules:\n", benchTopic)
	for i := range rules {
		when := fmt.Sprintf(`heartRate > %d && rateType == \"HIGH\"`, 300+i)
		if matching {
			when = "id >= 0"
		}
		fmt.Fprintf(&c, "  - {name: rule-%d, when: \"%s\"}\n", i, when)
	}
	return c.String()
}

// flood is a stub that has 10,000 records for every GetRecords call, made of one template, each with a
// partition key of its own. It takes whatever is put into another stream, after 20 ms.
type flood struct {
	mu       sync.Mutex
	template []byte
	stride   int // bytes from one record to the next
	place    int // of the sequence number within a record
	served   int
}

// putTakes is how long the flood takes for a PutRecords call.
const putTakes = 20 * time.Millisecond

const (
	floodRecords  = 10_000
	floodSequence = "4959033827149025660855969253836157109592" // the head of a sequence number; 16 digits follow
)

// smallRecord is 200 bytes with nine members.
const smallRecord = `{"heartRate":72,"rateType":"NORMAL","ANOMALY_SCORE":0.8731,"device":"band-000471",` +
	`"firmware":"4.2.1","battery":87,"steps":10412,"site":"eu-central-1a","note":"the quick brown fox jumps over it"}`

// wideRecord is a kilobyte with 65 members.
func wideRecord() string {
	var b strings.Builder
	b.WriteString(`{"heartRate":72,"rateType":"NORMAL"`)
	for i := range 63 {
		fmt.Fprintf(&b, `,"FIELD_%02d":%d.25`, i, i)
	}
	return b.String() + "}"
}

func newFlood(data string) *flood {
	encoded, _ := json.Marshal([]byte(data))
	record := func(n int) string {
		return fmt.Sprintf(`{"ApproximateArrivalTimestamp":%d.0,"Data":%s,"PartitionKey":"patient-%04d","SequenceNumber":"%s%016d"},`,
			time.Now().Unix(), encoded, n, floodSequence, 0)
	}
	var template bytes.Buffer
	for n := range floodRecords {
		template.WriteString(record(n))
	}
	return &flood{
		template: template.Bytes(), stride: len(record(0)),
		place: strings.Index(record(0), floodSequence) + len(floodSequence),
	}
}

// take accepts all records of a PutRecords call.
func (*flood) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	time.Sleep(putTakes)
	n := bytes.Count(body, []byte(`"PartitionKey"`))
	answer := []byte(`{"FailedRecordCount":0,"Records":[`)
	for i := range n {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = append(answer, `{"SequenceNumber":"`+floodSequence+
			`0000000000000001","ShardId":"shardId-000000000000"}`...)
	}
	answer = append(answer, `]}`...)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer)
}

// serve returns the two reading operations, and takes what is put. An iterator is the position in the shard.
func (f *flood) serve(op string, w http.ResponseWriter, r *http.Request) bool {
	var in struct {
		ShardIterator          string
		StartingSequenceNumber string
		Limit                  *int
	}
	switch op {
	case "PutRecords":
		f.take(w, r)
		return true
	case "GetRecords", "GetShardIterator":
	default:
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &in) != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return true
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if op == "GetShardIterator" {
		next := 0
		if s := in.StartingSequenceNumber; s != "" {
			last, _ := strconv.Atoi(s[len(s)-16:])
			next = last + 1
		}
		_, _ = fmt.Fprintf(w, `{"ShardIterator":"%d"}`, next)
		return true
	}
	from, err := strconv.Atoi(in.ShardIterator)
	if err != nil {
		http.Error(w, "no iterator of this stub", http.StatusBadRequest)
		return true
	}
	n := floodRecords
	if in.Limit != nil {
		n = min(n, *in.Limit)
	}
	page := make([]byte, 0, n*f.stride+200)
	page = append(page, `{"MillisBehindLatest":60000,"NextShardIterator":"`...)
	page = strconv.AppendInt(page, int64(from+n), 10)
	page = append(page, `","Records":[`...)
	head := len(page)
	page = append(page, f.template[:n*f.stride]...)
	for i := range n {
		at := head + i*f.stride + f.place
		for digit, v := 15, from+i; v > 0; digit, v = digit-1, v/10 {
			page[at+digit] = byte('0' + v%10)
		}
	}
	page = append(page[:len(page)-1], `]}`...)
	w.Header().Set("Content-Length", strconv.Itoa(len(page)))
	_, _ = w.Write(page)
	f.mu.Lock()
	f.served += n
	f.mu.Unlock()
	return true
}
