package consumer

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

// lanesWorld runs lanes with a publisher of the test's making and notes what was resolved and refused.
type lanesWorld struct {
	*lanes
	mu       sync.Mutex
	resolved []*task
	held     []string
	refusals []refusal
	kept     int // tasks that keep something of their page
}

func (w *lanesWorld) taskFreed(*task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kept--
}

func (w *lanesWorld) taskResolved(t *task) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resolved = append(w.resolved, t)
}

func (w *lanesWorld) refused(r refusal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refusals = append(w.refusals, r)
	if r.fate == fateHeld {
		w.held = append(w.held, r.id)
	}
}

func (w *lanesWorld) heldKeys() int {
	n, _, _ := w.waiting()
	return n
}

func newLanesWorld(t *testing.T, parallelism int, publish func(context.Context, *alert.Alert) error) *lanesWorld {
	t.Helper()
	return lanesWorldOf(t, laneConfig{parallelism: parallelism, maxBytes: 1 << 20, publisher: publishFunc(publish)})
}

func lanesWorldOf(t *testing.T, cfg laneConfig) *lanesWorld {
	t.Helper()
	w := &lanesWorld{}
	cfg.owner = w
	w.lanes = newLanes(t.Context(), cfg)
	return w
}

// submit queues a task when there is room for it.
func (w *lanesWorld) submit(ctx context.Context, key string, t *task) error {
	if err := w.reserve(ctx, t.bytes, time.Hour); err != nil {
		return err
	}
	t.key = key
	w.lanes.submit(t)
	return nil
}

func alerts(ids ...string) *task {
	t := &task{bytes: 100}
	for _, id := range ids {
		t.alerts = append(t.alerts, &alert.Alert{ID: id})
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
		require.NoError(t, w.quiet(t.Context()))
		require.Equal(t, want, published)
		require.Equal(t, 3, most, "three keys at once, not more")
		require.Len(t, w.resolved, 200)
		w.stop(errStop)
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
		require.NoError(t, w.quiet(t.Context()))
		require.Len(t, w.resolved, 50, "the other key went on, with the only worker")
		require.Equal(t, []string{"poison", "panic"}, w.held)
		require.Equal(t, 2, w.heldKeys())
		w.stop(errStop)
	})
}

func TestLanesStopReadingWhenTooMuchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLanesWorld(t, 10, func(ctx context.Context, _ *alert.Alert) error {
			<-ctx.Done()
			return context.Cause(ctx)
		})
		for i := range maxUnresolved {
			require.NoError(t, w.submit(t.Context(), fmt.Sprint(i), alerts("x")))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.submit(ctx, "one more", alerts("x")), context.DeadlineExceeded)
		w.stop(errStop)
		require.Empty(t, w.resolved)
		require.ErrorIs(t, w.submit(t.Context(), "after stop", alerts("x")), errStop)
	})
}

// What a topic refuses while the process stops is left to the next owner: no key stands in the way of a drain, nothing is
// told as held or resolved, and the keys whose alerts go elsewhere are drained.
func TestLanesLeaveWhatATopicRefusesAtAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLanesWorld(t, 1, func(_ context.Context, a *alert.Alert) error {
			if a.Topic == "gone" {
				return alert.ErrHeld
			}
			return nil
		})
		left := alerts("left", "behind")
		left.alerts[0].Topic = "gone"
		require.NoError(t, w.submit(t.Context(), "a", left))
		require.NoError(t, w.submit(t.Context(), "a", alerts("later")))
		require.NoError(t, w.submit(t.Context(), "b", alerts("fine")))
		require.NoError(t, w.quiet(t.Context()))
		require.True(t, w.leaves())
		require.Len(t, w.resolved, 1)
		require.Equal(t, "fine", w.resolved[0].alerts[0].ID)
		require.Empty(t, w.refusals)
		require.Zero(t, w.heldKeys())
		w.stop(errStop)
	})
}

var errStop = errors.New("stopping")

type publishFunc func(context.Context, *alert.Alert) error

func (f publishFunc) Publish(ctx context.Context, a *alert.Alert) error { return f(ctx, a) }
func (publishFunc) Gather(*alert.Alert, func(error)) bool               { return false }
