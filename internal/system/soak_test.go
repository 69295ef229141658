//go:build e2e

package system_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

var (
	soakMinutes = flag.Float64("soak.minutes", 2, "how long TestSoak puts records")
	soakSeed    = flag.Uint64("soak.seed", 0, "draws the faults of TestSoak; 0 draws a seed")
)

const (
	soakStream = "soak"
	soakKeys   = 40
	soakRound  = 400 * time.Millisecond // a record of every key: 100 records a second
	// soakJudged is how long a process must live before what it holds is judged, soakSlope only in a long run: a
	// collection sees a page more or less, and in two minutes that is more than a percent a minute.
	soakJudged    = 90 * time.Second
	soakSlopeFrom = 8 * time.Minute
)

// TestSoak runs two processes of the built daemon on the emulator while records come at a steady rate, the stream is
// resharded every minute, and faults, bad answers and kills are drawn by a seed. At the end every alert is held against
// the record that it is about, and what a process holds (live heap, descriptors, goroutines) against how long it lived.
func TestSoak(t *testing.T) { //nolint:paralleltest // it measures processes
	w := newSoak(t)
	began := time.Now()
	w.steady, w.victim = w.start(), w.start()
	feeding := w.goUntilDone(w.feed)
	watching := w.goUntilDone(w.watch)
	for minute := 1; time.Since(began) < w.length; minute++ {
		w.disturb(began.Add(min(w.length, time.Duration(minute)*time.Minute)))
		if time.Since(began) < w.length {
			w.reshard(minute)
		}
	}
	feeding()
	w.conclude()
	watching()
	w.judgeLives()
}

// soak is the emulator, the two processes, and all that they did.
type soak struct {
	*testing.T

	fake   *fakeaws.AWS
	url    string
	topic  string
	binary string
	length time.Duration
	draw   *rand.Rand

	steady, victim *daemon // steady lives as long as the test, victim is killed and replaced
	started        int
	lives          []*soakLife

	mu         sync.Mutex
	put        int
	faults     []fault
	deliveries []delivery
}

// soakLife is what a process held, over its life.
type soakLife struct {
	*daemon

	began   time.Time
	samples []soakSample
}

type soakSample struct {
	at                            time.Duration // since the process began
	heap, descriptors, goroutines float64
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	seed := cmp.Or(*soakSeed, uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	w := &soak{
		T: t, fake: fakeaws.New(fakeaws.Options{Unthrottled: true}), binary: buildDaemon(t),
		length: time.Duration(*soakMinutes * float64(time.Minute)),
		draw:   rand.New(rand.NewPCG(seed, 1)), //nolint:gosec // a schedule
	}
	server := httptest.NewServer(w.fake)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	w.url = server.URL
	w.fake.Kinesis.Create(soakStream, 2)
	w.fake.SNS.OnPublish(w.published)
	client := sns.NewFromConfig(aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("soak", "x", ""),
		HTTPClient: fakeaws.LoopbackClient(),
	}, func(o *sns.Options) { o.BaseEndpoint = &w.url })
	made, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(soakStream)})
	require.NoError(t, err)
	w.topic = *made.TopicArn
	_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{ // or each page reports a topic without subscribers
		TopicArn: made.TopicArn, Protocol: aws.String("lambda"),
		Endpoint: aws.String("arn:aws:lambda:us-east-1:000000000000:function:pager"),
	})
	require.NoError(t, err)
	return w
}

// start starts a process. A small GOGC makes collections frequent, so that the live heap of the last one is of now.
func (w *soak) start() *daemon {
	w.Helper()
	w.started++
	name := "soak-worker-" + strconv.Itoa(w.started)
	config := fmt.Sprintf(`stream: {name: %s, start: trim_horizon}
leases: {duration: 5s}
rules:
  - name: every-record
    when: n >= 0
topics:
  all: {arn: %q, rate: unlimited, email: false, subject: found again, message: "{{ .Record.Data }}"}
server: {listen: "127.0.0.1:0"}
`, soakStream, w.topic)
	d := startDaemonWith(w.T, w.binary, name, config, nil, []string{
		"AWS_ENDPOINT_URL=" + w.url, "AWS_ACCESS_KEY_ID=" + name, "GOGC=25",
	})
	w.mu.Lock()
	w.lives = append(w.lives, &soakLife{daemon: d, began: time.Now()})
	w.mu.Unlock()
	return d
}

