package lanes

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/testkit"
)

func requireEmpty(t *testing.T, l *Lanes) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Zero(t, l.tasks, "places")
	require.Zero(t, l.bytes, "bytes")
	require.Zero(t, l.gathered, "gathered")
	require.Zero(t, l.out, "out")
	require.Empty(t, l.byKey, "lanes")
}

// TestLanesKeepTheOrderOfAKeyAcrossDigests switches between digests and single messages under load. With two topics, of
// which one gathers, each has the key's order.
func TestLanesKeepTheOrderOfAKeyAcrossDigests(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				draw := rand.New(rand.NewPCG(seed, 7)) //nolint:gosec // a test that repeats needs a weak one
				var mu sync.Mutex
				accepted := map[string][]string{}
				d := &testkit.Digester{Every: 200 * time.Millisecond}
				d.Accepted = func(a *alert.Alert) {
					mu.Lock()
					defer mu.Unlock()
					accepted[a.ID[:1]+a.Topic] = append(accepted[a.ID[:1]+a.Topic], a.ID)
				}
				if seed >= 4 {
					d.Topic = "people"
				}
				d.Publishing = func(_ context.Context, a *alert.Alert) error {
					time.Sleep(time.Duration(a.ID[len(a.ID)-1]%7) * 3 * time.Millisecond)
					return nil
				}
				cfg := Config{Parallelism: 3, MaxBytes: (1 << 20), Publisher: d}
				if seed%2 == 0 {
					cfg.DeadLetters = &testkit.LetterBox{}
				}
				w := lanesWorldOf(t, cfg)
				want, tasks, singles := map[string][]string{}, 0, 0
				for range 1500 {
					key := "abcdef"[draw.IntN(6):][:1]
					var ids, topics []string
					for range 1 + draw.IntN(3) {
						topic := d.Topic
						if topic != "" && draw.IntN(2) == 0 {
							topic = "robots"
						}
						topics = append(topics, topic)
						ids = append(ids, fmt.Sprintf("%s-%d", key, singles))
						want[key+topic] = append(want[key+topic], ids[len(ids)-1])
						singles++
					}
					task := alerts(ids...)
					for i, a := range task.Alerts {
						a.Topic = topics[i]
					}
					require.NoError(t, w.submit(t.Context(), key, task))
					tasks++
					if draw.IntN(20) == 0 {
						d.Gathering(draw.IntN(2) == 0)
					}
					if draw.IntN(3) == 0 {
						time.Sleep(time.Duration(draw.IntN(30)) * time.Millisecond)
					}
				}
				require.NoError(t, w.Quiet(t.Context()))
				require.Equal(t, want, accepted)
				require.Len(t, w.Resolved, tasks)
				require.Equal(t, -tasks, w.Kept, "each is freed once")
				require.Positive(t, d.Count())
				require.Less(t, d.Count(), singles)
				requireEmpty(t, w.Lanes)
				w.Stop(errStop)
			})
		})
	}
}

// TestLanesWaitForDigestsOfTheSameTopicOnly: a topic for people gathers, and the queue that gets the same alerts does
// not wait for it. Each topic has the alerts of a key in their order.
func TestLanesWaitForDigestsOfTheSameTopicOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		accepted := map[string][]string{}
		d := &testkit.Digester{On: true, Topic: "people"}
		d.Accepted = func(a *alert.Alert) {
			mu.Lock()
			defer mu.Unlock()
			accepted[a.Topic] = append(accepted[a.Topic], a.ID)
		}
		w := lanesWorldOf(t, Config{Parallelism: 3, MaxBytes: (1 << 20), Publisher: d})
		var want []string
		submit := func() {
			id := fmt.Sprint(len(want))
			want = append(want, id)
			task := &Task{Bytes: 100, Alerts: []*alert.Alert{{ID: id, Topic: "people"}, {ID: id, Topic: "robots"}}}
			require.NoError(t, w.submit(t.Context(), "key", task))
		}
		for range 100 {
			submit()
		}
		synctest.Wait()
		require.Equal(t, map[string][]string{"robots": want}, accepted)
		require.Empty(t, w.Resolved, "the others are in a digest")

		d.Gathering(false)
		submit()
		synctest.Wait()
		require.Equal(t, map[string][]string{"robots": want}, accepted, "nothing overtakes the digest")
		d.Flush()
		synctest.Wait()
		require.Equal(t, map[string][]string{"people": want, "robots": want}, accepted)
		require.Len(t, w.Resolved, len(want))
		requireEmpty(t, w.Lanes)
		w.Stop(errStop)
	})
}

