package saved

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

const (
	// ChunkBytes is what one row of the state table holds. DynamoDB: an item has 400 KB with the names of its
	// attributes.
	ChunkBytes = 380 << 10
	// maxChunks bounds a snapshot, at 23.75 MiB: a writer of a thousand units a second needs 25 s for that.
	maxChunks = 64
	// MaxState is the largest snapshot that SaveState takes, in bytes.
	MaxState = maxChunks * ChunkBytes
	// stateFormat is the version of the format of chunks; another one is refused.
	stateFormat = 1
)

// Version names one save of a snapshot, in text "epoch.slot.number". Its rows are found by epoch and slot alone:
// epoch is that with which the lease of the writer began, so no other lease writes them, and the two slots take
// turns. The number grows with every save of a lease and is in every chunk, so that a mix of two saves is never taken
// for one.
type Version struct {
	Epoch  int64
	Slot   int // 0 or 1
	Number int64
}

func (v Version) String() string {
	return fmt.Sprintf("%d.%s.%d", v.Epoch, slotName(v.Slot), v.Number)
}

func slotName(slot int) string { return "ab"[slot : slot+1] }

// ParseVersion reads what Version.String wrote.
func ParseVersion(s string) (Version, error) {
	var v Version
	parts := strings.Split(s, ".")
	if len(parts) != 3 || (parts[1] != slotName(0) && parts[1] != slotName(1)) {
		return v, fmt.Errorf("version %q is not epoch.slot.number", s)
	}
	var err error
	if v.Epoch, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return v, fmt.Errorf("version %q: %w", s, err)
	}
	if v.Number, err = strconv.ParseInt(parts[2], 10, 64); err != nil {
		return v, fmt.Errorf("version %q: %w", s, err)
	}
	if parts[1] == slotName(1) {
		v.Slot = 1
	}
	return v, nil
}

// ChunkKey is the key of one row of the state table.
func ChunkKey(shard string, epoch int64, slot, n int) string {
	return fmt.Sprintf("%s#%d.%s#%d", shard, epoch, slotName(slot), n)
}

// NewSaved describes a snapshot, for the row of its shard.
func NewSaved(v Version, at position.Position, generation uint32, data []byte, chunks int) table.Saved {
	return table.Saved{
		Version: v.String(), Chunks: chunks, Sum: checksum(data), Bytes: len(data),
		At: at, Generation: generation,
	}
}

func checksum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

// EncodeChunk is row n of a snapshot, with its part of the data. top, in the first of a slot, is how many rows that
// slot may have: it is written before all others and deleted after them.
func EncodeChunk(shard string, v Version, p table.Saved, data []byte, n, top int) table.Item {
	it := table.Item{
		table.AttrKey: table.Str(ChunkKey(shard, v.Epoch, v.Slot, n)), table.AttrVersion: table.Str(p.Version),
		table.AttrNumber: table.Num(v.Number),
		table.AttrChunks: table.Num(int64(p.Chunks)), table.AttrSum: table.Num(int64(p.Sum)),
		table.AttrFormat: table.Num(stateFormat),
		table.AttrData:   &ddb.AttributeValueMemberB{Value: data},
	}
	if n == 0 {
		it[table.AttrTop] = table.Num(int64(top))
	}
	return it
}

// DecodeChunk is the data of one chunk of a snapshot, or what is wrong with it.
func DecodeChunk(it table.Item, p table.Saved) ([]byte, error) {
	if len(it) == 0 {
		return nil, errNoChunk
	}
	if f, err := table.Integer(it[table.AttrFormat]); err != nil || f != stateFormat {
		return nil, fmt.Errorf("this version reads format %d of chunks, not %q", stateFormat,
			table.NumberText(it[table.AttrFormat]))
	}
	if v := table.Text(it[table.AttrVersion]); v != p.Version {
		return nil, fmt.Errorf("it belongs to version %q", v)
	}
	b, ok := it[table.AttrData].(*ddb.AttributeValueMemberB)
	if !ok {
		return nil, fmt.Errorf("it has no attribute %s", table.AttrData)
	}
	return b.Value, nil
}

// StateError is a stored snapshot that cannot be restored.
type StateError struct{ Shard, Version, Table, What string }

func (e *StateError) Error() string {
	return fmt.Sprintf("state of shard %s, version %s in table %s, is lost: %s", e.Shard, e.Version, e.Table, e.What)
}
