package cli

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/testkit"
)

// stateful rules, whose memory has to survive a reshard: one alert a key and day.
const oncePerKey = `
stream: {name: ExampleOutputStream}
rules:
  - {name: once, when: score > 3, key: partition_key, dedup: 24h, topics: [t]}
topics: {t: {arn: "arn:aws:sns:us-east-1:000000000000:t", rate: unlimited, email: false}}
`

func putScores(fake *fakeaws.AWS, keys int) {
	for i := range keys {
		fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("patient-%d", i), []byte(`{"kind":"reading","score":4}`))
	}
}

// A stream is read across reshards, parents before their children, which inherit what the parents remember: every key
// alerts once, although its records lie in three generations of shards.
func TestBacktestStreamAcrossReshards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		putScores(fake, 50)
		time.Sleep(10 * time.Minute)
		low, high := fake.Kinesis.Split(testkit.TestStream, testkit.Shard0)
		time.Sleep(time.Minute)
		putScores(fake, 50)
		time.Sleep(10 * time.Minute)
		fake.Kinesis.Merge(testkit.TestStream, low, high)
		time.Sleep(time.Minute)
		putScores(fake, 60)
		time.Sleep(time.Minute)

		r := backtestRun{fake: fake}
		require.NoError(t, r.Run(t.Context(), "--config", testkit.ConfigFile(t, oncePerKey), "--from", "-1h", "--json"))
		got := r.report(t)
		require.Equal(t, 160, got.Records)
		require.Equal(t, 60, got.Rules[0].Alerts)
		require.Equal(t, map[string]int{"dedup": 100}, got.Rules[0].Suppressed)
		require.Equal(t, 60, got.Topics[0].Messages)
		require.Empty(t, fake.SNS.Messages("arn:aws:sns:us-east-1:000000000000:t"))

		// Only what arrived in between counts; what was before is not known.
		began := time.Now()
		r = backtestRun{fake: fake}
		require.NoError(t, r.Run(t.Context(), "--config", testkit.ConfigFile(t, oncePerKey), "--from", "-15m", "--to",
			"-5m", "--json"))
		got = r.report(t)
		require.Equal(t, 50, got.Records)
		require.Equal(t, 50, got.Rules[0].Alerts)
		require.Less(t, time.Since(began), 10*time.Second)
	})
}

// Records of several shards are evaluated in the order of their arrival, so that time is the same for all: a rule about
// the whole stream is not misled by a shard that is read first.
func TestBacktestStreamInOrderOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		keys := map[string]string{} // one for each shard
		for i := range 10 {
			shard, _ := fake.Kinesis.Put(testkit.TestStream, fmt.Sprint(i), []byte(`{"score":1}`))
			keys[shard] = fmt.Sprint(i)
		}
		require.Len(t, keys, 2)
		for minute := range 90 { // half an hour each, in turn: a shard alone is silent for long
			key := keys[testkit.Shard0]
			if minute/30 == 1 {
				key = keys[testkit.Shard1]
			}
			time.Sleep(time.Minute)
			fake.Kinesis.Put(testkit.TestStream, key, []byte(`{"score":1}`))
		}
		time.Sleep(20 * time.Minute)
		putScores(fake, 1)
		time.Sleep(time.Second)
		config := testkit.ConfigFile(t, `
stream: {name: ExampleOutputStream}
rules:
  - {name: silence, absence: {after: 15m, of: stream}, topics: [t]}
topics: {t: {arn: "arn:aws:sns:us-east-1:000000000000:t"}}
`)
		r := backtestRun{fake: fake}
		require.NoError(t, r.Run(t.Context(), "--config", config, "--from", "-3h", "--json"))
		got := r.report(t)
		require.Equal(t, 10+90+1, got.Records)
		require.Equal(t, map[string]int{"firing": 1, "resolved": 1}, got.Rules[0].Kinds)
	})
}

