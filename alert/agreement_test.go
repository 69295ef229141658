package alert_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/testkit"
)

// zeroFNV is a text that brings FNV-1a to 0, behind the byte of its kind; NULs behind it keep it there.
const zeroFNV = `\f\u0002<\b\u0004\t\u000ez\u0015v\u0001\u001d\b\u0018\u00134\n?\u0018\u0019\u0013\u0011`

func distinctUsers(bound string) alert.RuleConfig {
	return alert.RuleConfig{
		Name: "many-users", When: `user != ""`, Key: `"all"`,
		Window: alert.WindowConfig{
			Length: time.Hour, Step: 5 * time.Minute, Aggregate: "distinct", Of: "user",
			Is: bound,
		},
	}
}

// Texts that were crafted to collide count separately, and no producer can craft any without the application's key.
func TestDistinctCountsWhatWasMadeToLookAlike(t *testing.T) {
	t.Parallel()
	s := newStory(t, distinctUsers("> 5"))
	for i := range 6 {
		s.at(float64(i), "k", `{"user":"`+zeroFNV+strings.Repeat(`\u0000`, i)+`"}`)
	}
	s.said("firing many-users all at 5s")
}

// What is hashed is hashed under the application's key, which goes with the snapshot.
func TestHashesAreKeyed(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("k", 2000)
	state := func(key alert.HashKey) []byte {
		p := remembering(t, []alert.RuleConfig{
			distinctUsers("> 5"),
			{Name: "long", When: `user != ""`, Key: "user", Dedup: time.Hour},
		})
		e := p.Shard(shardID)
		e.Agree(key, alert.StateFormat)
		e.Evaluate(record("1", `{"user":"`+long+`"}`))
		return e.State()
	}
	one, two := alert.HashKey{1}, alert.HashKey{2}
	require.NotContains(t, string(state(one)), long)
	for _, kept := range [][]byte{alert.DistinctHash(one, long), alert.KeptKey(one, long)} {
		require.Contains(t, string(state(one)), string(kept))
		require.NotContains(t, string(state(two)), string(kept), "the same under another key")
	}
}

// Messages show the first part of a long key. Two keys with the same first part are two keys, and each costs as much as
// a short one.
func TestLongKeysAreKeptShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: "v > 0", Key: "k", Dedup: time.Hour}))
	long := strings.Repeat("ä", 400_000)
	alerts := func(key string) []*alert.Alert {
		return slices.Clone(w.evaluator.Evaluate(record("1", fmt.Sprintf(`{"v":1,"k":%q}`, key))).Alerts)
	}
	first, second := alerts(long+"1"), alerts(long+"2")
	require.Len(t, first, 1)
	require.Len(t, second, 1)
	require.Empty(t, alerts(long+"1"), "dedup knows it again")
	require.NotEqual(t, first[0].Key, second[0].Key)
	for _, a := range []*alert.Alert{first[0], second[0]} {
		require.Less(t, len(a.Key), 300)
		require.True(t, strings.HasPrefix(a.Key, strings.Repeat("ä", 100)))
		require.True(t, utf8.ValidString(a.Key))
	}
	require.Less(t, len(w.evaluator.State()), 2000)
	require.Equal(t, alerts(strings.Repeat("s", 1024))[0].Key, strings.Repeat("s", 1024),
		"a partition key can be as long")
}

// An upgraded worker continues its counts, under the former hash until the values that it saw have left the window. It
// makes the same alerts as a worker that was not upgraded.
func TestUpgradeOfTheFormatChangesNoAlert(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules := append(everyRule(), alert.RuleConfig{
			Name: "long", When: "v > 2", Key: `repeat(name, 2000)`,
			Dedup: 5 * time.Second,
		})
		records := drawRecords(t, 60)
		silences := everySilence()
		play := func(format func(i int) int, restart func(i int) bool) []string {
			p := silencing(t, rules, silences)
			e := p.Shard(shardID)
			e.Agree(alert.HashKey{7}, format(0))
			var all []string
			for i, rec := range records {
				if restart(i) {
					state := e.State()
					require.EqualValues(t, format(max(i-1, 0)), state[3])
					e = p.Shard(shardID)
					e.Agree(alert.HashKey{7}, format(max(i-1, 0)))
					require.NoError(t, e.Restore(state))
					require.Equal(t, state, e.State())
				}
				e.Agree(alert.HashKey{7}, format(i))
				for _, a := range e.Evaluate(rec).Alerts {
					// The plain format loses the last bits of a sum.
					all = append(all, fmt.Sprint(a.Rule, a.Kind, a.At, fmt.Sprintf(" %.9g ", a.Value), a.Suppressed,
						a.Record.SequenceNumber))
				}
			}
			return all
		}
		switched, restarts := rapid.IntRange(0, len(records)).Draw(t, "switched"),
			rapid.IntRange(1, 9).Draw(t, "restarts")
		from := rapid.IntRange(1, alert.StateFormat-1).Draw(t, "from")
		to := rapid.IntRange(from+1, alert.StateFormat).Draw(t, "to")
		upgraded := func(i int) int {
			if i < switched {
				return from
			}
			return to
		}
		never := func(int) bool { return false }
		require.Equal(t, play(upgraded, never), play(upgraded, func(i int) bool { return i%restarts == 0 }))
		// Only later formats store a key's last alert, its severity, and the silences that covered it.
		silences = silences[:1]
		rules = slices.DeleteFunc(rules, func(r alert.RuleConfig) bool {
			return r.Dedup > 0 || !r.RateLimit.IsZero() || strings.Contains(r.Severity, "?")
		})
		require.Equal(t, play(func(int) int { return from }, never), play(upgraded, never))
	})
}

