package fakeaws

import (
	"context"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

// Kinesis is the emulated service: CreateStream, DeleteStream, DescribeStream, DescribeStreamSummary, ListStreams,
// ListShards, GetShardIterator, GetRecords, PutRecord, PutRecords, SplitShard, MergeShards, UpdateShardCount,
// IncreaseStreamRetentionPeriod, DecreaseStreamRetentionPeriod and UpdateMaxRecordSize.
//
// A change that AWS makes in the background has a due time, and every operation first applies what is due. So no
// goroutine is needed, and an observer cannot distinguish it from a change made at that very moment.
//
// Limits are those of a shard: calls, records and bytes a second, pages, iterators. Those of an account (streams,
// shards, calls of the control plane) and the 2,000 records/s of provisioned reading are not enforced. KMS, tags,
// consumers with enhanced fan-out and channels do not exist; EncryptionType is always NONE.
//
// The methods that take no request (Create, Put, Split, …) are for tests and the demo: they act at once, obey no
// limits and return zero values where AWS would answer with an error.
type Kinesis struct {
	mu        sync.Mutex
	account   account
	iterators iterators
	refuse    func(shardID, partitionKey string) *Error // see RefuseEntries
	accepted  func(stream string, r StoredRecord)       // see OnPutRecords
}

func newKinesis(o Options) *Kinesis {
	return &Kinesis{account: account{options: o, streams: map[string]*stream{}}}
}

func (*Kinesis) name() string { return ServiceKinesis }

func (k *Kinesis) operations() map[string]operation {
	return map[string]operation{
		"CreateStream":                  parsed(k.createStream),
		"DeleteStream":                  parsed(k.deleteStream),
		"DescribeStream":                parsed(k.describeStream),
		"DescribeStreamSummary":         parsed(k.describeStreamSummary),
		"ListStreams":                   parsed(k.listStreams),
		"ListShards":                    parsed(k.listShards),
		"GetShardIterator":              parsed(k.getShardIterator),
		"GetRecords":                    parsed(k.getRecords),
		"PutRecord":                     parsed(k.putRecord),
		"PutRecords":                    parsed(k.putRecords),
		"SplitShard":                    parsed(k.splitShard),
		"MergeShards":                   parsed(k.mergeShards),
		"UpdateShardCount":              parsed(k.updateShardCount),
		"IncreaseStreamRetentionPeriod": parsed(k.increaseRetention),
		"DecreaseStreamRetentionPeriod": parsed(k.decreaseRetention),
		"UpdateMaxRecordSize":           parsed(k.updateMaxRecordSize),
	}
}

func (*Kinesis) unknown(op string) *Error {
	return errorf("UnknownOperationException", "the emulator has no Kinesis operation %q", op)
}

// parsed is decoded with a parser for large requests. A PutRecords body can have 14 MiB, which encoding/json reads
// twice.
func parsed[In any](do func(*In) (any, error)) operation {
	return func(_ context.Context, req *Request) (any, error) {
		in := new(In)
		if err := json.Unmarshal(req.Body, in); err != nil {
			return nil, &Error{Code: "SerializationException", Message: err.Error()}
		}
		return do(in)
	}
}

// streamRef is how a request names a stream: by name, by ARN, or by both.
type streamRef struct {
	StreamName string
	StreamARN  string
}

func (st *stream) noShard(shardID string) *Error {
	return errorf("ResourceNotFoundException", "Could not find shard %s in stream %s under account %s.", shardID,
		st.name,
		st.account.options.Account)
}

// StoredRecord is a record as the service holds it.
type StoredRecord struct {
	ShardID        string
	SequenceNumber string
	PartitionKey   string
	// Data is the service's own copy and must not be changed.
	Data []byte
	// Arrival is ApproximateArrivalTimestamp, in whole milliseconds.
	Arrival time.Time
}

// Create makes an active provisioned stream with shards of equal size. It does nothing if the name is taken.
func (k *Kinesis) Create(name string, shards int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.account.settled(name, now) == nil {
		k.account.open(name, max(shards, 1), modeProvisioned, now)
	}
}

// Put stores a record and returns where, or nothing if there is no such stream. It keeps data, which must not be
// changed afterwards.
func (k *Kinesis) Put(name, partitionKey string, data []byte) (shardID, sequence string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st := k.account.settled(name, now)
	if st == nil {
		return "", ""
	}
	sh := st.route(hashOf(partitionKey))
	return sh.id, sh.append(now, st.cutoff(now), partitionKey, data)
}

// Records returns every record that can still be read, by shard and in sequence order.
func (k *Kinesis) Records(name string) []StoredRecord {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st := k.account.settled(name, now)
	if st == nil {
		return nil
	}
	var all []StoredRecord
	for _, sh := range st.listed(now) {
		sh.trim(st.cutoff(now))
		for i, r := range sh.records {
			all = append(all, StoredRecord{
				ShardID: sh.id, SequenceNumber: sh.sequence(sh.base + int64(i)), PartitionKey: r.key, Data: r.data,
				Arrival: time.UnixMilli(r.arrival),
			})
		}
	}
	return all
}

// Split splits an open shard in the middle of its range at once and returns its children, or nothing if there is no
// such open shard.
func (k *Kinesis) Split(name, shardID string) (low, high string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st := k.account.settled(name, now)
	if st == nil {
		return "", ""
	}
	sh := st.shard(shardID, now)
	if sh == nil || !sh.isOpen() || sh.keys.first == sh.keys.last {
		return "", ""
	}
	children := st.split(sh, sh.keys.middle(), now)
	return children[0].id, children[1].id
}

// Merge merges two adjacent open shards at once and returns their child, or nothing if they are not adjacent and open.
func (k *Kinesis) Merge(name, shardID, adjacentShardID string) (child string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st := k.account.settled(name, now)
	if st == nil {
		return ""
	}
	a, b := st.shard(shardID, now), st.shard(adjacentShardID, now)
	if a == nil || b == nil || !a.isOpen() || !b.isOpen() || !a.keys.adjacent(b.keys) {
		return ""
	}
	return st.merge(a, b, now).id
}

// OpenShards returns the ids of the open shards in the order of their hash key ranges.
func (k *Kinesis) OpenShards(name string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	st := k.account.settled(name, time.Now())
	if st == nil {
		return nil
	}
	ids := make([]string, len(st.open))
	for i, sh := range st.open {
		ids[i] = sh.id
	}
	return ids
}

// Delete removes a stream at once, so that Create can make another one of that name.
func (k *Kinesis) Delete(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.account.streams, name)
}

