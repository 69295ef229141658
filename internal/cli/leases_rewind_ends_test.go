package cli

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// rewindWorld is a stream on which the key "a" fires for four minutes after its last record.
type rewindWorld struct {
	t    *testing.T
	fake *fakeaws.AWS
	d    *testdaemon.TestDaemon
	cut  *atomic.Bool
}

// rewindClient reaches AWS until the process is "killed".
type rewindClient struct {
	aws.HTTPClient
	cut *atomic.Bool
}

func (c rewindClient) Do(r *http.Request) (*http.Response, error) {
	if c.cut.Load() {
		return nil, errors.New("killed")
	}
	return c.HTTPClient.Do(r)
}

func inRewindWorld(t *testing.T, play func(w *rewindWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &rewindWorld{t: t, fake: fakeaws.New(fakeaws.Options{})}
		w.fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, w.fake)
		w.start()
		time.Sleep(2 * time.Second)
		w.put()
		time.Sleep(5 * time.Second)
		require.Equal(t, "firing", w.heard())
		play(w)
		require.NoError(t, w.d.End())
	})
}

func (w *rewindWorld) start() {
	cut := new(atomic.Bool)
	w.cut = cut
	w.d = testdaemon.StartDaemon(w.t, w.fake, func(c *config.Config, o *daemon.Options) {
		o.AWS.HTTPClient = rewindClient{o.AWS.HTTPClient, cut}
		c.Rules[0].Resolve = alert.Stretch{Time: 4 * time.Minute}
	})
}

// kill ends the process in the middle of what it does, and starts another one.
func (w *rewindWorld) kill() {
	w.cut.Store(true)
	_ = w.d.End()
	w.start()
}

func (w *rewindWorld) put() {
	w.fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
}

// rewind does what docs/operate.md says.
func (w *rewindWorld) rewind(to string) {
	w.t.Helper()
	w.operate("pause", "--all")
	w.operate("rewind", "--all", "--to", to)
	w.operate("resume", "--all")
}

func (w *rewindWorld) operate(args ...string) {
	w.t.Helper()
	_, err := operate(w.t, w.fake, append(args, "--yes")...)
	require.NoError(w.t, err)
}

// hasState reports whether the row of the first shard points to what its rules remember.
func (w *rewindWorld) hasState() bool {
	w.t.Helper()
	row, err := dynamodb.NewFromConfig(testkit.Emulated(w.fake)).GetItem(w.t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(testLeases),
		Key: map[string]types.AttributeValue{
			"leaseKey": &types.AttributeValueMemberS{Value: testkit.Shard0},
		},
	})
	require.NoError(w.t, err)
	return row.Item["state"] != nil
}

// heard are the kinds of the messages, each once.
func (w *rewindWorld) heard() string {
	var kinds []string
	ids := map[string]bool{}
	for _, m := range w.fake.SNS.Messages(testkit.TestTopicARN) {
		if id := m.Attributes["alert_id"].StringValue; ids[id] {
			continue // at least once
		} else {
			ids[id] = true
		}
		kind := m.Attributes["kind"].StringValue
		if strings.Contains(m.Body, "the shard was rewound, and its records are judged again") {
			kind = "ended"
		}
		kinds = append(kinds, kind)
	}
	return strings.Join(kinds, " ")
}

// Whoever was notified that a key fires is notified of its end when its shard is rewound, once: whatever is read again,
// whoever takes the shard, and also when a process is killed on the way.
func TestRewoundKeysGetTheirEnd(t *testing.T) {
	t.Parallel()
	plays := map[string]struct {
		play func(w *rewindWorld)
		want string
	}{
		"forward": {func(w *rewindWorld) { w.rewind("latest") }, "firing ended"},
		"the key fires again": {func(w *rewindWorld) {
			w.rewind("-1h")
			time.Sleep(5 * time.Minute)
		}, "firing firing resolved"},
		"killed before a save": {func(w *rewindWorld) {
			w.operate("pause", "--all")
			drop := w.fake.Faults.Add(fakeaws.Fault{
				Service: fakeaws.ServiceDynamoDB, Operation: "PutItem", Kind: fakeaws.Before,
				Match: func(r *fakeaws.Request) bool {
					return strings.Contains(string(r.Body), "heart-rate-alerts-state")
				},
			})
			w.operate("rewind", "--all", "--to", "latest")
			w.operate("resume", "--all")
			time.Sleep(30 * time.Second)
			w.kill()
			drop()
		}, "firing ended"},
		"killed after a save": {func(w *rewindWorld) {
			w.rewind("latest")
			time.Sleep(30 * time.Second)
			w.kill()
		}, "firing ended"},
		"killed after the end": {func(w *rewindWorld) {
			w.rewind("latest")
			time.Sleep(70 * time.Second)
			w.kill()
		}, "firing ended"},
		"twice": {func(w *rewindWorld) {
			w.rewind("latest")
			time.Sleep(20 * time.Second)
			w.rewind("latest")
		}, "firing ended"},
		"twice, and the key fires again": {func(w *rewindWorld) {
			w.rewind("-1h")
			time.Sleep(20 * time.Second)
			w.rewind("latest")
		}, "firing firing ended"},
		"ended long ago": {func(w *rewindWorld) {
			time.Sleep(5 * time.Minute)
			w.rewind("latest")
		}, "firing resolved"},
		"its children have the key": {func(w *rewindWorld) {
			w.fake.Kinesis.Split(testkit.TestStream, testkit.Shard0)
			time.Sleep(20 * time.Second)
			require.True(w.t, w.hasState())
			w.operate("rewind", testkit.Shard0, "--to", "latest")
			require.False(w.t, w.hasState(), "it would end what its children still know")
			time.Sleep(5 * time.Minute)
		}, "firing resolved"},
	}
	for name, p := range plays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inRewindWorld(t, func(w *rewindWorld) {
				p.play(w)
				for range 2 {
					time.Sleep(3 * time.Minute)
					require.Equal(w.t, p.want, w.heard(), w.d.Log)
				}
			})
		})
	}
}
