package system

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// A stop does not wait for a topic that is known to refuse: the checkpoint stays where it is, so nothing is lost, and
// the stop is clean. What other topics take is drained as ever.
func TestStopWhileATopicRefusesIsClean(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]*fakeaws.Error{
		"missing": {Code: "NotFound", Message: "Topic does not exist", Status: 404},
		"denied":  {Code: "AuthorizationError", Message: "not authorized", Status: 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 2)
				testkit.CreateTopic(t, fake)
				repair := fake.Faults.Add(fakeaws.Fault{
					Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Kind: fakeaws.Before, Err: fault,
				})
				for _, key := range []string{"a", "b", "c", "d"} {
					fake.Kinesis.Put(testkit.TestStream, key, []byte(`{"heartRate":180}`))
				}
				d := testdaemon.StartDaemon(t, fake, nil)
				time.Sleep(20 * time.Second)
				began := time.Now()
				require.NoError(t, d.End())
				require.LessOrEqual(t, time.Since(began), 3*time.Second)
				require.NotEmpty(t,
					d.Log.Entries(t, "records are left to the next worker, because their topic or output refuses them"))
				repair()
				d = testdaemon.StartDaemon(t, fake, nil)
				time.Sleep(5 * time.Second)
				require.Len(t, testkit.Messages(fake), 4, "each once")
				require.NoError(t, d.End())
			})
		})
	}
}

// Somebody deletes one of the two topics of a rule. The people behind the other one get every alert, in order.
func TestTopicThatIsGoneHoldsNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
			c.Topics["chat"] = testkit.AnyRate("arn:aws:sns:us-east-1:000000000000:deleted")
			c.Rules[0].Topics = []string{"chat", "oncall"}
		})
		const n, keys = 200, 20
		for i := range n {
			fake.Kinesis.Put(testkit.TestStream, fmt.Sprint(i%keys), fmt.Appendf(nil, `{"heartRate":180,"n":%d}`, i))
		}
		time.Sleep(20 * time.Second)
		last := map[int]int{}
		require.Len(t, testkit.Messages(fake), n, "each once")
		for _, m := range testkit.Messages(fake) {
			i := simNumber(m)
			require.GreaterOrEqual(t, i, last[i%keys])
			last[i%keys] = i
		}
		require.NoError(t, d.End())
	})
}

// Stream, topics and letters are asked where their ARNs are, and the tables in AWS_REGION. An endpoint of its own gets
// all of it, signed for the region.
func TestEveryARNIsAskedInItsRegion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const far = "arn:aws:sns:ap-south-1:000000000000:" + testkit.TestTopic
		fake, wire := fakeaws.New(fakeaws.Options{}), &regions{seen: map[string]map[string]bool{}}
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			c.Stream.Name, c.Stream.ARN = "", "arn:aws:kinesis:eu-west-1:000000000000:stream/"+testkit.TestStream
			c.Topics["far"] = testkit.AnyRate(far)
			c.Rules[0].Topics = []string{"oncall", "far"}
			wire.next = o.AWS.HTTPClient
			o.AWS.HTTPClient = wire
		})
		fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
		time.Sleep(20 * time.Second)
		d.Stop()
		require.NoError(t, <-d.Done)
		require.Equal(t, map[string]bool{"eu-west-1": true}, wire.Of("kinesis"))
		require.Equal(t, map[string]bool{"us-east-1": true}, wire.Of("dynamodb"))
		require.Equal(t, map[string]bool{"us-east-1": true, "ap-south-1": true}, wire.Of("sns"))
	})
}

// regions notes for which service and region calls are signed.
type regions struct {
	next aws.HTTPClient
	mu   sync.Mutex
	seen map[string]map[string]bool
}

func (r *regions) Do(request *http.Request) (*http.Response, error) {
	_, scope, _ := strings.Cut(request.Header.Get("Authorization"), "Credential=")
	if parts := strings.Split(scope, "/"); len(parts) > 3 {
		r.mu.Lock()
		if r.seen[parts[3]] == nil {
			r.seen[parts[3]] = map[string]bool{}
		}
		r.seen[parts[3]][parts[2]] = true
		r.mu.Unlock()
	}
	return r.next.Do(request)
}

func (r *regions) Of(service string) map[string]bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[service]
}
