package decode

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
)

// What is inside a Kinesis record is read in one way, by the daemon and by every command.
func TestUserRecords(t *testing.T) {
	outer := alert.Record{PartitionKey: "outer", SequenceNumber: "7", Shard: "s"}
	of := func(data []byte) []UserRecord {
		rec := outer
		rec.Data = data
		all := (*Plan)(nil).All(t.Context(), &rec)
		for i := range all {
			all[i].outer = nil // what it comes from
		}
		return all
	}
	inner := func(i uint32, key string, data []byte) UserRecord {
		return UserRecord{Record: alert.Record{
			PartitionKey: key, SequenceNumber: "7", Shard: "s", SubSequence: i, Data: data, Inner: true,
		}}
	}
	plain := of([]byte("x"))
	require.Equal(t, []UserRecord{{Record: plain[0].Record, Whole: true, Last: true}}, plain)
	require.Equal(t, "outer", plain[0].PartitionKey)

	records := []fakeaws.UserRecord{{Data: []byte("one")}, {Key: 1, Data: []byte("two")}, {}}
	data := fakeaws.Aggregate([]string{"a", "b"}, records)
	require.True(t, IsAggregate(data))
	last := inner(2, "a", []byte{})
	last.Last = true
	require.Equal(t, []UserRecord{inner(0, "a", []byte("one")), inner(1, "b", []byte("two")), last}, of(data))

	empty := of(fakeaws.Aggregate(nil, nil))
	require.Len(t, empty, 1)
	require.True(t, empty[0].Dropped == alert.ReasonEmpty && empty[0].Whole && empty[0].Last && empty[0].Undecidable())
	require.Equal(t, alert.Decision{Outcome: alert.Filtered, Reason: alert.ReasonEmpty}, empty[0].Decide(alert.Poison))

	broken := of(fakeaws.SealAggregate([]byte("garbage-not-protobuf-\xff\xff\xff\xff\xff")))
	require.Len(t, broken, 1)
	require.ErrorContains(t, broken[0].Err, "aggregated record")
	require.Equal(t, alert.Poison(alert.ReasonBadAggregate), broken[0].Decide(alert.Poison))
}

// TestDeaggregateIsolatesBadRecords is defect 24: the library indexes the key table without a look and dies.
func TestDeaggregateIsolatesBadRecords(t *testing.T) {
	records := []fakeaws.UserRecord{{Data: []byte("one")}, {Key: 7, Data: []byte("two")}, {Data: []byte("three")}}
	got := (*Plan)(nil).All(t.Context(), &alert.Record{Data: fakeaws.Aggregate([]string{"a"}, records)})
	require.Len(t, got, 3)
	require.EqualError(t, got[1].Err, errNoPartitionKey.Error())
	require.True(t, got[1].Undecidable())
	require.Equal(t, "three", string(got[2].Data))
}

// Kinesis never saw the partition keys inside an aggregate.
func TestDeaggregateRefusesLongKeys(t *testing.T) {
	long, longest := strings.Repeat("k", 257), strings.Repeat("ü", 256)
	records := []fakeaws.UserRecord{
		{Key: 0, Data: []byte("one")},
		{Key: 1, Data: []byte("two")},
		{Key: 2, Data: []byte("three")},
	}
	got := (*Plan)(nil).All(t.Context(), &alert.Record{Data: fakeaws.Aggregate([]string{long, longest, "a"}, records)})
	require.Len(t, got, 3)
	require.EqualError(t, got[0].Err, errKeyTooLong.Error())
	require.Empty(t, got[0].PartitionKey)
	require.Equal(t, "one", string(got[0].Data), "a dead letter is about the record, not about the whole aggregate")
	require.NoError(t, got[1].Err)
	require.Equal(t, longest, got[1].PartitionKey)
	require.Equal(t, "three", string(got[2].Data))
}

func TestPlainRecordsAreNotAggregates(t *testing.T) {
	sealed := fakeaws.Aggregate([]string{"a"}, []fakeaws.UserRecord{{Data: []byte("one")}})
	sealed[len(sealed)-1]++ // the checksum does not hold
	for _, data := range [][]byte{nil, {}, []byte(`{"a":1}`), {0xF3, 0x89, 0x9A, 0xC2}, sealed} {
		require.False(t, IsAggregate(data))
	}
}

func FuzzDeaggregate(f *testing.F) {
	f.Add(fakeaws.Aggregate([]string{"a"}, []fakeaws.UserRecord{{Data: []byte("one")}, {Key: 3, Data: nil}})[4:])
	f.Fuzz(func(t *testing.T, message []byte) {
		total := 0
		for _, u := range (*Plan)(nil).All(t.Context(), &alert.Record{Data: fakeaws.SealAggregate(message)}) {
			if !u.Undecidable() {
				total += len(u.Data)
			}
		}
		require.LessOrEqual(t, total, len(message), "payloads are parts of the message")
	})
}
