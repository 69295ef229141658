package alert_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

func TestRateAndStretchAsText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]alert.Rate{
		"8/s": {Events: 8, Per: time.Second}, "10/m": {Events: 10, Per: time.Minute},
		"5/h":   {Events: 5, Per: time.Hour},
		"1/90s": {Events: 1, Per: 90 * time.Second}, "3/10m": {Events: 3, Per: 10 * time.Minute},
		"unlimited": {Unlimited: true}, "": {},
	} {
		var r, again alert.Rate
		require.NoError(t, r.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, r, text)
		require.NoError(t, again.UnmarshalText([]byte(r.String())), r.String())
		require.Equal(t, r, again)
	}
	for _, text := range []string{"8", "8/", "/s", "0/s", "-1/s", "8/x", "1.5/s", "8/0s", "unlimitted"} {
		require.ErrorContains(t, new(alert.Rate).UnmarshalText([]byte(text)), "want a rate", text)
	}
	for text, want := range map[string]alert.Stretch{
		"3": {Records: 3}, "30s": {Time: 30 * time.Second},
		"1h30m": {Time: 90 * time.Minute}, "": {},
	} {
		var s, again alert.Stretch
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, s, text)
		printed, err := s.MarshalText()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalText(printed), string(printed))
		require.Equal(t, s, again)
	}
	for _, text := range []string{"0", "-3", "3.5", "-1s", "0s", "soon"} {
		require.ErrorContains(t, new(alert.Stretch).UnmarshalText([]byte(text)), "want a number", text)
	}
}
