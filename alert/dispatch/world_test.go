package dispatch_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	alertsns "kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/fakeaws"
)

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	require.TestingT
	Helper()
}

// world is a publisher in front of an emulated SNS with one topic, named "oncall". It lives in a synctest bubble.
type world struct {
	*fakeaws.AWS
	*dispatch.Publisher
	client *sns.Client
	arn    string
	reg    *prometheus.Registry
	logs   *observer.ObservedLogs
	audit  *observer.ObservedLogs
	trust  atomic.Pointer[window]
	wire   *wire
	stop   func() // ends Run and waits for it
}

// window is a trust window: open until a time.
type window struct {
	until time.Time
	open  bool
}

// wire notes when calls leave, also those that the emulator never answers.
type wire struct {
	next http.RoundTripper
	mu   sync.Mutex
	sent []time.Time // of PublishBatch
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	if bytes.HasPrefix(body, []byte("Action=PublishBatch&")) {
		w.mu.Lock()
		w.sent = append(w.sent, time.Now())
		w.mu.Unlock()
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return w.next.RoundTrip(r)
}

func (w *wire) times() []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Time(nil), w.sent...)
}

type option func(*setup)

type setup struct {
	cfg        dispatch.Config
	topic      string
	attributes map[string]string
	absent     bool
	before     func(*world)
	through    func(alertsns.Client) alertsns.Client
	rate       float64
	digest     time.Duration
	deps       func(*dispatch.Deps)
}

func fifo(s *setup)   { s.topic, s.attributes = "alerts.fifo", map[string]string{"FifoTopic": "true"} }
func absent(s *setup) { s.absent = true }

func sized(bytes int) option {
	return func(s *setup) { s.attributes = map[string]string{"MaximumMessageSize": strconv.Itoa(bytes)} }
}

// limited gives the topic a rate of 8 messages a second.
func limited(s *setup) { s.rate = 8 }

// before runs when the emulator stands and Run has not begun.
func before(f func(*world)) option { return func(s *setup) { s.before = f } }

// newWorld starts a publisher. Inside a plain bubble it stops by itself; a property calls stop.
func newWorld(t fataler, options ...option) *world {
	t.Helper()
	s := setup{topic: "alerts", through: func(c alertsns.Client) alertsns.Client { return c }}
	for _, o := range options {
		o(&s)
	}
	w := &world{AWS: fakeaws.New(fakeaws.Options{}), reg: prometheus.NewPedanticRegistry()}
	w.wire = &wire{next: w.AWS}
	w.client = newClient(w.wire)
	w.arn = "arn:aws:sns:us-east-1:000000000000:" + s.topic
	w.trust.Store(&window{time.Now().Add(1000 * time.Hour), true})
	ctx, cancel := context.WithCancel(context.Background())
	if !s.absent {
		w.create(ctx, t, s.topic, s.attributes)
	}
	if s.before != nil {
		s.before(w)
	}
	var log, audit zapcore.Core
	log, w.logs = observer.New(zapcore.InfoLevel)
	audit, w.audit = observer.New(zapcore.InfoLevel)
	if s.cfg.Topics == nil {
		s.cfg.Topics = map[string]dispatch.TopicConfig{}
	}
	s.cfg.Topics["oncall"] = dispatch.TopicConfig{ARN: w.arn, Rules: []string{"hot"}, Rate: s.rate, Digest: s.digest}
	service, err := alertsns.New(s.through(w.client), w.reg)
	require.NoError(t, err)
	deps := dispatch.Deps{
		Service: service, Log: zap.New(log), Audit: zap.New(audit), Registerer: w.reg,
		Trust: func() (time.Time, bool) { tw := w.trust.Load(); return tw.until, tw.open },
	}
	if s.deps != nil {
		s.deps(&deps)
	}
	p, err := dispatch.New(s.cfg, deps)
	require.NoError(t, err)
	w.Publisher = p
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	if t, ok := t.(*testing.T); ok {
		t.Cleanup(w.stop)
	}
	return w
}

// serviceOf is SNS behind a client, with metrics that no test reads.
func serviceOf(t fataler, client alertsns.Client) *alertsns.Service {
	t.Helper()
	s, err := alertsns.New(client, nil)
	require.NoError(t, err)
	return s
}

func newClient(transport http.RoundTripper) *sns.Client {
	return sns.New(sns.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("CLIENT", "secret", ""),
		HTTPClient: &http.Client{Transport: transport}, BaseEndpoint: aws.String("http://fakeaws"),
		Retryer: aws.NopRetryer{},
	})
}

func (w *world) create(ctx context.Context, t fataler, name string, attributes map[string]string) {
	t.Helper()
	_, err := w.client.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name, Attributes: attributes})
	require.NoError(t, err)
}

// send publishes alert i in the background and returns where its end will be.
func (w *world) send(ctx context.Context, i int) <-chan error {
	return w.sendAs(ctx, i, "body "+strconv.Itoa(i))
}

func (w *world) sendAs(ctx context.Context, i int, body string) <-chan error {
	end := make(chan error, 1)
	go func() {
		a := newAlert(i)
		end <- w.PublishMessage(ctx, a, newMessage(a, body))
	}()
	return end
}

func newAlert(i int) *alert.Alert { return dispatch.SomeAlert(i) }

func newMessage(a *alert.Alert, body string) alert.Message {
	return alert.Message{
		Subject: "Anomaly detected", Body: body,
		Attributes: []alert.Attribute{{Name: "alert_id", Type: "String", Value: a.ID}},
	}
}

func (w *world) calls() int { return len(w.wire.times()) }

func (w *world) limits() dispatch.Limits { return w.Status()[0].Destination.Limits() }

// metric is the sum of a metric's series with labels, in pairs of name and value.
func (w *world) metric(name string, labels ...string) float64 {
	families, err := w.reg.Gather()
	if err != nil {
		panic(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "kinesis_alerter_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			matches := true
			for want := range slices.Chunk(labels, 2) {
				matches = matches && has[want[0]] == want[1]
			}
			if matches {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func (w *world) published() float64 { return w.metric("alerts_published_total") }

func (w *world) failures(r alert.Reason) float64 {
	return w.metric("publish_failures_total", "topic", "oncall", "reason", string(r))
}

func (w *world) retries(r alert.Reason) float64 {
	return w.metric("publish_retries_total", "topic", "oncall", "reason", string(r))
}

func (w *world) fault(r alert.Reason) float64 {
	return w.metric("topic_fault", "topic", "oncall", "reason", string(r))
}

// pending says that an alert has no end yet.
func pending(t *testing.T, end <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-end:
		require.Fail(t, "the alert has an end already", "%v", err)
	default:
	}
}
