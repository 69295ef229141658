package cmd

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A test that is told to stop stops.
func TestRulesTestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	loader := &testLoader{lookup: environment(nil), configs: map[string]*LoadedConfig{}}
	tests := loader.load(t.Context(), "testdata/rules/passing.test.yaml")
	require.Empty(t, loader.problems)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tests.cases[0].play(ctx, tests.config)
	require.ErrorIs(t, err, context.Canceled)
}

// The time that a test takes is virtual.
func TestRulesTestIsVirtual(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	c := &ruleCase{Name: "a week", Start: instant(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), Records: []caseRecord{{At: week, Times: new(1)}}}
	loader := &testLoader{lookup: environment(nil), configs: map[string]*LoadedConfig{}}
	tests := loader.load(t.Context(), "testdata/rules/passing.test.yaml")
	got, err := c.play(t.Context(), tests.config)
	require.NoError(t, err)
	watchdogs := 0
	for _, a := range got.alerts {
		if a.Kind == "watchdog" {
			watchdogs++
		}
	}
	require.Equal(t, int(week/(5*time.Minute)), watchdogs, "none is passed over")
}
