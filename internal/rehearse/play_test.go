package rehearse

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// A test whose context is done stops.
func TestRulesTestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	loader := &TestLoader{Lookup: testkit.Environment(nil)}
	tests := loader.Load(t.Context(), "../cli/testdata/rules/passing.test.yaml")
	require.Empty(t, loader.Problems)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tests.Play(ctx, &tests.Cases[0])
	require.ErrorIs(t, err, context.Canceled)
}

// The time that a test takes is virtual.
func TestRulesTestIsVirtual(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	c := &ruleCase{
		Name: "a week", Start: instant(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		Records: []caseRecord{{At: week, Times: new(1)}},
	}
	loader := &TestLoader{Lookup: testkit.Environment(nil)}
	tests := loader.Load(t.Context(), "../cli/testdata/rules/passing.test.yaml")
	got, err := tests.Play(t.Context(), c)
	require.NoError(t, err)
	watchdogs := 0
	for _, a := range got.Alerts {
		if a.Kind == "watchdog" {
			watchdogs++
		}
	}
	require.Equal(t, int(week/(5*time.Minute)), watchdogs, "none is passed over")
}

// A test finds nothing of the one before it: no memory, and no counts.
func TestRulesTestsAreApart(t *testing.T) {
	t.Parallel()
	loader := &TestLoader{Lookup: testkit.Environment(nil)}
	tests := loader.Load(t.Context(), "../cli/testdata/rules/passing.test.yaml")
	require.Empty(t, loader.Problems)
	suppressed := 0
	for i := range tests.Cases {
		first, err := tests.Play(t.Context(), &tests.Cases[i])
		require.NoError(t, err)
		again, err := tests.Play(t.Context(), &tests.Cases[i])
		require.NoError(t, err)
		require.Equal(t, first, again, tests.Cases[i].Name)
		suppressed += len(first.suppressed)
	}
	require.NotZero(t, suppressed)
}