// goUntilDone runs f until the returned function is called, and waits for it then.
func (w *soak) goUntilDone(f func(done <-chan struct{})) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		f(done)
	}()
	stop = sync.OnceFunc(func() {
		close(done)
		<-ended
	})
	w.Cleanup(stop)
	return stop
}

func (w *soak) feed(done <-chan struct{}) {
	tick := time.NewTicker(soakRound)
	defer tick.Stop()
	for round := 0; ; round++ {
		for k := range soakKeys {
			key := "key-" + strconv.Itoa(k)
			data, _ := json.Marshal(payload{ //nolint:errchkjson // of a struct of texts and numbers
				ID: round*soakKeys + k, Key: key, N: round,
			})
			w.fake.Kinesis.Put(soakStream, key, data)
		}
		w.mu.Lock()
		w.put += soakKeys
		w.mu.Unlock()
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}

func (w *soak) published(p fakeaws.Published) {
	d := delivery{alertID: p.Attributes["alert_id"].StringValue}
	if err := json.Unmarshal([]byte(p.Body), &d.payload); err != nil {
		w.Errorf("published is something else than a record: %.200s", p.Body)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	d.sent = time.Now() // two processes publish at once: read under the lock, or the list is not in order of time
	w.deliveries = append(w.deliveries, d)
}

func (w *soak) Failed(what string, from, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fault{what: what, from: from, until: until})
}

// reshard splits a shard, or merges two, so that there are two to four.
func (w *soak) reshard(turn int) {
	open := w.fake.Kinesis.OpenShards(soakStream)
	if turn%2 == 1 {
		w.fake.Kinesis.Split(soakStream, open[w.draw.IntN(len(open))])
		return
	}
	i := w.draw.IntN(len(open) - 1) // they are in the order of their ranges, so neighbours can be merged
	w.fake.Kinesis.Merge(soakStream, open[i], open[i+1])
}

// disturb draws faults until a time: a pause of two to eight seconds, in which a repetition has no excuse, then one
// fault.
func (w *soak) disturb(until time.Time) {
	killed := false
	for {
		pause := 2*time.Second + time.Duration(w.draw.IntN(6000))*time.Millisecond
		length := 200*time.Millisecond + time.Duration(w.draw.IntN(3000))*time.Millisecond
		if time.Now().Add(pause + length).After(until) {
			time.Sleep(time.Until(until))
			return
		}
		time.Sleep(pause)
		w.steady.running()
		w.victim.running()
		switch n := w.draw.IntN(10); {
		case n == 0 && !killed:
			killed = true
			at := w.victim.kill()
			w.Failed("SIGKILL of "+w.victim.name, at, at)
			w.victim = w.start()
		case n == 1 && !killed:
			killed = true
			code, took := w.victim.terminate()
			if code != 0 {
				w.Errorf("%s exits with %d after SIGTERM in calm, after %s:\n%s", w.victim.name, code, took,
					w.victim.states(20))
			}
			w.victim = w.start()
		default:
			w.Fault(length)
		}
	}
}

// Fault is one fault of one operation or service, for both processes or one. What it may repeat is what was under way.
func (w *soak) Fault(length time.Duration) {
	pick := func(of ...string) string { return of[w.draw.IntN(len(of))] }
	rule := soakFault(w.draw)
	if w.draw.IntN(2) == 0 {
		rule.Client = pick(w.steady.name, w.victim.name)
	}
	from := time.Now()
	remove := w.fake.Faults.Add(rule)
	time.Sleep(length)
	remove()
	w.Failed(fmt.Sprintf("kind %d of %s %s for %q", rule.Kind, rule.Service, rule.Operation, rule.Client), from,
		time.Now())
}

func soakFault(draw *rand.Rand) fakeaws.Fault {
	services := []string{fakeaws.ServiceKinesis, fakeaws.ServiceDynamoDB, fakeaws.ServiceSNS}
	service := services[draw.IntN(len(services))]
	kinds := []fakeaws.Kind{
		fakeaws.Before, fakeaws.After, fakeaws.Delay, fakeaws.BlackHole, fakeaws.Lost, fakeaws.Partition,
	}
	rule := fakeaws.Fault{
		Service: service, Kind: kinds[draw.IntN(len(kinds))], Delay: time.Duration(draw.IntN(2000)) * time.Millisecond,
	}
	switch draw.IntN(6) {
	case 0:
		rule = fakeaws.Throttle(service, "")
	case 1, 2:
		rule = fakeaws.Fault{Service: service, Kind: fakeaws.Changed, Rewrite: soakBadAnswer(draw.IntN(6))}
	}
	return rule
}

// soakBadAnswer is a way to spoil an answer.
func soakBadAnswer(way int) func(*fakeaws.Answer) {
	page := []byte("<html><body>We will be back soon.</body></html>")
	return func(a *fakeaws.Answer) {
		switch way {
		case 0:
			a.Body = nil
		case 1:
			a.Body = []byte("{}")
		case 2:
			a.Status, a.Body = http.StatusOK, page
		case 3:
			a.Status, a.Body = http.StatusServiceUnavailable, page
		case 4:
			a.Body = a.Body[:len(a.Body)/2]
		case 5: // half of it, then the connection breaks
			a.Body, a.Rest = a.Body[:len(a.Body)/2], iotest.ErrReader(io.ErrUnexpectedEOF)
		}
	}
}

// watch samples what the processes hold.
func (w *soak) watch(done <-chan struct{}) {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		w.mu.Lock()
		lives := slices.Clone(w.lives)
		w.mu.Unlock()
		for _, l := range lives {
			l.sample()
		}
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}

func (l *soakLife) sample() {
	select {
	case <-l.exited:
		return
	default:
	}
	_, page, err := l.Get("/metrics")
	if err != nil {
		return // it was killed just now
	}
	s := soakSample{at: time.Since(l.began)}
	for line := range strings.Lines(string(page)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		var into *float64
		switch name {
		case "go_gc_heap_live_bytes":
			into = &s.heap
		case "process_open_fds":
			into = &s.descriptors
		case "go_goroutines":
			into = &s.goroutines
		default:
			continue
		}
		*into, _ = strconv.ParseFloat(value, 64)
	}
	l.samples = append(l.samples, s)
}

// conclude waits until everything was found, ends both processes and judges the ledger.
func (w *soak) conclude() {
	w.Helper()
	w.fake.Faults.Clear()
	eventually(w.T, time.Minute, "every record was found", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		seen := make(map[int]bool, w.put)
		for i := range w.deliveries {
			seen[w.deliveries[i].ID] = true
		}
		return len(seen) == w.put
	})
	for _, d := range []*daemon{w.steady, w.victim} {
		code, _ := d.terminate()
		require.Zero(w, code, "%s, with nothing left to do, exits with 0:\n%s", d.name, d.states(20))
	}
	w.mu.Lock()
	h := history{put: w.put, faults: w.faults, deliveries: w.deliveries}
	w.mu.Unlock()
	v := judge(h)
	if violations := v.violations(); violations != "" {
		w.Fatalf("%d records put, %d found, faults %+v:\n%s", h.put, v.found, h.faults, violations)
	}
	w.Logf("%d records put, %d found: 0 missing, 0 out of order, %d repeated, each explained by one of %d faults; "+
		"%d processes",
		h.put, v.found, v.repeated, len(h.faults), w.started)
}