// TestLanesGatheredAlertsTakeNoRoom: one worker and a digest that never goes out.
func TestLanesGatheredAlertsTakeNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testkit.Digester{On: true}
		w := lanesWorldOf(t, Config{Parallelism: 1, MaxBytes: 10_000, Publisher: d})
		const n = 20 * MaxUnresolved
		for i := range n {
			require.NoError(t, w.submit(t.Context(), fmt.Sprint(i%5), alerts(fmt.Sprint(i))))
		}
		synctest.Wait()
		require.Equal(t, n, d.Count())
		require.Equal(t, -n, w.Kept, "no payload is kept")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, w.Quiet(ctx), context.DeadlineExceeded, "what is in a digest is not done")
		require.Empty(t, w.Resolved)
		d.Flush()
		require.NoError(t, w.Quiet(t.Context()))
		require.Len(t, w.Resolved, n)
		requireEmpty(t, w.Lanes)
		w.Stop(errStop)
	})
}

// TestLanesPayloadOfALetterIsKept: with dead letters, what is in a digest may become a letter.
func TestLanesPayloadOfALetterIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &testkit.LetterBox{}
		d := &testkit.Digester{On: true, Answer: func(*alert.Alert) error {
			return &alert.RejectedError{Reason: "too_large", Err: errors.New("no")}
		}}
		w := lanesWorldOf(t, Config{Parallelism: 1, MaxBytes: 450, Publisher: d, DeadLetters: box})
		for i := range 4 {
			task := alerts(fmt.Sprint(i))
			task.Alerts[0].Record.Data = []byte("payload")
			require.NoError(t, w.submit(t.Context(), "a", task))
		}
		synctest.Wait()
		require.Zero(t, w.Kept)
		require.NotNil(t, w.tryReserve(100), "payloads count")
		d.Flush()
		require.NoError(t, w.Quiet(t.Context()))
		require.Len(t, box.All(), 4)
		require.Equal(t, "payload", string(box.All()[3].Record.Data))
		require.Len(t, w.Resolved, 4)
		require.Equal(t, alert.DeadLettered, w.Resolved[0].Result.Outcome)
		requireEmpty(t, w.Lanes)
		w.Stop(errStop)
	})
}

// TestLanesDigestsAreBounded: what waits in digests stops reading, in the end.
func TestLanesDigestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testkit.Digester{On: true}
		w := lanesWorldOf(t, Config{Parallelism: 1, MaxBytes: (1 << 20), Publisher: d})
		submit := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return w.submit(ctx, "a", alerts("x"))
		}
		for range MaxGathered {
			if submit() != nil {
				break
			}
		}
		synctest.Wait()
		require.LessOrEqual(t, d.Count(), MaxGathered)
		require.ErrorIs(t, submit(), context.DeadlineExceeded)
		d.Flush()
		require.NoError(t, submit())
		synctest.Wait()
		d.Flush()
		require.NoError(t, w.Quiet(t.Context()))
		w.Stop(errStop)
	})
}

// TestLanesStopWithDigestsOut: what a digest reports after the end is ignored, and what it reports twice counts once.
func TestLanesStopWithDigestsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &testkit.Digester{On: true}
		w := lanesWorldOf(t, Config{Parallelism: 2, MaxBytes: (1 << 20), Publisher: d})
		for i := range 10 {
			require.NoError(t, w.submit(t.Context(), fmt.Sprint(i%3), alerts(fmt.Sprint(i))))
		}
		synctest.Wait()
		waiting := d.Waiting()
		for _, done := range waiting[:3] {
			done(nil)
			done(nil)
			done(errors.New("and on"))
		}
		require.Len(t, w.Resolved, 3)
		w.Stop(errStop)
		for _, done := range waiting {
			done(nil)
			done(&alert.RejectedError{Reason: "late"})
		}
		require.Len(t, w.Resolved, 3)
		require.Empty(t, w.Refusals)
	})
}