// A worker never returns to an earlier format, even if it has just started and has read only some of the others.
func TestLaterFormatIsKept(t *testing.T) {
	t.Parallel()
	s := newStory(t, everyRule()...)
	s.evaluator.Agree(alert.HashKey{1}, 2)
	s.at(1, "k", `{"v":9,"name":"n"}`)
	state := s.evaluator.State()
	restarted := newStory(t, everyRule()...).evaluator
	restarted.Agree(alert.HashKey{2}, 1)
	require.NoError(t, restarted.Restore(state))
	require.Equal(t, state, restarted.State(), "with the key that it was written under")
	child := newStory(t, everyRule()...).evaluator
	child.Agree(alert.HashKey{2}, 1)
	require.NoError(t, child.Inherit([][]byte{state}, alert.Heir{Owns: func(string) bool { return true }}))
	require.Equal(t, state[:4], child.State()[:4])
	require.Contains(t, string(child.State()), string(append([]byte{1}, make([]byte, 15)...)))
}

// Whatever producers write, what rules remember fits into a snapshot and into memory. The newest keys
// are kept, and a restart keeps the same ones.
func TestMemoryIsBoundedInBytes(t *testing.T) {
	testkit.Long(t)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same in every run
	for name, c := range map[string]struct {
		rule                   alert.RuleConfig
		rules, format, records int
		data                   func(i int) string
	}{
		"long keys, before all workers shorten them": {
			alert.RuleConfig{Name: "r", When: "v > 0", Key: "k", Dedup: time.Hour},
			1, 1, 140,
			func(i int) string { return fmt.Sprintf(`{"v":1,"k":"%08d%s"}`, i, strings.Repeat("x", 900_000)) },
		},
		"keys of a kilobyte": {
			alert.RuleConfig{Name: "r", When: "v > 0", Key: "k", Dedup: time.Hour},
			1, 2, 40_000,
			func(i int) string { return fmt.Sprintf(`{"v":1,"k":"%08d%s"}`, i, strings.Repeat("x", 1000)) },
		},
		"values": {
			alert.RuleConfig{
				Name: "r", When: "v > 0", Key: "v % 20",
				Window: alert.WindowConfig{Length: time.Hour, Aggregate: "distinct", Of: "k", Is: "> 9000"},
			},
			20, 2, 120_000,
			func(i int) string { return fmt.Sprintf(`{"v":%d,"k":%d}`, i+1, random.Uint32()) },
		},
		"panes": {
			alert.RuleConfig{
				Name: "r", When: "v > 0", Key: "v % 600",
				Window: alert.WindowConfig{
					Length: 2 * time.Hour, Step: time.Minute, Aggregate: "sum", Of: "v",
					Is: "> 1e12",
				},
			},
			20, 2, 60_000,
			func(i int) string { return fmt.Sprintf(`{"v":%d}`, i+1) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			config := alert.Config{Topics: map[string]alert.TopicConfig{"oncall": {}}}
			for i := range c.rules {
				c.rule.Name = fmt.Sprint("r", i)
				config.Rules = append(config.Rules, c.rule)
			}
			p, err := alert.NewOf(config, alert.Deps{
				Stream: streamARN, Log: zap.NewNop(),
				Registerer: prometheus.NewRegistry(),
			})
			require.NoError(t, err)
			e := p.Shard(shardID)
			e.Agree(alert.HashKey{}, c.format)
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for i := range c.records {
				rec := record(fmt.Sprint(i), c.data(i))
				rec.Arrival = noon().Add(time.Duration(i) * 60 * time.Millisecond)
				e.Evaluate(rec)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			state := e.State()
			grown := int64(after.HeapAlloc) - int64(before.HeapAlloc) //nolint:gosec // MiB
			t.Logf("%d MiB on the heap, %d MiB stored", grown>>20, len(state)>>20)
			require.Less(t, grown, int64(64<<20))
			require.Less(t, len(state), alert.MaxState)
			require.Greater(t, len(state), 4<<20, "it came to the bound")
			again := p.Shard(shardID)
			again.Agree(alert.HashKey{}, c.format)
			require.NoError(t, again.Restore(state))
			require.True(t, bytes.Equal(state, again.State()))
		})
	}
}
