package getrecords

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	// piece is how much memory payloads share at most. One piece for a page would be a little faster, but a page of 5
	// MB would then stay as long as its last record: the daemon took twice the memory.
	piece = 256 << 10
	// own is the length in base64 from which a payload has memory of its own, so that whoever keeps it keeps nothing
	// else.
	own = 32 << 10
	// group is how many records share the memory of their keys and sequence numbers.
	group = 64
)

// answer makes what the SDK would make of the page. It is false, and out is as it was, where a payload is not base64
// without question.
func (g *page) answer(a *alphabet, out *kinesis.GetRecordsOutput) bool {
	records := make([]types.Record, len(g.raws))
	if !g.payloads(a, records) {
		return false
	}
	for from := 0; from < len(records); from += group {
		to := min(from+group, len(records))
		if !g.texts(g.raws[from:to], records[from:to]) {
			return false
		}
	}
	if g.records {
		out.Records = records
	}
	if g.next.there() {
		out.NextShardIterator = aws.String(string(g.p[g.next.start:g.next.end]))
	}
	if g.timely {
		out.MillisBehindLatest = aws.Int64(g.behind)
	}
	if g.children {
		out.ChildShards = []types.ChildShard{}
	}
	return true
}

// payloads decodes the payloads into pieces of memory.
func (g *page) payloads(a *alphabet, records []types.Record) bool {
	left := 0 // what those need that share
	for i := range g.raws {
		if n := g.raws[i].data.len(); n < own {
			left += n / 4 * 3
		}
	}
	var shared []byte
	for i := range g.raws {
		data := g.raws[i].data
		if !data.there() {
			continue
		}
		need, to := data.len()/4*3, shared
		switch {
		case data.len() >= own:
			to = make([]byte, 0, need+slack)
		case need+slack > cap(shared)-len(shared):
			to = make([]byte, 0, min(piece, left+slack))
		}
		start := len(to)
		n, ok := a.decode(to[start:cap(to)], g.p[data.start:data.end])
		if !ok {
			return false
		}
		end := start + n
		records[i].Data = to[start:end:end]
		if data.len() < own {
			left -= need
			shared = to[:end]
		}
	}
	return true
}

// texts makes the rest of the records of a group.
func (g *page) texts(raws []raw, records []types.Record) bool {
	size, timed := 0, 0
	for i := range raws {
		size += raws[i].key.len() + raws[i].sequence.len()
		if raws[i].timed {
			timed++
		}
	}
	var all strings.Builder
	all.Grow(size)
	texts, times := make([]string, 0, 2*len(raws)), make([]time.Time, 0, timed)
	text := func(s span) *string {
		from := all.Len()
		all.Write(g.p[s.start:s.end])
		texts = append(texts, all.String()[from:])
		return &texts[len(texts)-1]
	}
	for i := range raws {
		r, to := &raws[i], &records[i]
		switch {
		case r.key.there() && r.escaped:
			key := new(string)
			if json.Unmarshal(g.p[r.key.start-1:r.key.end+1], key) != nil {
				return false
			}
			to.PartitionKey = key
		case r.key.there():
			to.PartitionKey = text(r.key)
		}
		if r.sequence.there() {
			to.SequenceNumber = text(r.sequence)
		}
		if r.timed {
			times = append(times, time.UnixMilli(r.millis).UTC())
			to.ApproximateArrivalTimestamp = &times[len(times)-1]
		}
		to.EncryptionType = r.encryption
	}
	return true
}
