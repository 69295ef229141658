package system

import (
	"bytes"
	"cmp"
	"crypto/md5" //nolint:gosec // Kinesis places records by the MD5 of their partition key
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// placement is how a producer places its records.
type placement string

const (
	byMD5    placement = "md5"   // Kinesis hashes the partition key
	byNobody placement = "const" // all of them at hash key 0
	byHand   placement = "far"   // each opposite to the MD5 of its key
)

func (p placement) hashKey(partitionKey string) *string {
	switch p {
	case byMD5:
	case byNobody:
		return aws.String("0")
	case byHand:
		sum := md5.Sum([]byte(partitionKey)) //nolint:gosec // as above
		last := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1))
		return aws.String(last.Sub(last, new(big.Int).SetBytes(sum[:])).String())
	}
	return nil
}

// inheritance is a story of a stream that is resharded.
type inheritance struct {
	placement  placement
	aggregated bool
	seconds    int // of records; 240 by default
	// at are what happens, by the second.
	at map[int]func(*inheritWorld)
}

type inheritWorld struct {
	t       *testing.T
	fake    *fakeaws.AWS
	change  func(*config.Config)
	daemons []*testdaemon.TestDaemon
	cords   []*cord
	ending  sync.WaitGroup
	line    http.RoundTripper // in front of AWS; nil for none
	page    *testdaemon.Page  // to the status page of the daemon; nil for none
}

func (w *inheritWorld) start() {
	line := &cord{fake: w.fake}
	w.cords = append(w.cords, line)
	w.daemons = append(w.daemons, testdaemon.StartDaemon(w.t, w.fake, func(c *config.Config, o *daemon.Options) {
		second := time.Second
		c.Rules = []alert.RuleConfig{
			{Name: "hot", When: "v > 3", Resolve: alert.Stretch{Time: 20 * second}},
			{Name: "once", When: "v > 3", Dedup: 10 * time.Minute},
			{Name: "silent", Absence: alert.AbsenceConfig{After: 20 * second}, RepeatInterval: 45 * second},
			{
				Name: "held", When: "v > 3", For: alert.Stretch{Time: 8 * second},
				Resolve: alert.Stretch{Time: 15 * second},
			},
			{Name: "many", When: "v > 0", Window: alert.WindowConfig{Length: 30 * second, Tumbling: true, Is: "> 20"}},
			{
				Name: "mean", When: "v > 0", Window: alert.WindowConfig{
					Length: 20 * second, Step: 5 * second, Aggregate: "avg", Of: "v", Is: "> 4",
				},
			},
			{
				Name: "named", When: "v > 3", Key: "name", Resolve: alert.Stretch{Time: 25 * second},
				RepeatInterval: time.Minute,
			},
		}
		for i := range c.Rules {
			c.Rules[i].Topics = []string{"oncall"}
			c.Rules[i].Message = "{{ .Kind }} {{ .Rule }} {{ .Key }} {{ .At }} {{ .Suppressed }}"
		}
		c.Leases.Duration = 5 * second
		o.AWS.HTTPClient = &http.Client{Transport: line}
		if w.page != nil {
			o.Listener = w.page
		}
		if w.line != nil {
			o.AWS.HTTPClient = &http.Client{Transport: w.line}
		}
		o.Host = fmt.Sprint("host-", len(w.cords))
		if w.change != nil {
			w.change(c)
		}
	}))
}

// End ends the last daemon.
func (w *inheritWorld) end(crash bool) {
	i := len(w.daemons) - 1
	d := w.daemons[i]
	w.daemons = w.daemons[:i]
	if crash {
		w.cords[len(w.cords)-1].cut.Store(true)
	}
	w.ending.Go(func() {
		if err := d.End(); err != nil && !crash {
			w.t.Errorf("%v\n%s", err, d.Log)
		}
	})
}

// restart continues in another process.
func restart(w *inheritWorld) { w.end(false); w.start() }

// crash continues in another process after a crash.
func crash(w *inheritWorld) { w.end(true); w.start() }

func splitAll(w *inheritWorld) {
	for _, id := range w.fake.Kinesis.OpenShards(testkit.TestStream) {
		low, high := w.fake.Kinesis.Split(testkit.TestStream, id)
		require.NotEmpty(w.t, low+high)
	}
}

func mergePairs(w *inheritWorld) {
	open := w.fake.Kinesis.OpenShards(testkit.TestStream)
	for i := 0; i+1 < len(open); i += 2 {
		require.NotEmpty(w.t, w.fake.Kinesis.Merge(testkit.TestStream, open[i], open[i+1]))
	}
}

// mergeMiddle merges shards of which each has another sibling.
func mergeMiddle(w *inheritWorld) {
	open := w.fake.Kinesis.OpenShards(testkit.TestStream)
	require.NotEmpty(w.t, w.fake.Kinesis.Merge(testkit.TestStream, open[1], open[2]))
}

