package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is wrong with an output is critical while it stops the shards, and before; where dead letters take what does not
// fit, nobody is woken. An output that is only slow, or that failed once, is no problem of its own.
func TestOutputProblems(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { return Moment(at.Add(-d)) }
	const room = 1000
	denied := Output{
		Waiting: 40, Bytes: 90, Fault: "not_authorized", Remedy: "allow kinesis:PutRecords", Error: "denied",
	}
	throttled := Output{Waiting: 40, FailingKeys: 2, KeysFailingSince: ago(time.Hour), Oldest: ago(9 * time.Second)}
	stuck := Output{Waiting: 40, FailingKeys: 1, KeysFailingSince: ago(time.Hour), Oldest: ago(3 * time.Minute)}
	failing := func(failures int, d time.Duration) Output {
		return Output{Waiting: 1, Failures: failures, FailingSince: ago(d), Error: "no answer"}
	}
	with := func(o Output, bytes int, crowded bool) Output {
		o.Bytes, o.Crowded = bytes, crowded
		return o
	}
	for name, c := range map[string]struct {
		output  Output
		letters bool
		want    []string // level, code and text of each
	}{
		"well": {output: Output{Waiting: 3, Bytes: 900, Oldest: ago(time.Second)}},
		"full, and only slow": {
			output: Output{Waiting: 9, Bytes: 999, Crowded: true, Oldest: ago(30 * time.Second)},
		},
		"one call failed":          {output: with(failing(1, time.Second), 999, true)},
		"nothing waits any longer": {output: Output{Failures: 9, FailingSince: ago(time.Hour)}},
		"keys refused for a moment": {
			output: Output{Waiting: 1, FailingKeys: 1, KeysFailingSince: ago(9 * time.Second)},
		},
		"a fault": {output: denied, want: []string{
			"critical output_held: output scored: access denied (denied), 40 records wait -> allow kinesis:PutRecords",
		}},
		"a fault, half full": {output: with(denied, 500, false), want: []string{
			"critical output_filling: output scored: its memory is 50 % full; when it is full, records are no " +
				"longer read " +
				"and nothing alerts (40 records wait for Scored) -> *",
			"critical output_held: *",
		}},
		"a fault, full": {output: with(denied, 999, true), want: []string{
			"critical output_full: output scored: its memory is full, so records are no longer read and nothing " +
				"alerts " +
				"(40 records wait for Scored) -> *",
			"critical output_held: *",
		}},
		"a fault, full, with dead letters": {
			output: with(denied, 999, true), letters: true, want: []string{"warning output_held: *"},
		},
		"failing": {output: failing(3, 4*time.Second), want: []string{
			"warning output_failing: output scored: Kinesis has failed for 4.0 s (no answer), 1 record waits",
		}},
		"failing slowly": {output: failing(1, 5*time.Second), want: []string{"warning output_failing: *"}},
		"failing for long": {
			output: failing(9, 3*time.Minute), want: []string{"critical output_failing: *"},
		},
		"failing for long, with dead letters": {
			output: with(failing(9, time.Hour), 999, true), letters: true, want: []string{"warning output_failing: *"},
		},
		"failing and filling": {output: with(failing(4, 8*time.Second), 600, false), want: []string{
			"critical output_filling: *", "warning output_failing: *",
		}},
		"a key is held": {output: Output{Waiting: 1, HeldKeys: 1}, want: []string{
			"critical output_keys_held: output scored: 1 partition key is held, because a record of each can never " +
				"be " +
				"written -> *",
		}},
		"held keys fill it": {output: with(Output{HeldKeys: 2}, 999, true), want: []string{
			"critical output_full: *", "critical output_keys_held: *",
		}},
		"a slow shard of the output, full": {output: with(throttled, 999, true), want: []string{
			"warning output_keys_failing: output scored: Kinesis has refused records of 2 partition keys for 1 " +
				"h while it " +
				"takes others, 40 records wait -> give the stream more shards, or a key that spreads better",
		}},
		"a shard of the output that takes nothing": {output: stuck, want: []string{"critical output_keys_failing: *"}},
		"one that takes nothing, filling": {output: with(stuck, 700, false), want: []string{
			"critical output_filling: *", "critical output_keys_failing: *",
		}},
		"one that takes nothing, with dead letters": {
			output: with(stuck, 999, true), letters: true, want: []string{"warning output_keys_failing: *"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := calm(at)
			c.output.Name, c.output.Stream, c.output.MaxBytes = "scored", "Scored", room
			s.Outputs = []Output{c.output, {Name: "well", MaxBytes: room}}
			if c.letters {
				s.DeadLetters = &DeadLetters{Kind: "sqs"}
			}
			found := Problems(&s, false)
			require.Len(t, found, len(c.want), "%+v", found)
			for i, p := range found {
				require.Equal(t, "scored", p.Object)
				got := string(p.Level) + " " + p.Code + ": " + p.Text
				if p.Remedy != "" {
					got += " -> " + p.Remedy
				}
				require.True(t, alike(c.want[i], got), got)
			}
		})
	}
}

