package daemon

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/arns"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/getrecords"
)

// LoadAWS reads region, credentials and endpoints the way every AWS tool does: environment variables, shared profiles,
// container and instance roles. The credentials are a *credentials.Provider.
func LoadAWS(ctx context.Context) (aws.Config, error) {
	// The SDK's own buildable client, because with AWS_CA_BUNDLE set any other one is refused.
	cfg, err := credentials.LoadConfig(ctx, newHTTPClient())
	if err != nil {
		return aws.Config{}, fmt.Errorf("AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return aws.Config{},
			errors.New("AWS configuration: no region; set AWS_REGION, or a region in the profile; for the " +
				"emulator: . bin/emulator.env")
	}
	return cfg, nil
}

func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) {
			d.Timeout, d.KeepAlive = 3*time.Second, 15*time.Second
		}).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = 3 * time.Second
			// Callers have deadlines of their own. This one is for those that forget.
			t.ResponseHeaderTimeout = 30 * time.Second
			t.MaxResponseHeaderBytes = 64 << 10 // an error shows a header that cannot be read
			// Every shard polls the same host, five times a second at most. With the SDK's ten idle connections a
			// hundred shards would close and open connections, with their TLS handshakes, all the time.
			t.MaxIdleConns, t.MaxIdleConnsPerHost = 2048, 1024
			t.IdleConnTimeout = 60 * time.Second
			// AWS compresses nothing. What a proxy compressed would cost more CPU than it saves, and have no length.
			t.DisableCompression = true
		})
}

// clients are the daemon's AWS clients.
type clients struct {
	Credentials *credentials.Provider

	Kinesis  *kinesis.Client
	DynamoDB *dynamodb.Client
	SNS      *sns.Client
	sqs      *sqs.Client
	s3       *s3.Client
	// clock is the services' time.
	clock *clock.Clock
	// cfg is what the clients are made of, and protocol what all of them read records by.
	cfg      aws.Config
	protocol *getrecords.Protocol
}

// NewClients makes the clients on one connection pool. Kinesis, SNS, SQS and S3 calls are attempted once: the shard
// reader, the publisher and the dead letters have retry classes of their own, count each attempt, and know when a retry
// no longer makes sense because a lease ran out. DynamoDB calls have three quick attempts, which fit into a third of a
// lease.
//
// Every answer is checked before anything else sees it; bad answers are reported to watch, which may be nil.
func NewClients(cfg aws.Config, reg prometheus.Registerer, watch *answer.Watch) clients {
	return newClientsBy(clock.New(nil), cfg, reg, watch)
}

// newClientsBy is NewClients with a clock that their answers set.
func newClientsBy(now *clock.Clock, cfg aws.Config, reg prometheus.Registerer, watch *answer.Watch) clients {
	held, checker := credentials.Of(cfg), answer.New(watch, now)
	cfg = cfg.Copy()
	cfg.HTTPClient = SteadyBody{refuseRedirects(cfg.HTTPClient)}
	metrics := newRequestMetrics(reg)
	cfg.APIOptions = append(cfg.APIOptions, checker.Install, metrics.install)
	return newClientsOf(held, cfg, now, getrecords.New(metrics.bySDK.Inc))
}

// newClientsOf makes the clients that call with these credentials, in the region of cfg.
func newClientsOf(
	held *credentials.Provider, cfg aws.Config, now *clock.Clock, protocol *getrecords.Protocol,
) clients {
	c := clients{Credentials: held, clock: now, cfg: cfg, protocol: protocol}
	cfg = c.signed()
	once := func() aws.Retryer { return aws.NopRetryer{} }
	c.Kinesis = kinesis.NewFromConfig(cfg, func(o *kinesis.Options) { o.Retryer, o.Protocol = once(), protocol })
	c.SNS = sns.NewFromConfig(cfg, func(o *sns.Options) { o.Retryer = once() })
	c.sqs = sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.Retryer = once() })
	c.s3 = newS3(cfg, once())
	c.DynamoDB = dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 3, 200*time.Millisecond
			// The SDK's token bucket would stop retrying just when an outage ends; the calls are few.
			o.RateLimiter = ratelimit.None
		})
		// What the SDK does about a wrong checksum is a line on stderr, also for every answer of an emulator that
		// sends none. TLS protects the transfer, and an answer that is cut short is not JSON.
		o.DisableValidateResponseChecksum = true
	})
	return c
}

// signed is the configuration of a client that calls with the credentials and reports how AWS likes them.
func (c clients) signed() aws.Config {
	cfg := c.cfg.Copy()
	cfg.Credentials = c.Credentials
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), c.Credentials.Install)
	return cfg
}

// As returns the clients that call as a role and in the region of an ARN or of a queue's URL; they are c itself where
// there is neither. It is cheap: the credentials of a role are kept by those of the process, one for all who ask for
// it, renewed before their end and asked of STS in the region of the process. The page has them where
// config.Config.Roles names the role.
func (c clients) As(r credentials.Role, address string) clients {
	cfg := c.cfg.Copy()
	cfg.Region = cmp.Or(arns.Region(address), cfg.Region)
	if r.ARN == "" && cfg.Region == c.cfg.Region {
		return c
	}
	return newClientsOf(c.Credentials.As(r, c.signed()), cfg, c.clock, c.protocol)
}

