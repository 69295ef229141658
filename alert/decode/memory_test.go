package decode

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/fakeaws"
)

func stepsPlan(tb testing.TB, limits Limits, steps ...Step) *Plan {
	tb.Helper()
	p, faults := Input{Steps: steps}.Compile(limits)
	require.Empty(tb, faults)
	return p
}

func zipped(tb testing.TB, data string) []byte {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(data))
	require.NoError(tb, err)
	require.NoError(tb, w.Close())
	return b.Bytes()
}

// numbered is that many lines, which are all different.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"n\":%d,\"s\":%q}\n", i, strings.Repeat("x", i%300))
	}
	return b.String()
}

func auto() Step   { return Step{Decompress: "auto"} }
func byLine() Step { return Step{Split: "lines"} }

// Two shards have a large record each. One waits in its visit, as for a topic: it has given back the memory, so that
// the other is read meanwhile. Afterwards it gets the same pieces as if it had never waited.
func TestYieldLetsOthersUnpack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, b := stepsPlan(t, DefaultLimits(), auto(), byLine()), NewBudget()
		rec := &alert.Record{Data: zipped(t, numbered(5000)), SequenceNumber: "1"}
		want := p.All(t.Context(), rec)
		require.Len(t, want, 5000)

		topic := make(chan struct{})
		var got []UserRecord
		done := make(chan error)
		go func() {
			d := p.Decoder(b)
			done <- d.Each(t.Context(), rec, func(u *UserRecord) error {
				kept := *u
				kept.Record = u.Kept()
				got = append(got, kept)
				if len(got)%1000 == 7 {
					if !d.Yield() {
						t.Error("a large record has something to give back")
					}
					<-topic
				}
				return nil
			})
		}()
		synctest.Wait()
		require.Len(t, got, 7, "it waits")
		seen := 0
		require.NoError(t, p.Decoder(b).Each(t.Context(), rec, func(*UserRecord) error { seen++; return nil }))
		require.Equal(t, 5000, seen, "the other is not held up")
		close(topic)
		require.NoError(t, <-done)
		require.Equal(t, want, got)
	})
}

// A large record that waits for the memory gives up when its context ends.
func TestWaitForTheBudgetEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, b := stepsPlan(t, DefaultLimits(), auto(), byLine()), NewBudget()
		rec := &alert.Record{Data: zipped(t, numbered(5000))}
		release, done := make(chan struct{}), make(chan error)
		go func() {
			first := true
			done <- p.Decoder(b).Each(t.Context(), rec, func(*UserRecord) error {
				if first {
					first = false
					<-release // in its evaluation: it holds the memory
				}
				return nil
			})
		}()
		synctest.Wait()
		small := &alert.Record{Data: zipped(t, numbered(10))}
		seen := 0
		require.NoError(t, p.Decoder(b).Each(t.Context(), small, func(*UserRecord) error { seen++; return nil }))
		require.Equal(t, 10, seen, "a small record needs no permission")

		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan error)
		go func() {
			waiting <- p.Decoder(b).Each(ctx, rec, func(*UserRecord) error { t.Error("visited"); return nil })
		}()
		synctest.Wait()
		cancel()
		require.ErrorIs(t, <-waiting, context.Canceled)
		close(release)
		require.NoError(t, <-done)
		require.NoError(t, p.Decoder(b).Each(t.Context(), rec, func(*UserRecord) error { return nil }))
	})
}

// Shards without a record at hand have no memory, and thousands that wait with one do not keep theirs.
func TestIdleDecodersHoldNothing(t *testing.T) {
	p, b := stepsPlan(t, DefaultLimits(), auto(), byLine()), NewBudget()
	rec := &alert.Record{Data: zipped(t, numbered(300))}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	decoders := make([]*Decoder, 200)
	for i := range decoders {
		decoders[i] = p.Decoder(b)
		seen := 0
		require.NoError(t, decoders[i].Each(t.Context(), rec, func(*UserRecord) error { seen++; return nil }))
		require.Equal(t, 300, seen)
	}
	require.Less(t, heap()-before, uint64(8<<20))
	runtime.KeepAlive(decoders)

	// Each of them waits in its first visit; those above the limit give back what they have.
	var held, gaveBack int
	var nest func(i int)
	nest = func(i int) {
		if i == 200 {
			return
		}
		first := true
		require.NoError(t, decoders[i].Each(t.Context(), rec, func(*UserRecord) error {
			if first {
				first = false
				if decoders[i].Yield() {
					gaveBack++
				} else {
					held++
				}
				nest(i + 1)
			}
			return nil
		}))
	}
	nest(0)
	require.Equal(t, heldMemories, held)
	require.Equal(t, 200-heldMemories, gaveBack)
	require.Zero(t, b.inUse.Load())
}

