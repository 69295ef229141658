package read

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const Mib = 1 << 20

func TestBudgetLeavesRoomForOthers(t *testing.T) {
	b := NewCredits(64 * Mib)
	n, err := b.take(t.Context(), 10*Mib, MinCredit)
	require.NoError(t, err)
	require.Equal(t, 10*Mib, n)
	for range 20 { // greedy shards that never give back
		n, err = b.take(t.Context(), 10*Mib, MinCredit)
		require.NoError(t, err)
	}
	require.GreaterOrEqual(t, n, MinCredit, "a healthy shard still gets a small page")
	require.LessOrEqual(t, b.InUse(), 64*Mib)
}

func TestBudgetPageThatDoesNotFitWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewCredits(4 * Mib)
		first, err := b.take(t.Context(), Mib, MinCredit)
		require.NoError(t, err)
		// larger than the whole budget: admitted, it is the only one
		big, err := b.admit(t.Context(), Credit{bytes: first}, 10*Mib)
		require.NoError(t, err)

		admitted := make(chan Credit)
		go func() {
			n, err := b.take(t.Context(), Mib, MinCredit)
			if err != nil {
				return
			}
			c, err := b.admit(t.Context(), Credit{bytes: n}, 10*Mib)
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
		b.Settle(big, 0)
		b.Settle(<-admitted, 0)
		require.Zero(t, b.InUse())
	})
}

func TestBudgetWaitEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewCredits(MinCredit)
		held, err := b.take(t.Context(), MinCredit, MinCredit)
		require.NoError(t, err)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errStopping)
		_, err = b.take(ctx, Mib, MinCredit)
		require.ErrorIs(t, err, errStopping)
		b.Give(held)
		require.Zero(t, b.InUse())
	})
}

// TestBudgetIsKept draws pages and checks that the credits handed out never exceed the pool.
func TestBudgetIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewCredits(8 * Mib)
		var held []Credit
		t.Repeat(map[string]func(*rapid.T){
			"page": func(t *rapid.T) {
				granted, _ := b.tryTake(rapid.IntRange(1, 10*Mib).Draw(t, "want"),
					rapid.IntRange(1, 10*Mib).Draw(t, "least"))
				if granted == 0 {
					t.Skip("full")
				}
				c, wait := b.tryAdmit(Credit{bytes: granted}, rapid.IntRange(0, 10*Mib).Draw(t, "size"))
				if wait != nil {
					b.Give(granted)
					return
				}
				held = append(held, c)
			},
			"release": func(t *rapid.T) {
				if len(held) == 0 {
					t.Skip("nothing held")
				}
				b.Settle(held[0], 0)
				held = held[1:]
			},
			"": func(t *rapid.T) {
				sum := 0
				for _, c := range held {
					sum += c.bytes
				}
				require.Equal(t, sum, b.InUse())
				require.LessOrEqual(t, sum, 8*Mib)
			},
		})
	})
}

func TestBudgetOverdraftIsPaidBeforeTheNext(t *testing.T) {
	b := NewCredits(4 * Mib)
	first, _ := b.tryTake(MinCredit, MinCredit)
	second, _ := b.tryTake(MinCredit, MinCredit)
	c, wait := b.tryAdmit(Credit{bytes: first}, 10*Mib)
	require.Nil(t, wait)
	b.Settle(c, 10*Mib) // its records wait for SNS
	_, wait = b.tryAdmit(Credit{bytes: second}, 10*Mib)
	require.NotNil(t, wait, "a second page beyond the pool")
	b.Give(10 * Mib)
	_, wait = b.tryAdmit(Credit{bytes: second}, 10*Mib)
	require.Nil(t, wait)
}
