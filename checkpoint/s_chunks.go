package checkpoint

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"kinesis-alerter/internal/position"
)

const (
	// chunkBytes is what one row of the state table holds. DynamoDB: an item has 400 KB with the names of its attributes.
	chunkBytes = 380 << 10
	// maxChunks bounds a snapshot, at 23.75 MiB: a writer of a thousand units a second needs 25 s for that.
	maxChunks = 64
	// MaxState is the largest snapshot that SaveState takes, in bytes.
	MaxState = maxChunks * chunkBytes
	// stateFormat is the version of the format of chunks; another one is refused.
	stateFormat = 1
)

// stateVersion names one save of a snapshot, in text "epoch.slot.number". Its rows are found by epoch and slot alone:
// epoch is that with which the lease of the writer began, so no other lease writes them, and the two slots take turns. The
// number grows with every save of a lease and is in every chunk, so that a mix of two saves is never taken for one.
type stateVersion struct {
	epoch  int64
	slot   int // 0 or 1
	number int64
}

func (v stateVersion) String() string {
	return fmt.Sprintf("%d.%s.%d", v.epoch, slotName(v.slot), v.number)
}

func slotName(slot int) string { return "ab"[slot : slot+1] }

func parseVersion(s string) (stateVersion, error) {
	var v stateVersion
	parts := strings.Split(s, ".")
	if len(parts) != 3 || (parts[1] != slotName(0) && parts[1] != slotName(1)) {
		return v, fmt.Errorf("version %q is not epoch.slot.number", s)
	}
	var err error
	if v.epoch, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return v, fmt.Errorf("version %q: %w", s, err)
	}
	if v.number, err = strconv.ParseInt(parts[2], 10, 64); err != nil {
		return v, fmt.Errorf("version %q: %w", s, err)
	}
	if parts[1] == slotName(1) {
		v.slot = 1
	}
	return v, nil
}

// chunkKey is the key of one row of the state table.
func chunkKey(shard string, epoch int64, slot, n int) string {
	return fmt.Sprintf("%s#%d.%s#%d", shard, epoch, slotName(slot), n)
}

func newSnapshot(v stateVersion, at position.Position, generation uint32, data []byte, chunks int) snapshot {
	return snapshot{
		version: v.String(), chunks: chunks, sum: checksum(data), bytes: len(data),
		at: at, generation: generation,
	}
}

func checksum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

// encodeChunk is row n of a snapshot, with its part of the data. top, in the first of a slot, is how many rows that slot may have: it is
// written before all others and deleted after them.
func encodeChunk(shard string, v stateVersion, p snapshot, data []byte, n, top int) item {
	it := item{
		attrKey: str(chunkKey(shard, v.epoch, v.slot, n)), attrVersion: str(p.version), attrNumber: num(v.number),
		attrChunks: num(int64(p.chunks)), attrSum: num(int64(p.sum)), attrFormat: num(stateFormat),
		attrData: &ddb.AttributeValueMemberB{Value: data},
	}
	if n == 0 {
		it[attrTop] = num(int64(top))
	}
	return it
}

// decodeChunk is the data of one chunk of a snapshot, or what is wrong with it.
func decodeChunk(it item, p snapshot) ([]byte, error) {
	if len(it) == 0 {
		return nil, errNoChunk
	}
	if f, err := integer(it[attrFormat]); err != nil || f != stateFormat {
		return nil, fmt.Errorf("this version reads format %d of chunks, not %q", stateFormat, numberText(it[attrFormat]))
	}
	if v := text(it[attrVersion]); v != p.version {
		return nil, fmt.Errorf("it belongs to version %q", v)
	}
	b, ok := it[attrData].(*ddb.AttributeValueMemberB)
	if !ok {
		return nil, fmt.Errorf("it has no attribute %s", attrData)
	}
	return b.Value, nil
}