// ExpireIterators makes every iterator that was handed out so far answer with ExpiredIteratorException.
func (k *Kinesis) ExpireIterators() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.iterators.generation++
}

// Trim drops the records that arrived before that time and the shards that were closed before it, as the end of their
// retention would. A time in the future takes everything that is there, and nothing that comes.
func (k *Kinesis) Trim(name string, before time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st := k.account.settled(name, now)
	if st == nil {
		return
	}
	st.trimAll(now, before)
}

// TrimRecords drops the records that arrived before that time, and keeps the shards.
func (k *Kinesis) TrimRecords(name string, before time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	st := k.account.settled(name, time.Now())
	if st == nil {
		return
	}
	for _, sh := range st.shards {
		sh.trim(before.UnixMilli())
	}
}

// EmptyPages makes every nth read of a shard that has data ahead answer without records, as AWS may do at any time. 0
// turns it off; 1 would leave no page with records.
func (k *Kinesis) EmptyPages(nth int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.iterators.emptyEvery = nth
}

// Trimmed is what becomes of a sequence number whose record has left the stream. AWS documents none of them.
type Trimmed uint8

// The answers that are known.
const (
	// TrimmedOldest reads on at the oldest record.
	TrimmedOldest Trimmed = iota
	// TrimmedRefused answers GetShardIterator with InvalidArgumentException.
	TrimmedRefused
	// TrimmedEmpty gives an iterator whose pages stay empty, as far behind as the retention, forever.
	TrimmedEmpty
)

// TrimmedAnswers are all of them.
func TrimmedAnswers() []Trimmed { return []Trimmed{TrimmedOldest, TrimmedRefused, TrimmedEmpty} }

func (t Trimmed) String() string {
	return [...]string{"reads on at the oldest record", "is refused", "reads empty pages"}[t]
}

// AnswerTrimmed decides what becomes of a sequence number whose record has been trimmed; TrimmedOldest by default.
func (k *Kinesis) AnswerTrimmed(how Trimmed) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.iterators.trimmed = how
}