// Of returns the clients with that of Kinesis for a stream. The tables stay where they are: they belong to the process.
func (c clients) Of(streamARN string, role credentials.Role) clients {
	c.Kinesis = c.As(role, streamARN).Kinesis
	return c
}

// plainEndpoints are the endpoints that are reached over plain HTTP on another host: payloads and the session token go
// there in clear.
func (c clients) plainEndpoints() []string {
	var out []string
	for _, endpoint := range []*string{
		c.Kinesis.Options().BaseEndpoint, c.DynamoDB.Options().BaseEndpoint, c.SNS.Options().BaseEndpoint,
		c.sqs.Options().BaseEndpoint, c.s3.Options().BaseEndpoint, sts.NewFromConfig(c.cfg).Options().BaseEndpoint,
	} {
		if at, err := url.Parse(aws.ToString(endpoint)); err == nil && at.Scheme == "http" &&
			!loopback(at.Hostname()) && !slices.Contains(out, at.Host) {
			out = append(out, at.Host)
		}
	}
	return out
}

// loopback reports whether a host is this one.
func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback() || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// refuseRedirects makes a client that answers with a redirect instead of following it, to whatever host.
func refuseRedirects(c aws.HTTPClient) aws.HTTPClient {
	refuse := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	switch c := c.(type) {
	case *awshttp.BuildableClient:
		return &http.Client{Transport: c.GetTransport(), Timeout: c.GetTimeout(), CheckRedirect: refuse}
	case *http.Client:
		return &http.Client{Transport: c.Transport, Timeout: c.Timeout, Jar: c.Jar, CheckRedirect: refuse}
	}
	return c
}

// newS3 makes the S3 client. With an endpoint of its own, which is an emulator or a gateway, buckets are addressed by
// path: their names are not host names there.
func newS3(cfg aws.Config, retryer aws.Retryer) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.Retryer = retryer
		o.UsePathStyle = cfg.BaseEndpoint != nil || o.BaseEndpoint != nil
	})
}

// SteadyBody sends request bodies that the SDK cannot close under the transport. The SDK closes a body as soon as the
// answer is there; when the answer comes fast, net/http is still looking for the end of the body, takes the closed one
// for a failed write and drops the connection, and with it the answer (an eighth of all calls on loopback). A copy in
// memory also lets net/http repeat a request that met a connection which the server had just closed.
type SteadyBody struct{ Next aws.HTTPClient }

// Do implements aws.HTTPClient.
func (s SteadyBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return s.Next.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		r = r.WithContext(r.Context())
		r.Body = http.NoBody
		return s.Next.Do(r)
	}
	r = r.WithContext(r.Context())
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return s.Next.Do(r)
}

// requestMetrics counts every attempt of every AWS call.
type requestMetrics struct {
	requests *prometheus.CounterVec
	bySDK    prometheus.Counter
}

func newRequestMetrics(reg prometheus.Registerer) *requestMetrics {
	m := &requestMetrics{requests: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_aws_requests_total",
		Help: "Attempts of AWS API calls by their result: OK, the service's error code (other where it documents no " +
			"such code), BadAnswer, Canceled, Timeout or Connection.",
	}, []string{"service", "operation", "code"}), bySDK: promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_sdk_decoded_answers_total",
		Help: "Answers of GetRecords that the AWS SDK decoded, at five times the CPU, because the daemon's own " +
			"decoder " +
			"was not certain of them. One at the end of each shard is normal.",
	})}
	// The calls that decide whether the daemon works: their failure rates must exist before the first failure.
	for _, call := range [][2]string{
		{"Kinesis", "GetRecords"},
		{"Kinesis", "GetShardIterator"},
		{"Kinesis", "ListShards"},
		{"DynamoDB", "UpdateItem"},
		{"DynamoDB", "GetItem"},
		{"DynamoDB", "Scan"},
		{"SNS", "PublishBatch"},
	} {
		m.requests.WithLabelValues(call[0], call[1], "OK")
	}
	return m
}

// install adds the counting to a client. It sits inside the retry loop, so that each attempt counts.
func (m *requestMetrics) install(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CountAttempts",
		func(ctx context.Context, in middleware.DeserializeInput,
			next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleDeserialize(ctx, in)
			m.requests.WithLabelValues(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx),
				closedCode(resultCode(err))).Inc()
			return out, metadata, err
		}), middleware.Before)
}

// resultCode is how an attempt ended, in a word: the service's error code where it is one.
func resultCode(err error) string {
	var api smithy.APIError
	var timeout net.Error
	switch {
	case err == nil:
		return "OK"
	case answer.Is(err):
		return "BadAnswer"
	case errors.As(err, &api):
		return api.ErrorCode()
	case errors.Is(err, context.Canceled):
		return "Canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "Timeout"
	default:
		return "Connection"
	}
}

// SQS is the client of queues.
func (c clients) SQS() *sqs.Client { return c.sqs }

// S3 is the client of buckets.
func (c clients) S3() *s3.Client { return c.s3 }