// judgeLives holds what the processes held at the end of their lives against the beginning.
func (w *soak) judgeLives() {
	for _, l := range w.lives {
		// what it starts with
		samples := slices.DeleteFunc(l.samples, func(s soakSample) bool { return s.at < soakJudged/3 || s.heap == 0 })
		if len(samples) < 2 || samples[len(samples)-1].at < soakJudged {
			continue
		}
		third := max(1, len(samples)/3)
		early, late := samples[:third], samples[len(samples)-third:]
		flat := func(what string, of func(soakSample) float64) {
			before, after := soakMedian(early, of), soakMedian(late, of)
			w.Logf("%s, %s: %s %.0f early, %.0f late", l.name, late[len(late)-1].at.Round(time.Second), what, before,
				after)
			if after > before*1.15+8 {
				w.Errorf("%s: %s grow from %.0f to %.0f", l.name, what, before, after)
			}
		}
		flat("file descriptors", func(s soakSample) float64 { return s.descriptors })
		flat("goroutines", func(s soakSample) float64 { return s.goroutines })
		before, after := soakMedian(early, heapOf), soakMedian(late, heapOf)
		minutes := (late[len(late)/2].at - early[len(early)/2].at).Minutes()
		slope := 100 * (after/before - 1) / minutes
		w.Logf("%s, %s: live heap %.0f kB early, %.0f kB late, %+.2f %% a minute", l.name,
			late[len(late)-1].at.Round(time.Second), before/1e3, after/1e3, slope)
		if late[len(late)-1].at >= soakSlopeFrom && slope > 1 {
			w.Errorf("%s: the live heap grows by %.2f %% a minute", l.name, slope)
		}
	}
}

func heapOf(s soakSample) float64 { return s.heap }

func soakMedian(samples []soakSample, of func(soakSample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