// alike compares with a text in which a star at the end stands for anything.
func alike(want, got string) bool {
	if n := len(want) - 1; want[n] == '*' {
		return len(got) >= n && got[:n] == want[:n]
	}
	return want == got
}

// A checkpoint that waits for an output is no fault of DynamoDB.
func TestOutputHoldsTheCheckpoint(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	s := calm(at)
	r := s.Shards[0].Reading
	r.Checkpoint, r.Writing = Moment(at.Add(-6*time.Minute)), 7
	s.Outputs = []Output{
		{Name: "scored", Waiting: 7, Oldest: Moment(at.Add(-6 * time.Minute)), Fault: "stream_not_found"},
	}
	require.Equal(t, []string{"output_held"}, codes(&s))
	s.Outputs[0].Oldest, s.Outputs[0].Fault = Moment(at.Add(-time.Second)), ""
	require.Equal(t, []string{"checkpoint_stuck"}, codes(&s), "it takes records")
}

func codes(s *Status) (codes []string) {
	for _, p := range Problems(s, false) {
		codes = append(codes, p.Code)
	}
	return codes
}

// The page has a row for each output, and no word of outputs where there are none.
func TestOutputRows(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	s := calm(at)
	require.NotContains(t, Text(&s), "OUTPUT")
	for _, c := range NewView(&s).Chapters {
		require.NotEqual(t, "outputs", c.Key)
	}
	for want, o := range map[string]Output{
		"accepts":           {},
		"it does not exist": {Fault: "stream_not_found", Waiting: 1},
		"holds 2 keys":      {HeldKeys: 2},
		"fails for 4.0 s":   {Waiting: 1, Failures: 3, FailingSince: Moment(at.Add(-4 * time.Second))},
		"refuses 1 key":     {FailingKeys: 1, KeysFailingSince: Moment(at.Add(-time.Minute))},
		"full":              {Crowded: true},
		"ends":              {Ending: true},
		"access denied for 10 s": {
			Fault: "not_authorized", Failures: 1, FailingSince: Moment(at.Add(-10 * time.Second)),
		},
	} {
		row := newOutputView(&o, &s)
		require.Equal(t, want, row.State)
		require.Equal(t, want == "accepts", row.Class == "ok")
	}
	row := newOutputView(&Output{
		Waiting: 1204, Bytes: 30, MaxBytes: 1000, WrittenLastMinute: 9000, LastWritten: Moment(at.Add(-time.Second)),
	}, &s)
	require.Equal(t, []string{"1,204", "3 % of its memory", "9,000", "1.0 s", " ago"},
		[]string{row.Waiting, row.Share, row.Written, row.Last, row.Ago})
}