// TestLanesFates is what becomes of an alert, published or gathered, with each kind of answer and of configuration.
func TestLanesFates(t *testing.T) {
	rejected := &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
	old := &alert.GivenUpError{Condition: alert.ConditionAge, Attempts: 4, Err: errors.New("throttled")}
	tired := &alert.GivenUpError{Condition: alert.ConditionRetries, Attempts: 7}
	for name, c := range map[string]struct {
		err           error
		letters, skip bool
		held          bool
		outcome       alert.Outcome
		reason        alert.Reason
		letter        alert.Letter
	}{
		"accepted":               {outcome: alert.Alerted},
		"accepted, with letters": {letters: true, outcome: alert.Alerted},
		"rejected":               {err: rejected, held: true},
		"rejected, skipped":      {err: rejected, skip: true, outcome: alert.Invalid, reason: alert.ReasonRejected},
		"rejected, a letter": {
			err: rejected, letters: true, outcome: alert.DeadLettered, letter: alert.Letter{
				Condition: alert.ConditionRetries, Reason: "invalid_parameter", Attempts: 1,
			},
		},
		"a letter instead of skip": {
			err: rejected, letters: true, skip: true, outcome: alert.DeadLettered, letter: alert.Letter{
				Condition: alert.ConditionRetries, Reason: "invalid_parameter", Attempts: 1,
			},
		},
		"too old": {err: old, outcome: alert.Expired},
		"too old, a letter": {
			err: old, letters: true, outcome: alert.DeadLettered, letter: alert.Letter{
				Condition: alert.ConditionAge, Reason: ReasonRecordAge, Attempts: 4,
			},
		},
		"too often": {err: tired, skip: true, outcome: alert.Expired},
		"too often, a letter": {
			err: tired, letters: true, outcome: alert.DeadLettered, letter: alert.Letter{
				Condition: alert.ConditionRetries, Reason: ReasonRetryAttempts, Attempts: 7,
			},
		},
		"unheard of": {err: errors.New("what"), letters: true, skip: true, held: true},
	} {
		for _, gather := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, gathered %v", name, gather), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					answer := func(a *alert.Alert) error {
						if a.ID == "it" {
							return c.err
						}
						return nil
					}
					d := &testkit.Digester{On: gather, Every: time.Second, Answer: answer}
					d.Publishing = func(_ context.Context, a *alert.Alert) error { return answer(a) }
					box := &testkit.LetterBox{}
					cfg := Config{Parallelism: 1, MaxBytes: (1 << 20), Publisher: d, Skip: c.skip}
					if c.letters {
						cfg.DeadLetters = box
					}
					w := lanesWorldOf(t, cfg)
					it := alerts("it")
					it.Alerts[0].Rule, it.Alerts[0].Topic = "rule", "topic"
					require.NoError(t, w.submit(t.Context(), "a", it))
					time.Sleep(2 * time.Second)
					d.Gathering(false)
					next := alerts("next")
					next.Alerts[0].Topic = "topic"
					require.NoError(t, w.submit(t.Context(), "a", next))
					require.NoError(t, w.submit(t.Context(), "b", alerts("other")))
					require.NoError(t, w.Quiet(t.Context()))
					w.Stop(errStop)
					if c.held {
						require.Equal(t, []string{"it"}, w.Held)
						require.Len(t, w.Resolved, 1, "the other key")
						require.Equal(t, 1, w.heldKeys())
						require.Empty(t, box.All())
						return
					}
					require.Len(t, w.Resolved, 3)
					require.Equal(t, c.outcome, it.Result.Outcome)
					require.Equal(t, c.reason, it.Result.Reason)
					requireEmpty(t, w.Lanes)
					if c.outcome != alert.DeadLettered {
						require.Empty(t, box.All())
						return
					}
					require.Len(t, box.All(), 1)
					got := *box.All()[0]
					require.Equal(t, c.err.Error(), got.Detail)
					got.Detail = ""
					c.letter.AlertID, c.letter.Rule, c.letter.Topic = "it", "rule", "topic"
					require.Equal(t, c.letter, got)
				})
			})
		}
	}
}

// TestLanesMostConsequentialOutcome: a record with several alerts has one outcome.
func TestLanesMostConsequentialOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := lanesWorldOf(t, Config{Parallelism: 1, MaxBytes: (1 << 20), Skip: true, Publisher: publishFunc(
			func(_ context.Context, a *alert.Alert) error {
				switch a.ID {
				case "old":
					return &alert.GivenUpError{Condition: alert.ConditionAge}
				case "bad":
					return &alert.RejectedError{Reason: "x"}
				}
				return nil
			})})
		for _, ids := range [][]string{{"old", "bad"}, {"bad", "old"}, {"fine", "bad"}, {"bad", "fine", "old"}} {
			require.NoError(t, w.submit(t.Context(), "a", alerts(ids...)))
		}
		require.NoError(t, w.Quiet(t.Context()))
		var got []alert.Outcome
		for _, task := range w.Resolved {
			got = append(got, task.Result.Outcome)
		}
		require.Equal(t, []alert.Outcome{alert.Invalid, alert.Invalid, alert.Alerted, alert.Alerted}, got)
		require.Equal(t, alert.ReasonRejected, w.Resolved[1].Result.Reason)
		w.Stop(errStop)
	})
}

// TestLanesLettersHoldTheirKeysOnly: the destination stalls, and the only publishing worker continues with the
// others.
func TestLanesLettersHoldTheirKeysOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &testkit.LetterBox{Sending: func(ctx context.Context, _ *alert.Letter) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		w := lanesWorldOf(t, Config{Parallelism: 1, MaxBytes: (1 << 20), DeadLetters: box, Publisher: publishFunc(
			func(_ context.Context, a *alert.Alert) error {
				if a.ID == "poison" {
					return &alert.RejectedError{Reason: "x"}
				}
				return nil
			})})
		for i := range 5 {
			require.NoError(t, w.submit(t.Context(), fmt.Sprint("poisoned-", i), alerts("poison", "behind")))
		}
		record := &Task{Bytes: 100, Letter: &alert.Letter{Reason: alert.ReasonNotJSON}}
		require.NoError(t, w.submit(t.Context(), "invalid", record))
		for i := range 100 {
			require.NoError(t, w.submit(t.Context(), fmt.Sprint(i%4), alerts("fine")))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, w.Resolved, 100)
		require.Zero(t, w.heldKeys(), "they wait for the destination, not for a person")
		w.Stop(errStop)
		require.Len(t, w.Resolved, 100)
		require.Empty(t, w.Refusals)
	})
}
