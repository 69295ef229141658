package system

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

// simPiece is a record inside a Kinesis record.
type simPiece struct {
	n, place int
	quiet    bool
}

// putPacked puts records, most of them several in one: as lines, as lines that were compressed, and as a KPL aggregate
// of such. Blank lines, also at the end, have places that nothing is at.
func (w *simWorld) putPacked(first, count int) {
	for i := 0; count > 0; i++ {
		n := w.records
		key := fmt.Sprintf("patient-%d", (first+i)%w.plan.Keys)
		size := min(count, 1+n%7)
		count -= size
		data, pieces := w.pack(n%4, key, size)
		arrival := time.Now().UnixMilli()
		shard, sequence := w.fake.Kinesis.Put(testkit.TestStream, key, data)
		for k, p := range pieces {
			e := simEvent{
				Kind: simPut, N: []int{p.n}, Shard: shard, Sequence: sequence, Key: key, Quiet: p.quiet,
				Arrival: arrival,
			}
			if k < len(pieces)-1 {
				e.Sequence += fmt.Sprint(".", p.place)
			}
			w.noteOwed(e)
		}
	}
}

// pack makes a Kinesis record of several.
func (w *simWorld) pack(how int, key string, size int) (data []byte, pieces []simPiece) {
	place := 0
	lines := func(size int) []byte {
		var b strings.Builder
		for range size {
			n := w.records
			rate, text := w.nextRecord()
			if n%5 == 0 {
				b.WriteString("\n")
				place++
			}
			pieces = append(pieces, simPiece{n: n, place: place, quiet: rate == 60})
			b.WriteString(text + "\n")
			place++
		}
		if size%3 == 0 {
			b.WriteString(" \n\n")
			place += 2
		}
		return []byte(b.String())
	}
	packed := func(text []byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(text)
		require.NoError(w, err)
		require.NoError(w, z.Close())
		return b.Bytes()
	}
	switch how {
	case 0:
		return lines(size), pieces
	case 1, 2:
		return packed(lines(size)), pieces
	}
	inner := []fakeaws.UserRecord{{Data: packed(lines((size + 1) / 2))}}
	if size > 1 {
		inner = append(inner, fakeaws.UserRecord{Data: lines(size / 2)})
	}
	return fakeaws.Aggregate([]string{key}, inner), pieces
}
