//go:build browser

package system

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/status/statustest"
	"kinesis-alerter/internal/testkit"
)

// The status page in a real browser: two daemons share a stream whose shards were split and merged, one of them paused;
// one topic refuses, one gathers digests. internal/tools/browser/status.mjs looks at the page in the way of people, and
// takes pictures. BROWSER_FOR is how long the daemons work before that, BROWSER_OUT where the pictures go.
func TestBrowserStatusPage(t *testing.T) {
	w := newBrowserWorld(t)
	first, kill := w.daemon("alerter-0", w.Config())
	second, _ := w.daemon("alerter-1", w.Config())
	starting, _ := w.daemon("alerter-2", func() config.Config {
		c := w.Config()
		c.Stream = config.StreamConfig{Name: "NotThereYet"}
		return c
	}())
	w.produce()
	w.wait("both workers read", first, func(s *status.Status) bool {
		return len(s.Workers) == 2 && s.ShardCounts["held"] > 0 && s.ShardCounts["foreign"] > 0
	})
	w.reshard(w.Status(first))
	w.pause(first)
	work, err := time.ParseDuration(cmpOr(os.Getenv("BROWSER_FOR"), "20s"))
	require.NoError(t, err)
	time.Sleep(work)
	w.refuse.Store(true)
	w.wait("there is something of everything", first, func(s *status.Status) bool {
		faulty := slices.ContainsFunc(s.Topics, func(t status.Topic) bool { return t.Fault != "" && t.Waiting > 0 })
		digest := slices.ContainsFunc(s.Alerts, func(a status.Alert) bool { return a.Kind == "digest" })
		return faulty && digest && s.ShardCounts["paused"] == 1 && s.ShardCounts["ended"] >= 3 &&
			len(s.History.Records) >= 3
	})

	mux := http.NewServeMux()
	mux.HandleFunc("POST /kill", func(http.ResponseWriter, *http.Request) { kill() })
	many := status.NewPage(func() status.Status { return statustest.ManyShards(1000) }, zap.NewNop())
	mux.HandleFunc("GET /many", many.HTML)
	well := status.NewPage(wellStatus, zap.NewNop())
	mux.HandleFunc("GET /well", well.HTML)
	require.Empty(t, wellStatus().Problems)
	ill := status.NewPage(func() status.Status { return hostileStatus() }, zap.NewNop())
	mux.HandleFunc("GET /hostile", ill.HTML)
	control := httptest.NewServer(mux)
	defer control.Close()

	script, err := filepath.Abs("../../internal/tools/browser/status.mjs")
	require.NoError(t, err)
	out := os.Getenv("BROWSER_OUT")
	if out == "" {
		out = t.ArtifactDir()
	}
	arguments, err := json.Marshal(map[string]string{
		"url": first, "other": second, "starting": starting, "control": control.URL, "out": out,
	})
	require.NoError(t, err)
	node := exec.CommandContext(t.Context(), "node", script, //nolint:gosec // a script of this repository
		string(arguments))
	node.Stdout, node.Stderr = os.Stdout, os.Stderr
	require.NoError(t, node.Run())
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

type browserWorld struct {
	t    *testing.T
	fake *fakeaws.AWS
	arns map[string]string
	dlq  string
	// refuse makes the topic audit refuse.
	refuse atomic.Bool
}

const browserStream = "ExampleInputStream"

func newBrowserWorld(t *testing.T) *browserWorld {
	t.Helper()
	w := &browserWorld{t: t, fake: fakeaws.New(fakeaws.Options{}), arns: map[string]string{}}
	w.fake.History.CountOnly()
	w.fake.SNS.CountOnly()
	w.fake.Kinesis.Create(browserStream, 6)
	client := sns.NewFromConfig(testkit.Emulated(w.fake))
	for _, name := range []string{"oncall", "ward", "audit"} {
		out, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String(name)})
		require.NoError(t, err)
		w.arns[name] = aws.ToString(out.TopicArn)
		_, err = client.Subscribe(t.Context(), &sns.SubscribeInput{
			TopicArn: out.TopicArn, Protocol: aws.String("lambda"),
			Endpoint: aws.String("arn:aws:lambda:us-east-1:000000000000:function:pager"),
		})
		require.NoError(t, err)
	}
	queue, err := sqs.NewFromConfig(testkit.Emulated(w.fake)).CreateQueue(t.Context(), &sqs.CreateQueueInput{
		QueueName: aws.String("alerts-dlq"),
	})
	require.NoError(t, err)
	w.dlq = aws.ToString(queue.QueueUrl)
	w.fake.Faults.Add(fakeaws.Fault{
		Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Err: &fakeaws.Error{
			Code: "AuthorizationError", Message: "not authorized", Status: 403,
		},
		When:  w.refuse.Load,
		Match: func(r *fakeaws.Request) bool { return r.Form.Get("TopicArn") == w.arns["audit"] },
	})
	return w
}