// What Kinesis throttles is waited out; an iterator that expired is replaced; nothing is lost or read twice by it.
func TestBacktestStreamThrottled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		payload := []byte(`{"kind":"reading","score":4,"text":"` + strings.Repeat("x", 5000) + `"}`)
		for i := range 4000 {
			fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("k%d", i), payload)
		}
		fake.Kinesis.EmptyPages(3)
		time.Sleep(time.Second)
		calls := 0
		fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.Delay,
			When: func() bool {
				if calls++; calls == 5 {
					fake.Kinesis.ExpireIterators()
				}
				return false
			},
		})
		throttle := fakeaws.Throttle(fakeaws.ServiceKinesis, "")
		throttle.Times = 20
		fake.Faults.Add(throttle)

		began := time.Now()
		r := backtestRun{fake: fake}
		require.NoError(t, r.Run(t.Context(), "--config", testkit.ConfigFile(t, oncePerKey), "--from", "-1h", "--json"))
		got := r.report(t)
		require.Equal(t, map[string]int{"alerted": 4000}, got.Outcomes)
		require.Greater(t, time.Since(began), 20*time.Second, "20 MB at 1 MB a second")

		slow := time.Since(began)
		began = time.Now()
		r = backtestRun{fake: fake}
		require.NoError(t, r.Run(t.Context(), "--config", testkit.ConfigFile(t, oncePerKey), "--from", "-1h", "--fast"))
		require.Less(t, time.Since(began), slow/2)
		require.Greater(t, time.Since(began), 9*time.Second, "2 MB a second are all that there is")
	})
}

// A reader that is not fast leaves the daemon most of the five calls a second, and is not throttled itself.
func TestBacktestStreamLeavesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		for range 1000 {
			fake.Kinesis.Put(testkit.TestStream, "k", []byte(`{"score":4,"text":"`+strings.Repeat("x", 10_000)+`"}`))
		}
		time.Sleep(time.Second)
		fake.Kinesis.EmptyPages(2)
		var at []time.Time
		fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.Delay,
			When: func() bool {
				at = append(at, time.Now())
				return false
			},
		})
		var r backtestRun
		r.fake = fake
		require.NoError(t, r.Run(t.Context(), "--config", testkit.ConfigFile(t, oncePerKey), "--from", "-1h"))
		require.Greater(t, len(at), 4)
		for i := range at[1:] {
			require.GreaterOrEqual(t, at[i+1].Sub(at[i]), time.Second)
		}
		require.Greater(t, at[1].Sub(at[0]), 5*time.Second,
			"the first page had 5 MB, which others need time to read, too")
	})
}

// A missing permission and a stream that does not exist are reported as such.
func TestBacktestStreamRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		config := testkit.ConfigFile(t, oncePerKey)
		run := func(want string) {
			t.Helper()
			r := backtestRun{fake: fake}
			require.ErrorContains(t, r.Run(t.Context(), "--config", config, "--from", "-1h"), want)
			require.Empty(t, r.stdout.String())
		}
		run("rules backtest: stream " + testkit.TestStream + " does not exist in this region and account")
		fake.Kinesis.Create(testkit.TestStream, 1)
		putScores(fake, 1)
		for operation, want := range map[string]string{
			"ListShards": "permission kinesis:ListShards on stream " + testkit.TestStream + " is missing",
			"GetRecords": "needs kinesis:GetShardIterator and kinesis:GetRecords",
		} {
			granted := fake.Faults.Add(fakeaws.Fault{
				Service: fakeaws.ServiceKinesis, Operation: operation, Kind: fakeaws.Before,
				Err: &fakeaws.Error{Code: "AccessDeniedException"},
			})
			run(want)
			granted()
		}
		began := time.Now()
		fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.Partition,
		})
		run("this usually passes; try again")
		require.Less(t, time.Since(began), rehearse.BacktestPatience+time.Minute)
	})
}

// Ctrl-C in the middle of a stream ends at once, with what was found.
func TestBacktestStreamInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 3)
		for i := range 3000 {
			fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("k%d", i),
				[]byte(`{"score":4,"text":"`+strings.Repeat("x", 3000)+`"}`))
		}
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		r := backtestRun{fake: fake}
		require.ErrorContains(t, r.Run(ctx, "--config", testkit.ConfigFile(t, oncePerKey), "--from", "-1h", "--json"),
			"rules backtest: interrupted after ")
		got := r.report(t)
		require.Equal(t, "interrupted", got.Incomplete)
		require.Positive(t, got.Records)
		require.Less(t, got.Records, 3000)
	})
}

// KPL aggregates are taken apart; what of them cannot be read counts.
func TestBacktestStreamAggregates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		fake.Kinesis.Put(testkit.TestStream, "outer", testkit.Aggregate("inner", `{"score":1}`, "", `{"score":5}`))
		time.Sleep(time.Second)
		r := backtestRun{fake: fake}
		require.NoError(t, r.Run(t.Context(), "--config", testkit.ConfigFile(t, oncePerKey), "--from", "-1h", "--json"))
		got := r.report(t)
		require.Equal(t, map[string]int{"alerted": 1, "unmatched": 1, "invalid": 1}, got.Outcomes)
		require.Equal(t, map[string]int{"bad_aggregate": 1}, got.Invalid)
	})
}
