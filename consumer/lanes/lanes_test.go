package lanes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// lanesWorld runs lanes with a publisher of the test's making and notes what was settled and refused.
type lanesWorld struct {
	*Lanes
	mu       sync.Mutex
	Resolved []*Task
	Held     []string
	Refusals []Refusal
	Kept     int // tasks that keep something of their page
}

func (w *lanesWorld) Freed(*Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Kept--
}

func (w *lanesWorld) Settled(t *Task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Resolved = append(w.Resolved, t)
}

func (w *lanesWorld) Refused(r Refusal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Refusals = append(w.Refusals, r)
	if r.Disposition == Held {
		w.Held = append(w.Held, r.ID)
	}
}

func (w *lanesWorld) heldKeys() int {
	n, _, _ := w.Waiting()
	return n
}

func newLanesWorld(t *testing.T, parallelism int, publish func(context.Context, *alert.Alert) error) *lanesWorld {
	t.Helper()
	return lanesWorldOf(t, Config{Parallelism: parallelism, MaxBytes: 1 << 20, Publisher: publishFunc(publish)})
}

func lanesWorldOf(t *testing.T, cfg Config) *lanesWorld {
	t.Helper()
	w := &lanesWorld{}
	cfg.Owner = w
	w.Lanes = New(t.Context(), cfg)
	return w
}

// submit queues a task when there is room for it.
func (w *lanesWorld) submit(ctx context.Context, key string, t *Task) error {
	if err := w.Reserve(ctx, t.Bytes, time.Hour); err != nil {
		return err
	}
	t.Key = key
	w.Submit(t)
	return nil
}

func alerts(ids ...string) *Task {
	t := &Task{Bytes: 100}
	for _, id := range ids {
		t.Alerts = append(t.Alerts, &alert.Alert{ID: id})
	}
	return t
}

func TestLanesKeepTheOrderOfAKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		published := map[string][]string{}
		atOnce, most := 0, 0
		w := newLanesWorld(t, 3, func(_ context.Context, a *alert.Alert) error {
			mu.Lock()
			if atOnce++; atOnce > most {
				most = atOnce
			}
			mu.Unlock()
			time.Sleep(time.Duration(len(a.ID)%7) * 10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			atOnce--
			published[a.ID[:1]] = append(published[a.ID[:1]], a.ID)
			return nil
		})
		want := map[string][]string{}
		for i := range 200 {
			key := string(rune('a' + i/4%8)) // neighbours share a key
			id := fmt.Sprintf("%s%0*d", key, 1+i%5, i)
			want[key] = append(want[key], id)
			require.NoError(t, w.submit(t.Context(), key, alerts(id)))
		}
		require.NoError(t, w.Quiet(t.Context()))
		require.Equal(t, want, published)
		require.Equal(t, 3, most, "three keys at once, not more")
		require.Len(t, w.Resolved, 200)
		w.Stop(errStop)
	})
}

func TestLanesHoldOnlyTheKeyOfARejectedAlert(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLanesWorld(t, 1, func(_ context.Context, a *alert.Alert) error {
			switch a.ID {
			case "poison":
				return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
			case "panic":
				panic("template")
			}
			return nil
		})
		require.NoError(t, w.submit(t.Context(), "a", alerts("poison")))
		require.NoError(t, w.submit(t.Context(), "a", alerts("behind-poison")))
		require.NoError(t, w.submit(t.Context(), "b", alerts("first", "panic", "never")))
		for i := range 50 {
			require.NoError(t, w.submit(t.Context(), "c", alerts(fmt.Sprint(i))))
		}
		require.NoError(t, w.Quiet(t.Context()))
		require.Len(t, w.Resolved, 50, "the other key went on, with the only worker")
		require.Equal(t, []string{"poison", "panic"}, w.Held)
		require.Equal(t, 2, w.heldKeys())
		w.Stop(errStop)
	})
}

func TestLanesStopReadingWhenTooMuchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLanesWorld(t, 10, func(ctx context.Context, _ *alert.Alert) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		for i := range MaxUnresolved {
			require.NoError(t, w.submit(t.Context(), fmt.Sprint(i), alerts("x")))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.submit(ctx, "one more", alerts("x")), context.DeadlineExceeded)
		w.Stop(errStop)
		require.Empty(t, w.Resolved)
		require.ErrorIs(t, w.submit(t.Context(), "after stop", alerts("x")), errStop)
	})
}

// What a topic refuses while the process stops is left to the next owner: no key stands in the way of a drain, nothing
// is reported as held or settled, and the keys whose alerts go elsewhere are drained.
func TestLanesLeaveWhatATopicRefusesAtAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLanesWorld(t, 1, func(_ context.Context, a *alert.Alert) error {
			if a.Topic == "gone" {
				return alert.ErrHeld
			}
			return nil
		})
		left := alerts("left", "behind")
		left.Alerts[0].Topic = "gone"
		require.NoError(t, w.submit(t.Context(), "a", left))
		require.NoError(t, w.submit(t.Context(), "a", alerts("later")))
		require.NoError(t, w.submit(t.Context(), "b", alerts("fine")))
		require.NoError(t, w.Quiet(t.Context()))
		require.True(t, w.Leaves())
		require.Len(t, w.Resolved, 1)
		require.Equal(t, "fine", w.Resolved[0].Alerts[0].ID)
		require.Empty(t, w.Refusals)
		require.Zero(t, w.heldKeys())
		w.Stop(errStop)
	})
}

var errStop = errors.New("stopping")

type publishFunc func(context.Context, *alert.Alert) error

func (f publishFunc) Publish(ctx context.Context, a *alert.Alert) error { return f(ctx, a) }
func (publishFunc) Gather(*alert.Alert, func(error)) bool               { return false }