func (w *browserWorld) Config() config.Config {
	return config.Config{
		Stream: config.StreamConfig{
			Name: browserStream, Application: "heart-rate-alerts", Start: checkpoint.Start{
				Kind: checkpoint.StartTrimHorizon,
			},
		},
		Rules: []alert.RuleConfig{
			{
				Name: "high-heart-rate", When: "heartRate > 149", Severity: "critical", Dedup: 30 * time.Second,
				Topics: []string{"oncall"},
			},
			{
				Name: "low-heart-rate", When: "heartRate < 62", Resolve: alert.Stretch{Records: 2},
				Topics: []string{"ward"},
			},
			{Name: "audit-trail", When: "heartRate > 195", Severity: "info", Topics: []string{"audit"}},
			{Name: "new-threshold", When: "heartRate > 98", Mode: alert.ModeShadow, Topics: []string{"ward"}},
		},
		Topics: map[string]alert.TopicConfig{
			"oncall": {ARN: w.arns["oncall"]}, "ward": testkit.AnyRate(w.arns["ward"]),
			"audit": testkit.AnyRate(w.arns["audit"]),
		},
		DeadLetter: config.DeadLetterConfig{SQS: w.dlq, Invalid: true},
	}
}

// daemon runs a daemon on loopback until the test ends, or until the second result is called, which takes its page away
// at once, as if the process were killed.
func (w *browserWorld) daemon(host string, c config.Config) (url string, kill func()) {
	w.t.Helper()
	l, err := (&net.ListenConfig{}).Listen(w.t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(w.t, err)
	cut := &cuttable{Listener: l}
	ctx, stop := context.WithCancel(w.t.Context())
	c.Processing.StopBudget = 6 * time.Second // the stop does not wait for the topic that refuses
	c = c.WithDefaults()
	require.NoError(w.t, c.Validate())
	done := make(chan struct{})
	log := &testkit.SyncBuffer{}
	go func() {
		defer close(done)
		_ = daemon.Run(ctx, c, daemon.Options{
			AWS: testkit.Emulated(w.fake), Output: log, Registry: prometheus.NewRegistry(), Listener: cut, Host: host,
		})
	}()
	w.t.Cleanup(func() {
		stop()
		<-done
		if w.t.Failed() {
			w.t.Logf("%s:\n%s", host, log.Story())
		}
	})
	return "http://" + l.Addr().String() + "/", cut.cut
}

// cuttable is a listener that can be cut off from one moment to the next.
type cuttable struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
	gone  atomic.Bool
}

func (c *cuttable) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if c.gone.Load() {
			_ = conn.Close()
			continue
		}
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
		return conn, nil
	}
}

