package system

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// TestSilencesThatAreOver: who checks or reloads a file wants something to be silent, so a silence that is over is
// refused there. A start must not fail for one, and what tries rules on records of the past has their time.
func TestSilencesThatAreOver(t *testing.T) {
	t.Parallel()
	file := testkit.ConfigFile(t, `stream: {name: s}
rules:
  - {name: one, when: v > 1}
silences: [{name: night, until: "2020-01-01T00:00:00Z"}]
topics:
  a: {arn: "arn:aws:sns:us-east-1:000000000000:a"}
`)
	const refused = `silences[0].until: 2020-01-01T00:00:00Z: the silence night is over; remove it, or give it an end in the future`
	code, _, stderr := command_(t, "check", file)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, file+":4:33: "+refused)

	cases := filepath.Join(t.TempDir(), "over.test.yaml")
	require.NoError(t,
		os.WriteFile(cases,
			[]byte("config: "+file+
				"\ntests:\n  - {name: silent, start: 2019-01-01T00:00:00Z, records: [{at: 0s, data: {v: 9}}], "+
				"expect: {alerts: []}}\n"), 0o600))
	code, out, stderr := command_(t, "rules", "test", cases)
	require.Zero(t, code, out+stderr)
}

// TestStartWithASilenceThatIsOver is a restart in the night.
func TestStartWithASilenceThatIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(cfg *config.Config, o *daemon.Options) {
			o.Listener, cfg.Silences = page, []alert.SilenceConfig{{Name: "works", Until: "1999-12-31T00:00:00Z"}}
		})
		time.Sleep(10 * time.Second)
		s := page.Status(t)
		require.Len(t, s.Problems, 1)
		require.Equal(t, []any{status.LevelInfo, "silence_over"}, []any{s.Problems[0].Level, s.Problems[0].Code})
		require.Equal(t, "the silence works ended at 1999-12-31T00:00:00Z and no longer mutes anything",
			s.Problems[0].Text)
		require.NoError(t, d.End())
	})
}

// TestSilencesWithNothingToLookAt: where no record says whether a silence covers a rule, check says so.
func TestSilencesWithNothingToLookAt(t *testing.T) {
	t.Parallel()
	file := testkit.ConfigFile(t, `stream: {name: s}
rules:
  - {name: beat, absence: {after: 1m, of: shard}}
  - {name: host, absence: {after: 1m}}
silences:
  - {name: works, when: host == "h1", from: "2098-01-01T00:00:00Z", until: "2098-01-02T00:00:00Z"}
  - {name: all, rules: [beat], from: "2098-01-01T00:00:00Z", until: "2098-01-02T00:00:00Z"}
topics:
  a: {arn: "arn:aws:sns:us-east-1:000000000000:a"}
`)
	code, out, stderr := command_(t, "check", file)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "1 warning")
	require.Contains(t, stderr,
		`silences[0].when: host == "h1": the silence works does not cover beat: what is absent from a shard or the stream as a whole has no record to look at`)
}
