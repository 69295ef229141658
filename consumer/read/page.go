package read

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Page is one answer of a shard. Its holder settles its credit.
type Page struct {
	Records []types.Record
	Credit  Credit
	// Behind is how far this page is from the tip of the shard; tip says that Kinesis said 0.
	Behind time.Duration
	Tip    bool
	// At is when the answer came, by the machine's clock. By the service's clock, asked is a time no later than the
	// beginning of the call, and date is when it was answered.
	At, Asked, Date time.Time
	// Null says that the answer named no next iterator. end says that the shard has ended, as Kinesis claims; children
	// are what it was split or merged into. proven says that a listing confirms it: no page follows.
	Null, End, Proven bool
	Children          []types.ChildShard
}

// CaughtUp is the time up to which the shard is read with this page: Kinesis looked no earlier than it was asked. While
// there is more to read, that is no later than the last record, whatever the distance to the tip is measured from.
func (p *Page) CaughtUp() time.Time {
	at := p.Asked.Add(-p.Behind)
	if n := len(p.Records); n > 0 && p.Behind > 0 {
		if last := p.Records[n-1].ApproximateArrivalTimestamp; last != nil && last.Before(at) {
			return *last
		}
	}
	return at
}

// pageSize counts the payload, as Kinesis limits it, and the memory that a page takes.
func pageSize(records []types.Record) (payload, memory int) {
	for i := range records {
		payload += len(records[i].Data) + len(aws.ToString(records[i].PartitionKey))
	}
	return payload, payload + len(records)*RecordOverhead
}

// cut shortens a page to the records that its credits cover, if that is at least one, and returns its size. The rest is
// read again. The page could wait for more credits, but the missing ones may be held by a shard whose alerts stall for
// days.
func cut(out *kinesis.GetRecordsOutput, granted, size int, now time.Time) int {
	kept, n := 0, 0
	for ; n < len(out.Records); n++ {
		_, more := pageSize(out.Records[n : n+1])
		if kept+more > granted {
			break
		}
		kept += more
	}
	if n == 0 || n == len(out.Records) {
		return size
	}
	out.Records = slices.Clone(out.Records[:n]) // the rest must not stay in memory
	if at := out.Records[n-1].ApproximateArrivalTimestamp; at != nil {
		behind := max(aws.ToInt64(out.MillisBehindLatest), now.Sub(*at).Milliseconds())
		out.MillisBehindLatest = &behind
	}
	// no end yet; the iterator is recreated from the last record
	out.NextShardIterator, out.ChildShards = new(string), nil
	return kept
}

// pageSizer chooses how much to ask for: credits for the next page, and a limit of records.
type pageSizer struct {
	want    int // bytes of the next page
	least   int // fewer bytes are not worth a call
	perItem int // bytes of a record, as seen lately
}

func newPageSizer() pageSizer {
	return pageSizer{want: 4 * MinCredit, least: MinCredit, perItem: 1 << 10}
}

// limit returns how many records to ask for with some credits.
func (z *pageSizer) limit(credits int) int32 {
	return int32(min(maxPageRecords, max(1, credits/z.perItem)))
}

// tooLarge learns from a page that was dropped unread: next time fewer records, and not before there are credits for
// it.
func (z *pageSizer) tooLarge(size int, limit int32) {
	z.perItem = max(4*z.perItem, size/int(limit))
	z.least = size
	z.want = max(z.want, size)
}

// fit learns from a page of n records; more says that more follow.
func (z *pageSizer) fit(n, size, granted int, more bool) {
	z.perItem, z.least = max(1, size/n), MinCredit
	switch full := n >= maxPageRecords || size >= granted/2; {
	case full && more:
		z.want = min(maxPageBytes+maxPageRecords*RecordOverhead, 2*max(z.want, size))
	case !full:
		z.want = max(4*MinCredit, z.want/2)
	}
}
