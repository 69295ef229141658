package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint"
)

func TestInstant(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"now":                       now,
		"-2h":                       now.Add(-2 * time.Hour),
		"-1h30m":                    now.Add(-90 * time.Minute),
		"-500ms":                    now.Add(-time.Second / 2),
		"-0s":                       now,
		"-2d":                       now.Add(-48 * time.Hour),
		"-1d12h":                    now.Add(-36 * time.Hour),
		"2026-11-22T08:00:00Z":      now.Add(-time.Hour),
		"2026-11-22T09:00:00+01:00": now.Add(-time.Hour),
		"2026-11-22T08:59:59.5Z":    now.Add(-time.Second / 2),
		"2999-01-01T00:00:00Z":      time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC), // who needs the past says so
	} {
		got, err := instant(text, now)
		require.NoError(t, err, text)
		require.True(t, want.Equal(got), "%s: %s", text, got)
	}
	for _, text := range []string{
		"", "-", "noon", "2h", "+2h", "--2h", "-1d-2h", "-d", "-99999999d", "-1h2d",
		"-10000d2562047h",
		"2026-11-22",
	} {
		_, err := instant(text, now)
		require.ErrorIs(t, err, errTime, text)
	}
	to, err := start("-2h", now)
	require.NoError(t, err)
	require.Equal(t, checkpoint.Start{Kind: checkpoint.StartTime, Time: now.Add(-2 * time.Hour)}, to)
}
