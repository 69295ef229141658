package fakeaws_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/fakeaws/npm"
)

// behaviour is one row of the conformance table: something that the daemon or its tests rely on.
type behaviour struct {
	name string
	// want is what AWS' documentation says, in the terms of observe.
	want string
	// observe does it and says what came of it. It fails the test only when it could not even try.
	observe func(p *probe) string
	// throttled asks for an account whose limits are on.
	throttled bool
}

// difference is a place in which an emulator is known not to behave as AWS' documentation says.
type difference struct {
	got    string
	reason string
}

// target is one emulation of AWS under test.
type target struct {
	kinesis  *kinesis.Client
	dynamodb *dynamodb.Client
	sns      *sns.Client
	sqs      *sqs.Client
	s3       *s3.Client
	// s3TLS is a client that believes in TLS on its connection.
	s3TLS *s3.Client
	names atomic.Int64
}

// endpoints are the addresses of a target; empty ones are the SDK's business.
type endpoints struct{ kinesis, dynamodb, messaging string }

func newTarget(at endpoints, client aws.HTTPClient) *target {
	cfg := aws.Config{
		Region:      npm.Region,
		Credentials: credentials.NewStaticCredentialsProvider(npm.Account, "secret", ""),
		HTTPClient:  client,
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} }, // the answer is what is under test
	}
	return &target{
		kinesis:  kinesis.NewFromConfig(cfg, func(o *kinesis.Options) { o.BaseEndpoint = &at.kinesis }),
		dynamodb: dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.BaseEndpoint = &at.dynamodb }),
		sns:      sns.NewFromConfig(cfg, func(o *sns.Options) { o.BaseEndpoint = &at.messaging }),
		sqs:      sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &at.messaging }),
		s3:       s3.NewFromConfig(cfg, func(o *s3.Options) { o.BaseEndpoint, o.UsePathStyle = &at.messaging, true }),
		s3TLS: s3.NewFromConfig(cfg, func(o *s3.Options) {
			o.BaseEndpoint, o.UsePathStyle = aws.String(strings.Replace(at.messaging, "http:", "https:", 1)), true
			o.HTTPClient = plainText{client}
		}),
	}
}

// plainText takes the TLS out of a client's calls.
type plainText struct{ next aws.HTTPClient }

func (c plainText) Do(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme = "http"
	return c.next.Do(r)
}

// inProcess is fakeaws through its RoundTripper.
func inProcess(o fakeaws.Options) *target {
	const nowhere = "http://fakeaws.invalid"
	return newTarget(endpoints{nowhere, nowhere, nowhere}, fakeaws.New(o).HTTPClient())
}

// onLoopback is fakeaws through its Handler.
func onLoopback(tb testing.TB, o fakeaws.Options) *target {
	tb.Helper()
	srv := httptest.NewServer(fakeaws.New(o))
	tb.Cleanup(srv.Close)
	return newTarget(endpoints{srv.URL, srv.URL, srv.URL}, fakeaws.LoopbackClient())
}

// ofNPM is kinesis-local, dynalite and fauxqs. Their state changes are as quick as they allow.
func ofNPM(tb testing.TB) *target {
	tb.Helper()
	at := endpoints{
		kinesis: npm.Kinesis(tb, "CREATE_STREAM_DURATION=50ms", "DELETE_STREAM_DURATION=50ms",
			"SPLIT_SHARD_DURATION=50ms",
			"MERGE_SHARDS_DURATION=50ms", "UPDATE_SHARD_COUNT_DURATION=50ms"),
		dynamodb:  npm.DynamoDB(tb),
		messaging: npm.Messaging(tb),
	}
	return newTarget(at, fakeaws.LoopbackClient())
}

// The account in process is asked inside a bubble, where its waits and limits take virtual time and no schedule of a
// busy machine can come between.
func TestConformance(t *testing.T) {
	t.Parallel()
	conform(t, "fakeaws", func(t *testing.T, throttled bool, observe func(*testing.T, *target)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) { observe(t, inProcess(fakeaws.Options{Unthrottled: !throttled})) })
	})
}