// Records of the usual size are unpacked and split without an allocation for each piece: the two are of the splitting.
func TestDecodingAllocatesNothing(t *testing.T) {
	p, b := stepsPlan(t, DefaultLimits(), auto(), byLine()), NewBudget()
	d := p.Decoder(b)
	rec := &alert.Record{Data: zipped(t, numbered(200))}
	n := 0
	visit := func(*UserRecord) error { n++; return nil }
	require.LessOrEqual(t, testing.AllocsPerRun(20, func() {
		if err := d.Each(t.Context(), rec, visit); err != nil {
			t.Error(err)
		}
	}), 2.0)
	require.Equal(t, 21*200, n)
}

// A user record of an aggregate that goes beyond the limits costs itself and those behind it: the work has been done.
func TestBombsInAnAggregate(t *testing.T) {
	p := stepsPlan(t, Limits{Bytes: 8 << 20, Ratio: 100, Pieces: 1000}, auto())
	bomb := fakeaws.UserRecord{Data: zipped(t, strings.Repeat("\x00", 1<<20))}
	records := []fakeaws.UserRecord{{Data: zipped(t, `{"n":1}`)}}
	for range 20 {
		records = append(records, bomb)
	}
	records = append(records, fakeaws.UserRecord{Data: []byte(`{"n":2}`)})
	all := p.All(t.Context(), &alert.Record{Data: fakeaws.Aggregate([]string{"k"}, records)})
	require.Len(t, all, len(records))
	require.NoError(t, all[0].Err)
	require.Equal(t, `{"n":1}`, string(all[0].Data))
	for _, u := range all[8:] {
		fault, ok := errors.AsType[*payload.Fault](u.Err)
		require.True(t, ok)
		require.Equal(t, payload.UnpackLimit, fault.Defect)
	}
}

// A broken user record costs itself, and each says what is wrong, as long as there are not too many.
func TestBrokenOnesInAnAggregate(t *testing.T) {
	p := stepsPlan(t, DefaultLimits(), auto())
	records, whole := make([]fakeaws.UserRecord, 3000), zipped(t, "x")
	for i := range records {
		records[i].Data = whole[:20-i%2]
	}
	records[2999].Data = []byte(`{"n":1}`)
	all := p.All(t.Context(), &alert.Record{Data: fakeaws.Aggregate([]string{"k"}, records)})
	require.Len(t, all, 3000)
	require.EqualError(t, all[0].Err, "gzip: truncated at byte 20")
	require.EqualError(t, all[999].Err, "gzip: truncated at byte 19")
	require.ErrorContains(t, all[2998].Err, "more of them")
	require.NoError(t, all[2999].Err)
}

// What is compressed in layers is bounded by what it makes to read, not only by what comes out.
func TestLayersThatHoldNothing(t *testing.T) {
	p := stepsPlan(t, DefaultLimits(), auto(), auto())
	inner := bytes.Repeat(zipped(t, ""), 40<<20/20)
	// A layer around it that is 1 MiB large, so that the ratio allows what is inside.
	outer := append(zipped(t, string(inner)), zipped(t, "")...)
	outer = append(outer, make([]byte, 1<<20)...) // zeros may pad
	all := p.All(t.Context(), &alert.Record{Data: outer})
	require.Len(t, all, 1)
	fault, ok := errors.AsType[*payload.Fault](all[0].Err)
	require.True(t, ok)
	require.Equal(t, payload.UnpackLimit, fault.Defect)
}