// Run plays the story, which is of six keys with a record a second, some of which fall silent or cool down, and returns
// what SNS accepted, how often.
func (h inheritance) Run(t *testing.T) map[string]int {
	t.Helper()
	accepted := map[string]int{}
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{Unthrottled: true})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		w := &inheritWorld{t: t, fake: fake}
		w.start()
		time.Sleep(3 * time.Second)
		client := kinesis.NewFromConfig(testkit.Emulated(fake))
		began := time.Now()
		for n := range cmp.Or(h.seconds, 240) {
			for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
				v := 5
				switch {
				case key == "b" && n >= 45 && n < 90, // cool, and hot again
					key == "c" && n >= 5 && n < 120,  // silent since just before the split
					key == "d" && n >= 62 && n < 75,  // silent, but not for long
					key == "e" && n >= 70 && n < 200: // silent, since before the second split
					if v = 1; key != "b" {
						continue
					}
				}
				data := fmt.Appendf(nil, `{"v":%d,"name":"n-%s"}`, v, key)
				if h.aggregated {
					data = aggregateOf(key, data)
				}
				_, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{
					StreamName: aws.String(testkit.TestStream), PartitionKey: &key,
					ExplicitHashKey: h.placement.hashKey(key), Data: data,
				})
				require.NoError(t, err)
			}
			if do := h.at[n]; do != nil {
				do(w)
			}
			time.Sleep(time.Until(began.Add(time.Duration(n+1) * time.Second)))
		}
		time.Sleep(2 * time.Minute)
		for _, d := range w.daemons {
			require.NotContains(t, d.Log.String(), "has not been readable")
		}
		for len(w.daemons) > 0 {
			w.end(false)
		}
		w.ending.Wait()
		ids := map[string]bool{}
		for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
			if id := m.Attributes["alert_id"].StringValue; !ids[id] {
				ids[id] = true
				accepted[m.Body]++
			}
		}
	})
	return accepted
}

// aggregateOf is a KPL aggregate of one record.
func aggregateOf(key string, data []byte) []byte {
	field := func(n byte, b []byte) []byte { //nolint:gosec // short fields
		return append([]byte{n<<3 | 2, byte(len(b))}, b...)
	}
	record := append([]byte{1 << 3, 0}, field(3, data)...)
	message := append(field(1, []byte(key)), field(3, record)...)
	sum := md5.Sum(message) //nolint:gosec // as the KPL does
	return slices.Concat([]byte{0xF3, 0x89, 0x9A, 0xC2}, message, sum[:])
}

// TestOneSplitFollowsTheRecords is the shortest story: a split while keys fire, of which all but one continue.
func TestOneSplitFollowsTheRecords(t *testing.T) {
	t.Parallel()
	calm := inheritance{placement: byMD5, seconds: 40}.Run(t)
	for _, p := range []placement{byMD5, byNobody, byHand} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			requireSame(t, calm, inheritance{
				placement: p, seconds: 40, at: map[int]func(*inheritWorld){6: splitAll},
			}.Run(t))
		})
	}
}

// TestMemoryFollowsTheRecords: however a producer places its records, and however the stream is resharded, restarted or
// crashes, the messages are those of a stream that is never resharded.
func TestMemoryFollowsTheRecords(t *testing.T) {
	t.Parallel()
	calm := inheritance{placement: byMD5}.Run(t)
	kinds := map[string]bool{}
	for body := range calm {
		kinds[strings.Join(strings.Fields(body)[:2], " ")] = true
	}
	require.Equal(t, []string{
		"firing held", "firing hot", "firing many", "firing mean", "firing named", "firing once", "firing silent",
		"repeat named", "repeat silent", "resolved held", "resolved hot", "resolved named", "resolved silent",
	}, slices.Sorted(maps.Keys(kinds)))
	type story = map[int]func(*inheritWorld)
	twice := story{6: splitAll, 72: splitAll}
	for name, h := range testkit.Named(map[string]inheritance{
		"const": {placement: byNobody, at: twice},
		"far":   {placement: byHand, at: twice, aggregated: true},
		"quick": {placement: byHand, at: story{6: splitAll, 9: splitAll, 12: splitAll}},
		"merge": {placement: byNobody, at: story{6: splitAll, 72: mergePairs, 110: splitAll}},
		"other merge": {
			placement: byHand, at: story{6: splitAll, 30: splitAll, 72: mergeMiddle, 74: splitAll, 100: mergePairs},
		},
		"two workers": {
			placement: byHand, at: story{
				2: (*inheritWorld).start, 6: splitAll, 72: splitAll, 80: func(w *inheritWorld) { w.end(false) },
			},
		},
		"restarts": {
			placement: byNobody, at: story{
				6: splitAll, 20: restart, 27: restart, 72: splitAll, 75: restart, 91: restart,
			},
		},
		"crashes": {
			placement: byHand, at: story{6: splitAll, 15: crash, 26: crash, 72: splitAll, 79: crash, 93: crash},
		},
		"crashes md5": {
			placement: byMD5, at: story{6: splitAll, 15: crash, 26: crash, 72: splitAll, 79: crash, 93: crash},
		},
	}, 2) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireSame(t, calm, h.Run(t))
		})
	}
}

