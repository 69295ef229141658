package consumer

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const mib = 1 << 20

func TestBudgetLeavesRoomForOthers(t *testing.T) {
	b := newBudget(64 * mib)
	n, err := b.take(t.Context(), 10*mib, minCredit)
	require.NoError(t, err)
	require.Equal(t, 10*mib, n)
	for range 20 { // greedy shards that never give back
		n, err = b.take(t.Context(), 10*mib, minCredit)
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, n, minCredit, "a healthy shard still gets a small page")
	require.LessOrEqual(t, b.inUse(), 64*mib)
}

func TestBudgetPageThatDoesNotFitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(4 * mib)
		first, err := b.take(t.Context(), mib, minCredit)
		require.NoError(t, err)
		big, err := b.admit(t.Context(), credit{bytes: first}, 10*mib) // larger than the whole budget: admitted, it is the only one
		require.NoError(t, err)

		admitted := make(chan credit)
		go func() {
			n, err := b.take(t.Context(), mib, minCredit)
			if err != nil {
				return
			}
			c, err := b.admit(t.Context(), credit{bytes: n}, 10*mib)
			if err == nil {
				admitted <- c
			}
		}()
		synctest.Wait()
		select {
		case <-admitted:
			t.Fatal("two pages overdraw at once")
		default:
		}
		b.settle(big, 0)
		b.settle(<-admitted, 0)
		require.Zero(t, b.inUse())
	})
}

func TestBudgetWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(minCredit)
		held, err := b.take(t.Context(), minCredit, minCredit)
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStopping)
		_, err = b.take(ctx, mib, minCredit)
		require.ErrorIs(t, err, errStopping)
		b.give(held)
		require.Zero(t, b.inUse())
	})
}

// TestBudgetIsKept draws pages and checks that the credits handed out never exceed the pool.
func TestBudgetIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBudget(8 * mib)
		var held []credit
		t.Repeat(map[string]func(*rapid.T){
			"page": func(t *rapid.T) {
				granted, _ := b.tryTake(rapid.IntRange(1, 10*mib).Draw(t, "want"), rapid.IntRange(1, 10*mib).Draw(t, "least"))
				if granted == 0 {
					t.Skip("full")
				}
				c, wait := b.tryAdmit(credit{bytes: granted}, rapid.IntRange(0, 10*mib).Draw(t, "size"))
				if wait != nil {
					b.give(granted)
					return
				}
				held = append(held, c)
			},
			"release": func(t *rapid.T) {
				if len(held) == 0 {
					t.Skip("nothing held")
				}
				b.settle(held[0], 0)
				held = held[1:]
			},
			"": func(t *rapid.T) {
				sum := 0
				for _, c := range held {
					sum += c.bytes
				}
				require.Equal(t, sum, b.inUse())
				require.LessOrEqual(t, sum, 8*mib)
			},
		})
	})
}

func TestBudgetOverdraftIsPaidBeforeTheNext(t *testing.T) {
	b := newBudget(4 * mib)
	first, _ := b.tryTake(minCredit, minCredit)
	second, _ := b.tryTake(minCredit, minCredit)
	c, wait := b.tryAdmit(credit{bytes: first}, 10*mib)
	require.Nil(t, wait)
	b.settle(c, 10*mib) // its records wait for SNS
	_, wait = b.tryAdmit(credit{bytes: second}, 10*mib)
	require.NotNil(t, wait, "a second page beyond the pool")
	b.give(10 * mib)
	_, wait = b.tryAdmit(credit{bytes: second}, 10*mib)
	require.Nil(t, wait)
}
