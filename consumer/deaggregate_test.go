package consumer

import (
	"crypto/md5" //nolint:gosec // the KPL's format prescribes it
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
)

// aggregate builds a KPL aggregate. Key indexes refer to keys; an index beyond them makes a bad record.
func aggregate(keys []string, records []aggregated) []byte {
	var message []byte
	for _, k := range keys {
		message = protowire.AppendTag(message, fieldPartitionKeys, protowire.BytesType)
		message = protowire.AppendString(message, k)
	}
	for _, r := range records {
		var m []byte
		m = protowire.AppendTag(m, fieldPartitionKeyIndex, protowire.VarintType)
		m = protowire.AppendVarint(m, r.key)
		m = protowire.AppendTag(m, fieldData, protowire.BytesType)
		m = protowire.AppendBytes(m, r.data)
		message = protowire.AppendTag(message, fieldRecords, protowire.BytesType)
		message = protowire.AppendBytes(message, m)
	}
	return seal(message)
}

type aggregated struct {
	key  uint64
	data []byte
}

// seal puts magic and checksum around a message.
func seal(message []byte) []byte {
	sum := md5.Sum(message) //nolint:gosec // see the import
	return append(append([]byte{0xF3, 0x89, 0x9A, 0xC2}, message...), sum[:]...)
}

func TestDeaggregate(t *testing.T) {
	data := aggregate([]string{"a", "b"}, []aggregated{{0, []byte("one")}, {1, []byte("two")}, {0, nil}})
	require.True(t, isAggregate(data))
	got, err := deaggregate(data)
	require.NoError(t, err)
	require.Equal(t, []userRecord{
		{partitionKey: "a", data: []byte("one")},
		{partitionKey: "b", data: []byte("two")},
		{partitionKey: "a", data: []byte{}},
	}, got)
}

// TestDeaggregateIsolatesBadRecords is defect 24: the library indexes the key table without a look and dies.
func TestDeaggregateIsolatesBadRecords(t *testing.T) {
	got, err := deaggregate(aggregate([]string{"a"}, []aggregated{{0, []byte("one")}, {7, []byte("two")}, {0, []byte("three")}}))
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.ErrorIs(t, got[1].err, errNoPartitionKey)
	require.Equal(t, "three", string(got[2].data))
}

func TestDeaggregateBadMessage(t *testing.T) {
	data := seal([]byte("garbage-not-protobuf-\xff\xff\xff\xff\xff"))
	require.True(t, isAggregate(data))
	_, err := deaggregate(data)
	require.Error(t, err)
}

func TestPlainRecordsAreNotAggregates(t *testing.T) {
	sealed := aggregate([]string{"a"}, []aggregated{{0, []byte("one")}})
	sealed[len(sealed)-1]++ // the checksum does not hold
	for _, data := range [][]byte{nil, {}, []byte(`{"a":1}`), {0xF3, 0x89, 0x9A, 0xC2}, sealed} {
		require.False(t, isAggregate(data))
	}
}

func FuzzDeaggregate(f *testing.F) {
	f.Add(aggregate([]string{"a"}, []aggregated{{0, []byte("one")}, {3, nil}})[4:])
	f.Fuzz(func(t *testing.T, message []byte) {
		records, err := deaggregate(seal(message))
		if err != nil {
			return
		}
		total := 0
		for _, r := range records {
			require.True(t, r.err == nil || r.data == nil)
			total += len(r.data)
		}
		require.LessOrEqual(t, total, len(message), "payloads are parts of the message")
	})
}