func TestConformanceOnLoopback(t *testing.T) {
	t.Parallel()
	unthrottled := onLoopback(t, fakeaws.Options{Unthrottled: true})
	throttled := onLoopback(t, fakeaws.Options{})
	conform(t, "fakeaws", func(t *testing.T, limits bool, observe func(*testing.T, *target)) {
		t.Helper()
		if limits {
			observe(t, throttled)
		} else {
			observe(t, unthrottled)
		}
	})
}

// TestConformanceOfNPM asks the same of the emulators that other people wrote: what fakeaws is wrong about, its own
// tests would be wrong about too.
func TestConformanceOfNPM(t *testing.T) {
	t.Parallel()
	if os.Getenv("CONFORMANCE_NPM") == "" {
		t.Skip("CONFORMANCE_NPM is not set: `make conformance` runs this")
	}
	emulators := ofNPM(t)
	conform(t, "npm", func(t *testing.T, _ bool, observe func(*testing.T, *target)) {
		t.Helper()
		observe(t, emulators)
	})
}

// conform runs every behaviour. A difference that is not listed is a failure, and so is a listed one that is gone.
func conform(t *testing.T, name string, with func(t *testing.T, throttled bool, observe func(*testing.T, *target))) {
	t.Helper()
	for b := range behaviours() {
		t.Run(strings.ReplaceAll(b.name, " ", "-"), func(t *testing.T) {
			var got string
			with(t, b.throttled, func(t *testing.T, to *target) {
				t.Helper()
				got = b.observe(&probe{target: to, t: t, ctx: t.Context()})
			})
			d, listed := known[name+": "+b.name]
			switch {
			case !listed:
				require.Equal(t, b.want, got)
			case got == b.want:
				t.Errorf("%s behaves as documented now: take the difference out of `known`", name)
			default:
				require.Equal(
					t, d.got, got, "differs from the documentation (%s), but not in the listed way: %s", b.want,
					d.reason,
				)
			}
		})
	}
}

func behaviours() iter.Seq[behaviour] {
	return slices.Values(
		slices.Concat(kinesisBehaviours(), dynamoDBBehaviours(), messagingBehaviours(), objectBehaviours()),
	)
}

// TestConformanceListNamesBehaviours keeps the list free of lines that excuse nothing.
func TestConformanceListNamesBehaviours(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for b := range behaviours() {
		require.False(t, names[b.name], "two behaviours are named %q", b.name)
		names[b.name] = true
	}
	for key, d := range known {
		_, name, _ := strings.Cut(key, ": ")
		require.True(t, names[name], "%q names no behaviour", key)
		require.NotEmpty(t, d.reason, "%q has no reason", key)
	}
}

// probe is what a behaviour has to work with.
type probe struct {
	*target
	t   *testing.T
	ctx context.Context //nolint:containedctx // the test's own, for one behaviour
}

// name makes a name that no other behaviour uses.
func (p *probe) name(kind string) string {
	return fmt.Sprintf("%s-%d", kind, p.names.Add(1))
}

// must fails the test for a call that only prepares the observation.
func (p *probe) must(err error) {
	p.t.Helper()
	require.NoError(p.t, err)
}

// within repeats ask until it says yes.
func (p *probe) within(limit time.Duration, what string, ask func() bool) {
	p.t.Helper()
	for end := time.Now().Add(limit); !ask(); time.Sleep(10 * time.Millisecond) {
		require.True(p.t, time.Now().Before(end), "not within %s: %s", limit, what)
	}
}

// code is "ok", or the error code of an answer.
func code(err error) string {
	if err == nil {
		return "ok"
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) {
		return fmt.Sprintf("HTTP %d %s", status.HTTPStatusCode(), http.StatusText(status.HTTPStatusCode()))
	}
	return err.Error()
}

// observations are several results of one behaviour, in order.
func observations(of ...any) string {
	s := make([]string, len(of))
	for i, o := range of {
		if err, isErr := o.(error); isErr {
			o = code(err)
		} else if o == nil {
			o = "ok"
		}
		s[i] = fmt.Sprint(o)
	}
	return strings.Join(s, "; ")
}

// failedItem is the item that a failed condition tells of.
func failedItem(err error) map[string]types.AttributeValue {
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return failed.Item
	}
	return nil
}
