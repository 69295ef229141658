package consumer

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/consumer/saved"
)

// A record without key or time is a record: it has the empty key, and the time of its shard.
func TestRecordsWithoutKeyAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(time.Hour)
		s := benchShard(t, 1)
		defer s.windDown(ErrStopping)
		bare := func(n int) *read.Page {
			p := benchPage(2)
			for i := range p.Records {
				r := &p.Records[i]
				r.PartitionKey, r.ApproximateArrivalTimestamp = nil, nil
				r.SequenceNumber = new(fmt.Sprint(n + i))
			}
			p.Date = date
			return p
		}
		s.eval = noting{s.eval, new([]alert.Record)}
		seen := s.eval.(noting).seen //nolint:forcetypeassert // made in the line before
		s.ingest(bare(10))
		require.Len(t, *seen, 2)
		require.Equal(t, date, (*seen)[0].Arrival, "the answer's, where the shard has none yet")
		require.Empty(t, (*seen)[0].PartitionKey)
		timed := benchPage(1)
		at := date.Add(time.Minute)
		timed.Records[0].ApproximateArrivalTimestamp, timed.Records[0].SequenceNumber = &at, new("20")
		s.ingest(timed)
		s.ingest(bare(30))
		require.Equal(t, at, (*seen)[3].Arrival, "the shard's")
	})
}

// noting is an evaluator whose records can be looked at.
type noting struct {
	evaluator

	seen *[]alert.Record
}

func (n noting) Evaluate(rec *alert.Record) alert.Decision {
	*n.seen = append(*n.seen, *rec)
	return n.evaluator.Evaluate(rec)
}

// A stored state whose time is ahead is brought back when it is loaded, told, and all that it knows stays.
func TestStateAheadOfTheClock(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		s := w.remembering()
		one := w.join("one")
		for i := range 10 {
			s.put(i, "key")
		}
		w.eventually(5*time.Second, "10", func() bool { return w.distinct() == 10 })
		time.Sleep(2 * time.Second)
		require.NoError(t, one.Stop(w, 10*time.Second))
		s.spoil = func(own []byte, at string) ([]byte, string) {
			snap, err := saved.Decode(own)
			require.NoError(t, err)
			state := newTally(s)
			require.NoError(t, json.Unmarshal(snap.State, state))
			state.Event = state.Event.AddDate(74, 0, 0)
			snap.State = state.State()
			return snap.Encode(), at
		}
		two := w.join("two")
		w.eventually(30*time.Second, "reading", func() bool { return two.reading() == 1 })
		s.put(10, "key")
		w.eventually(10*time.Second, "the next", func() bool { return w.distinct() == 11 })
		require.InDelta(t, 1, counter(t, two, "kinesis_alerter_state_gaps_total", "reason", gapFuture), 0)
		last, _ := two.consumer.Report()
		require.False(t, last.After(time.Now()), "event time")
		require.Equal(t, s.want["10"], w.deliveries()[10].id, "it knows all")
	})
}