func requireSame(t *testing.T, want, got map[string]int) {
	t.Helper()
	for body, n := range got {
		require.Equal(t, want[body], n, "said too often: %s", body)
	}
	for body := range want {
		require.NotZero(t, got[body], "never said: %s", body)
	}
}

// refusing lets no snapshot of a shard be saved from a moment on.
type refusing struct {
	http.RoundTripper
	shard atomic.Pointer[string]
}

func (r *refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	if shard := r.shard.Load(); shard != nil && strings.HasSuffix(req.Header.Get("X-Amz-Target"), ".PutItem") {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte(*shard+"#")) {
			return nil, errors.New("no answer")
		}
	}
	return r.RoundTripper.RoundTrip(req)
}

// TestInheritedKeysAreDecidedWithoutAMissingMemory: where the other shard's memory does not come, what is due is said
// after five minutes, and it says that it is not certain; page and log say so, until the memory is there again.
func TestInheritedKeysAreDecidedWithoutAMissingMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{Unthrottled: true})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		line, page := &refusing{RoundTripper: fake}, testdaemon.NewPage()
		codes := func() (out []string) {
			for _, p := range page.Status(t).Problems {
				out = append(out, p.Code)
			}
			return out
		}
		w := &inheritWorld{t: t, fake: fake, change: func(c *config.Config) {
			c.Rules = []alert.RuleConfig{
				{
					Name: "hot", When: "v > 3", Resolve: alert.Stretch{Time: 20 * time.Second},
					Topics: []string{"oncall"},
				},
			}
		}, line: line, page: page}
		w.start()
		time.Sleep(3 * time.Second)
		began := time.Now()
		for _, key := range []string{"a", "b", "c", "d"} { // a and c fall to the lower child
			fake.Kinesis.Put(testkit.TestStream, key, []byte(`{"v":5}`))
		}
		time.Sleep(5 * time.Second)
		_, high := fake.Kinesis.Split(testkit.TestStream, fake.Kinesis.OpenShards(testkit.TestStream)[0])
		time.Sleep(10 * time.Second)
		line.shard.Store(&high)
		resolved := func() (certain, unsure []string) {
			for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
				if m.Attributes["kind"].StringValue != "resolved" {
					continue
				}
				if key := m.Attributes["key"].StringValue; strings.Contains(m.Body,
					"not certain: the memory of "+high) {
					unsure = append(unsure, key)
				} else {
					certain = append(certain, key)
				}
			}
			slices.Sort(certain)
			return certain, slices.Sorted(slices.Values(unsure))
		}
		time.Sleep(time.Until(began.Add(20*time.Second + 4*time.Minute)))
		certain, unsure := resolved()
		require.Len(t, certain, 2, "of the keys that fall to the shard that cannot save")
		require.Empty(t, unsure)
		require.NotContains(t, codes(), "inherited_unsure")
		time.Sleep(2 * time.Minute)
		certain, unsure = resolved()
		require.Len(t, certain, 2)
		require.Len(t, unsure, 2)
		require.Contains(t, codes(), "inherited_unsure")
		require.Equal(t, 1, strings.Count(w.daemons[0].Log.String(), "has not been readable for five minutes"))
		line.shard.Store(nil)
		time.Sleep(20 * time.Minute)
		require.NotContains(t, codes(), "inherited_unsure")
		require.Contains(t, w.daemons[0].Log.String(), "no inherited key is decided any longer")
		w.end(false)
		w.ending.Wait()
	})
}

// TestInheritedKeysAreSettledSoon: the shards ask each other soon, also where no record comes any more, and keep
// nothing for each other in the end.
func TestInheritedKeysAreSettledSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{Unthrottled: true})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		w := &inheritWorld{t: t, fake: fake}
		w.start()
		time.Sleep(3 * time.Second)
		for _, key := range []string{"a", "b", "c", "d"} {
			fake.Kinesis.Put(testkit.TestStream, key, []byte(`{"v":5}`))
		}
		began := time.Now()
		time.Sleep(5 * time.Second)
		splitAll(w)
		time.Sleep(time.Until(began.Add(50 * time.Second)))
		resolved := 0
		for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
			if m.Attributes["rule"].StringValue == "hot" && m.Attributes["kind"].StringValue == "resolved" {
				resolved++
			}
		}
		require.Equal(t, 4, resolved)
		w.end(false)
		w.ending.Wait()
	})
}