func (c *cuttable) cut() {
	c.gone.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

// produce puts heart rates until the test ends: steady ones with a wave, and now and then a storm that needs a digest.
func (w *browserWorld) produce() {
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	w.t.Cleanup(func() { stop(); <-done })
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // sample data
	began := time.Now()
	put := func(key, rate int) {
		w.fake.Kinesis.Put(browserStream, fmt.Sprintf("patient-%03d", key),
			fmt.Appendf(nil, `{"heartRate":%d,"ward":"%c"}`, rate, 'A'+key%4))
	}
	go func() {
		defer close(done)
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ; i++ {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			n := 5 + int(4*(1+sine(time.Since(began)))) + random.IntN(3)
			for range n {
				rate := 60 + random.IntN(41)
				if random.Float64() < 0.004 {
					rate = 150 + random.IntN(50)
				}
				put(random.IntN(160), rate)
			}
			if i%400 == 100 { // of keys that have not alerted for a minute
				for key := range 100 {
					put(200+100*(i/400%4)+key, 150+key%40)
				}
			}
			if i%400 == 60 {
				w.fake.Kinesis.Put(browserStream, "broken", []byte(`{"heartRate":`))
				put(7, 199)
			}
		}
	}()
}

func sine(d time.Duration) float64 {
	x := d.Seconds() / 200
	x -= float64(int(x))
	return 1 - 8*(x-0.5)*(x-0.5) // a parabola a period, which is smooth enough
}

func (w *browserWorld) Status(url string) *status.Status {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url+"api/v1/status", nil)
	require.NoError(w.t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	require.NoError(w.t, err)
	defer func() { _ = response.Body.Close() }()
	var s status.Status
	require.NoError(w.t, json.NewDecoder(response.Body).Decode(&s))
	return &s
}

func (w *browserWorld) wait(what, url string, ok func(*status.Status) bool) {
	w.t.Helper()
	var s *status.Status
	for range 600 {
		if s = w.Status(url); ok(s) {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	text, _ := json.MarshalIndent(s, "", " ")
	require.Failf(w.t, "not in time: "+what, "%s", text)
}

// reshard splits one shard and merges two.
func (w *browserWorld) reshard(*status.Status) {
	w.t.Helper()
	open := w.fake.Kinesis.OpenShards(browserStream)
	w.fake.Kinesis.Split(browserStream, open[1])
	w.fake.Kinesis.Merge(browserStream, open[3], open[4])
}

// pause pauses a shard in the way of an operator.
func (w *browserWorld) pause(url string) {
	w.t.Helper()
	w.wait("the reshard is done", url, func(s *status.Status) bool {
		return s.ShardCounts["ended"] >= 3 && s.ShardCounts["unread"]+s.ShardCounts["blocked"] == 0
	})
	reg := prometheus.NewRegistry()
	clients := daemon.NewClients(testkit.Emulated(w.fake), reg, nil)
	admin, err := checkpoint.NewAdmin(w.t.Context(), w.Config().WithDefaults().Parts().Checkpoint,
		checkpoint.Deps{DynamoDB: clients.DynamoDB, Stream: clients.Kinesis, Log: zap.NewNop(), Registerer: reg}, false)
	require.NoError(w.t, err)
	for _, s := range w.Status(url).Shards {
		if s.State == "held" && len(s.Parents) == 0 {
			changes, err := admin.Pause(w.t.Context(), []string{s.ID})
			require.NoError(w.t, err)
			_, err = admin.Apply(w.t.Context(), changes, false)
			require.NoError(w.t, err)
			return
		}
	}
	require.Fail(w.t, "no shard to pause")
}

// wellStatus is a status without a problem, after a quarter of an hour.
func wellStatus() status.Status {
	s := statustest.ExampleStatus()
	s.Shards = slices.DeleteFunc(s.Shards, func(x status.Shard) bool {
		return x.State == "unread" || x.State == "paused" || x.ID == "shardId-000000000003"
	})
	for i := range s.Shards {
		if r := s.Shards[i].Reading; r != nil {
			*r = status.Reading{
				Phase: "reading", Lag: 0.2, LastFetch: status.Moment(s.At),
				Checkpoint: status.Moment(s.At.Add(-400 * time.Millisecond)), Unresolved: i,
			}
			s.Shards[i].HandoffTarget = ""
		}
	}
	s.ShardCounts = map[string]int{"held": 2, "foreign": 1, "ended": 1}
	s.Outputs = s.Outputs[:1]
	s.Workers, s.Topics, s.DeadLetters, s.Reload = s.Workers[:2], s.Topics[2:],
		&status.DeadLetters{Kind: "sqs", Sent: 3}, nil
	s.Topics[0].Digesting, s.Topics[0].Gathered = false, 0
	s.Worker.Heartbeat, s.Worker.Failure = status.Moment(s.At.Add(-time.Second)), ""
	s.Recent = status.Recent{Window: s.Recent.Window}
	s.BadAnswers, s.Filter, s.Silences, s.Doubts, s.Incidents = nil, nil, nil, nil, nil
	s.Rules = s.Rules[:1]
	h := status.History{Interval: status.HistoryEvery.Seconds()}
	for i := range status.HistoryLength {
		h.Records = append(h.Records, 1000+200*sine(time.Duration(i)*status.HistoryEvery)+float64(i*7919%41))
		h.Alerts = append(h.Alerts, float64(i*7919%13)/10)
		h.Lag = append(h.Lag, new(0.2+float64(i*7919%11)/20))
		h.Fleet.Records = append(h.Fleet.Records, h.Records[i]*1.8)
		h.Fleet.Alerts = append(h.Fleet.Alerts, h.Alerts[i]*1.4)
		h.Fleet.Lag = append(h.Fleet.Lag, new(*h.Lag[i]+0.1))
	}
	s.History = h
	for i := range s.Workers {
		w := &s.Workers[i]
		w.DiffersSince, w.Configuration, w.Lag = nil, s.Workers[0].Configuration, new(0.3)
	}
	s.Workers[0].Records, s.Workers[1].Records = new(1000.0), new(800.0)
	s.Totals = status.TotalsOf(&s)
	s.Problems = status.Problems(&s, false)
	s.Level, s.Summary = status.Summary(&s)
	return s
}

// hostileStatus has the names that an attacker would choose.
func hostileStatus() status.Status {
	s := statustest.ManyShards(2)
	s.Stream.Name = `</title><script>alert(1)</script>`
	s.Summary = `"><img src=x onerror=alert(1)>`
	s.Rules = append(s.Rules, status.Rule{Name: `<b onmouseover="alert(1)">`, Topics: []string{"a'\"b"}, Mode: "live"})
	s.Configuration = "</pre></details><script>document.title='owned'</script>" + strings.Repeat("x", 400)
	return s
}
