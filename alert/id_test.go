package alert

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestAlertIDGolden pins the encoding: ids are attributes and FIFO deduplication ids, so they must survive releases.
// The values were computed independently of this package.
func TestAlertIDGolden(t *testing.T) {
	t.Parallel()
	const stream = "arn:aws:kinesis:us-east-1:000000000000:stream/ExampleOutputStream"
	rec := &Record{
		Shard:          "shardId-000000000006",
		SequenceNumber: "49590338271490256608559692538361571095921575989136588898",
		SubSequence:    3,
	}
	require.Equal(t, "8cf67826d12c9332f35f9123ec5d5482ecdc01e8f3b4bcf7d3098bee3d5460fd",
		alertID(stream, rec, "high-heart-rate", "oncall", KindFiring, 0, ""))
	require.Equal(t, "528f0fa462e18e463c667a9397b2f8aee9dea12be69ca20b853e6d8d29f4630f",
		alertID(stream, rec, "high-heart-rate", "oncall", KindFiring, 2, ""), "of a shard that was rewound twice")
	rec.Inner = true
	require.Equal(t, "8cf67826d12c9332f35f9123ec5d5482ecdc01e8f3b4bcf7d3098bee3d5460fd",
		alertID(stream, rec, "high-heart-rate", "oncall", KindFiring, 0, ""), "inside a KPL aggregate")
	const input = "0123456789abcdef"
	require.Equal(t, "6e15c9587cae49ddf46ab07141b9684826c85601995371d94b35b700867ca91f",
		alertID(stream, rec, "high-heart-rate", "oncall", KindFiring, 0, input), "of a piece under an input")
	rec.Inner = false
	require.Equal(t, "8cf67826d12c9332f35f9123ec5d5482ecdc01e8f3b4bcf7d3098bee3d5460fd",
		alertID(stream, rec, "high-heart-rate", "oncall", KindFiring, 0, input), "a whole record under an input")
	rec.SubSequence = 0
	require.Equal(t, "43328eba163e9df5e2d05d821e041f6b3140718106276016a99ad15f829c8cac",
		alertID(stream, rec, "", "oncall", KindFiring, 0, ""))
}

// TestAlertIDIsUnambiguous: moving a byte from one field to the next gives another id.
func TestAlertIDIsUnambiguous(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) []string {
			return rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("a|\x00")), 0, 3, -1), 6, 6).Draw(t, name)
		}
		id := func(f []string) string {
			return alertID(f[0], &Record{Shard: f[1], SequenceNumber: f[2]}, f[3], f[4], Kind(f[5]), 0, "")
		}
		a, b := draw("a"), draw("b")
		if id(a) == id(b) {
			require.Equal(t, a, b)
		}
		require.Regexp(t, "^[0-9a-f]{64}$", id(a))
	})
}
