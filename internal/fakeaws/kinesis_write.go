package fakeaws

import (
	"time"
	"unicode/utf8"
)

const (
	maxPutRecords         = 500
	maxPutBytes           = 10 << 20
	maxPartitionKey       = 256
	writeBytesPerSecond   = 1 << 20
	writeRecordsPerSecond = 1000
)

// putEntry is a record to be stored.
type putEntry struct {
	Data            []byte
	PartitionKey    string
	ExplicitHashKey *string
}

// hashKey validates an entry and says where it falls.
func (e *putEntry) hashKey(st *stream) (hashKey, error) {
	if n := utf8.RuneCountInString(e.PartitionKey); n < 1 || n > maxPartitionKey {
		return hashKey{}, errorf("ValidationException",
			"1 validation error detected: Value at 'partitionKey' failed to satisfy "+
				"constraint: Member must have length between 1 and %d", maxPartitionKey)
	}
	if size := len(e.Data) + len(e.PartitionKey); size > st.maxRecordKiB<<10 {
		return hashKey{}, errorf("InvalidArgumentException",
			"Record of %d bytes is larger than the %d KiB that stream %s accepts",
			size, st.maxRecordKiB, st.name)
	}
	if e.ExplicitHashKey == nil {
		return hashOf(e.PartitionKey), nil
	}
	h, ok := parseHashKey(*e.ExplicitHashKey)
	if !ok {
		return hashKey{}, errorf("InvalidArgumentException",
			"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: "+
				"[0, 2^128-1]. Specified value was %s", *e.ExplicitHashKey)
	}
	return h, nil
}

// put stores an entry at its hash key, or nothing if the shard's limits are used up.
func (st *stream) put(h hashKey, e *putEntry, now time.Time) (sh *shard, sequence string, ok bool) {
	sh = st.route(h)
	if !st.account.options.Unthrottled {
		if !sh.writeCount.ready(now) || !sh.writeBytes.ready(now) {
			return sh, "", false
		}
		sh.writeCount.spend(1)
		sh.writeBytes.spend(len(e.Data) + len(e.PartitionKey))
	}
	return sh, sh.append(now, st.cutoff(now), e.PartitionKey, e.Data), true
}

type putRecordInput struct {
	streamRef
	putEntry
}

func (k *Kinesis) putRecord(in *putRecordInput) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.findReadable(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	h, err := in.hashKey(st)
	if err != nil {
		return nil, err
	}
	sh, sequence, ok := st.put(h, &in.putEntry, now)
	if !ok {
		return nil, st.exceeded(sh)
	}
	return putResult{ShardID: sh.id, SequenceNumber: sequence}, nil
}

type putRecordsInput struct {
	streamRef

	Records []putEntry
}

// putResult is the answer for one record; a failed one has only the error's members.
type putResult struct {
	ShardID        string `json:"ShardId,omitempty"`
	SequenceNumber string `json:",omitempty"`
	ErrorCode      string `json:",omitempty"`
	ErrorMessage   string `json:",omitempty"`
}

func (k *Kinesis) putRecords(in *putRecordsInput) (any, error) {
	if n := len(in.Records); n < 1 || n > maxPutRecords {
		return nil, errorf("ValidationException",
			"1 validation error detected: Value at 'records' failed to satisfy constraint: "+
				"Member must have length between 1 and %d, not %d", maxPutRecords, n)
	}
	total := 0
	for i := range in.Records {
		total += len(in.Records[i].Data) + len(in.Records[i].PartitionKey)
	}
	if total > maxPutBytes {
		return nil, errorf("InvalidArgumentException", "Records size exceeds 10 MB limit")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.findReadable(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	keys := make([]hashKey, len(in.Records))
	for i := range in.Records {
		if keys[i], err = in.Records[i].hashKey(st); err != nil {
			return nil, err
		}
	}
	out := struct {
		FailedRecordCount int
		Records           []putResult
	}{Records: make([]putResult, len(in.Records))}
	for i := range in.Records {
		if k.refuse != nil {
			if e := k.refuse(st.route(keys[i]).id, in.Records[i].PartitionKey); e != nil {
				out.FailedRecordCount++
				out.Records[i] = putResult{ErrorCode: e.Code, ErrorMessage: e.Message}
				continue
			}
		}
		sh, sequence, ok := st.put(keys[i], &in.Records[i], now)
		if ok {
			out.Records[i] = putResult{ShardID: sh.id, SequenceNumber: sequence}
			if k.accepted != nil {
				k.accepted(st.name, StoredRecord{
					ShardID: sh.id, SequenceNumber: sequence, PartitionKey: in.Records[i].PartitionKey,
					Data: in.Records[i].Data, Arrival: now,
				})
			}
			continue
		}
		out.FailedRecordCount++
		e := st.exceeded(sh)
		out.Records[i] = putResult{ErrorCode: e.Code, ErrorMessage: e.Message}
	}
	return out, nil
}

// RefuseEntries has PutRecords refuse those entries, inside an answer, for which f returns an error: those of a shard
// that gets more than it takes, for example. f must not block; nil ends it.
func (k *Kinesis) RefuseEntries(f func(shardID, partitionKey string) *Error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refuse = f
}

// OnPutRecords has f called for every record that PutRecords accepts from now on, in the order of their acceptance and
// before the answer. f must neither block nor call the emulator.
func (k *Kinesis) OnPutRecords(f func(stream string, r StoredRecord)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.accepted = f
}
