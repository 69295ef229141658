package fakeaws

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	iteratorLife = 5 * time.Minute

	maxPageRecords = 10_000
	maxPageBytes   = 10 << 20
	// fullPagePenalty is how long a shard refuses reads after a page of maxPageBytes.
	fullPagePenalty    = 5 * time.Second
	readBytesPerSecond = 2 << 20
	// callsPerSecond is the limit of GetRecords and of GetShardIterator for each shard.
	callsPerSecond = 5
)

// The types of shard iterators that are not also shard filters.
const (
	typeTrimHorizon   = "TRIM_HORIZON"
	typeLatest        = "LATEST"
	typeAtSequence    = "AT_SEQUENCE_NUMBER"
	typeAfterSequence = "AFTER_SEQUENCE_NUMBER"
)

// nowhere is the position of an iterator that finds nothing (TrimmedEmpty).
const nowhere = -1

// iterator is a shard iterator. It holds everything, so the service keeps none.
type iterator struct {
	generation int64
	stream     int64
	shard      int64
	position   int64
	issued     int64 // ns
}

func (it iterator) String() string {
	var b []byte
	for _, n := range []int64{it.generation, it.stream, it.shard, it.position, it.issued} {
		b = binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // both ways
	}
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return base64.StdEncoding.EncodeToString(b)
}

func parseIterator(s string) (iterator, bool) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != 5*8+4 {
		return iterator{}, false
	}
	body, sum := b[:5*8], binary.BigEndian.Uint32(b[5*8:])
	if crc32.ChecksumIEEE(body) != sum {
		return iterator{}, false
	}
	at := func(i int) int64 { return int64(binary.BigEndian.Uint64(body[8*i:])) } //nolint:gosec // both ways
	return iterator{at(0), at(1), at(2), at(3), at(4)}, true
}

type shardIteratorInput struct {
	streamRef

	ShardID                string `json:"ShardId"`
	ShardIteratorType      string
	StartingSequenceNumber *string
	Timestamp              *epoch
}

func (k *Kinesis) getShardIterator(in *shardIteratorInput) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.findReadable(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	sh := st.shard(in.ShardID, now)
	if sh == nil {
		return nil, st.noShard(in.ShardID)
	}
	sh.trim(st.cutoff(now))
	position, err := k.iterators.startingPosition(st, sh, in, now)
	if err != nil {
		return nil, err
	}
	if !k.account.options.Unthrottled {
		if !sh.iteratorCalls.ready(now) {
			return nil, st.exceeded(sh)
		}
		sh.iteratorCalls.spend(1)
	}
	return struct{ ShardIterator string }{k.iterators.at(st, sh, position, now).String()}, nil
}

// iterators are the iterators of an account, and what the tests want of them.
type iterators struct {
	// generation is raised by ExpireIterators; iterators of earlier ones have expired.
	generation int64
	emptyEvery int     // see EmptyPages
	trimmed    Trimmed // see AnswerTrimmed
}

func (i *iterators) at(st *stream, sh *shard, position int64, now time.Time) iterator {
	return iterator{
		generation: i.generation, stream: st.id, shard: sh.number, position: position, issued: now.UnixNano(),
	}
}

// startingPosition is where an iterator of the asked type begins. It may be trimmed already: reading continues behind
// that.
func (i *iterators) startingPosition(st *stream, sh *shard, in *shardIteratorInput, now time.Time) (int64, error) {
	bySequence := in.ShardIteratorType == typeAtSequence || in.ShardIteratorType == typeAfterSequence
	switch {
	case bySequence && in.StartingSequenceNumber == nil:
		return 0, errorf("InvalidArgumentException",
			"Must specify startingSequenceNumber parameter for iterator of type %s.",
			in.ShardIteratorType)
	case !bySequence && in.StartingSequenceNumber != nil:
		return 0, errorf("InvalidArgumentException",
			"Request has ShardIteratorType %s but also includes a StartingSequenceNumber.",
			in.ShardIteratorType)
	case in.ShardIteratorType != atTimestamp && in.Timestamp != nil:
		return 0, errorf("InvalidArgumentException", "Request has ShardIteratorType %s but also includes a Timestamp.",
			in.ShardIteratorType)
	}
	switch in.ShardIteratorType {
	case typeTrimHorizon:
		return sh.base, nil
	case typeLatest:
		return sh.next(), nil
	case typeAtSequence, typeAfterSequence:
		p, ok := sh.position(*in.StartingSequenceNumber)
		trimmed := p > 0 && p < sh.base
		if ok && trimmed && i.trimmed == TrimmedEmpty {
			return nowhere, nil
		}
		if !ok || trimmed && i.trimmed == TrimmedRefused {
			return 0, errorf("InvalidArgumentException",
				"StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s "+
					"under account %s is invalid because it did not come from this stream.", *in.StartingSequenceNumber,
				sh.id, st.name,
				st.account.options.Account)
		}
		if in.ShardIteratorType == typeAfterSequence {
			p++
		}
		return min(p, sh.next()), nil
	case atTimestamp:
		if in.Timestamp == nil {
			return 0, errorf(
				"InvalidArgumentException", "Must specify timestampInMillis parameter for iterator of type %s.",
				atTimestamp,
			)
		}
		if t := int64(*in.Timestamp); t > now.UnixMilli() {
			return 0, errorf("InvalidArgumentException", "The timestampInMillis parameter cannot be greater than the "+
				"currentTimestampInMillis. timestampInMillis: %d, currentTimestampInMillis: %d", t, now.UnixMilli())
		}
		return sh.base + int64(sh.after(int64(*in.Timestamp))), nil
	}
	return 0, errorf("ValidationException",
		"1 validation error detected: Value '%s' at 'shardIteratorType' failed to satisfy "+
			"constraint: Member must satisfy enum value set: [%s, %s, %s, %s, %s]", in.ShardIteratorType,
		typeAfterSequence, typeLatest,
		atTimestamp, typeAtSequence, typeTrimHorizon)
}

func (st *stream) exceeded(sh *shard) *Error {
	return errorf("ProvisionedThroughputExceededException",
		"Rate exceeded for shard %s in stream %s under account %s.", sh.id,
		st.name, st.account.options.Account)
}

type getRecordsInput struct {
	ShardIterator string
	Limit         *int
}

func (k *Kinesis) getRecords(in *getRecordsInput) (any, error) {
	limit := maxPageRecords
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 {
		return nil, errorf("ValidationException", "Limit is %d: want 1 to %d", limit, maxPageRecords)
	}
	if limit > maxPageRecords {
		return nil, errorf("InvalidArgumentException", "Limit is %d: want 1 to %d", limit, maxPageRecords)
	}
	p, err := k.page(in.ShardIterator, limit)
	if err != nil {
		return nil, err
	}
	return p.encode()
}

// recordPage is one answer of GetRecords. It shares the shard's memory: records never change once stored.
type recordPage struct {
	shard        *shard
	first        int64 // position of records[0]
	records      []record
	bytes        int
	next         string // empty at the end of a closed shard
	millisBehind int64
	children     []childShard
}

type childShard struct {
	ShardID      string `json:"ShardId"`
	ParentShards []string
	HashKeyRange hashKeyRange
}

// page takes the records at an iterator.
func (k *Kinesis) page(shardIterator string, limit int) (*recordPage, error) {
	it, ok := parseIterator(shardIterator)
	if !ok {
		return nil, errorf("InvalidArgumentException", "Invalid ShardIterator.")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if age := now.Sub(time.Unix(0, it.issued)); age >= iteratorLife || it.generation < k.iterators.generation {
		return nil, errorf("ExpiredIteratorException",
			"Iterator expired. The iterator was created at time %s while right now it is "+
				"%s which is further in the future than the tolerated delay of %d milliseconds.",
			time.Unix(0, it.issued).UTC().Format(time.RFC1123), now.UTC().Format(time.RFC1123),
			iteratorLife.Milliseconds())
	}
	st := k.account.streamByID(it.stream, now)
	if st == nil {
		return nil, errorf(
			"ResourceNotFoundException", "The stream of this iterator under account %s not found.",
			k.account.options.Account,
		)
	}
	sh := st.shardNumber(it.shard, now)
	if sh == nil {
		return nil, st.noShard(shardID(it.shard))
	}
	if !k.account.options.Unthrottled {
		if now.Before(sh.readBlocked) || !sh.readBytes.ready(now) || !sh.readCalls.ready(now) {
			return nil, st.exceeded(sh)
		}
		sh.readCalls.spend(1)
	}
	sh.trim(st.cutoff(now))
	if it.position == nowhere {
		p := &recordPage{shard: sh, millisBehind: st.retention.Milliseconds()}
		p.next = k.iterators.at(st, sh, nowhere, now).String()
		return p, nil
	}
	return k.iterators.read(st, sh, max(it.position, sh.base), limit, now), nil
}

func (a *account) streamByID(id int64, now time.Time) *stream {
	for name, st := range a.streams {
		if st.id != id {
			continue
		}
		if st = a.settled(name, now); st != nil && st.serving(now) {
			return st
		}
	}
	return nil
}

// read cuts a page from position on and charges it to the shard's limits.
func (i *iterators) read(st *stream, sh *shard, position int64, limit int, now time.Time) *recordPage {
	p := &recordPage{shard: sh, first: position}
	ahead := sh.records[position-sh.base:]
	if len(ahead) > 0 && i.emptyEvery > 0 {
		if sh.readsWithData++; sh.readsWithData%i.emptyEvery == 0 {
			limit = 0
		}
	}
	n, full := 0, false
	for n < len(ahead) && n < limit {
		size := ahead[n].size()
		if n > 0 && p.bytes+size > maxPageBytes {
			full = true
			break
		}
		p.bytes += size
		n++
	}
	p.records = ahead[:n:n]
	sh.readBytes.spend(p.bytes)
	if full || p.bytes >= maxPageBytes {
		sh.readBlocked = now.Add(fullPagePenalty)
	}
	if n < len(ahead) {
		p.millisBehind = max(1, now.UnixMilli()-ahead[n].arrival)
	}
	if n == len(ahead) && !sh.isOpen() {
		p.children = st.childrenOf(sh, now)
		return p
	}
	p.next = i.at(st, sh, position+int64(n), now).String()
	return p
}

func (st *stream) childrenOf(parent *shard, now time.Time) []childShard {
	var children []childShard
	for _, sh := range st.listed(now) {
		for _, id := range sh.parents {
			if id == parent.id {
				children = append(children, childShard{sh.id, sh.parents, sh.hashKeyRange()})
			}
		}
	}
	return children
}

// encode writes the answer in one pass over the records, into one allocation: pages are what this emulator moves most.
func (p *recordPage) encode() (encodedJSON, error) {
	const perRecord = len(
		`{"ApproximateArrivalTimestamp":1234567890.123,"Data":"","PartitionKey":"","SequenceNumber":""},`,
	) + sequenceDigits
	b := make([]byte, 0, 512+len(p.records)*(perRecord+8)+p.bytes*4/3)
	b = append(b, `{"Records":[`...)
	var err error
	for i := range p.records {
		r := &p.records[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"ApproximateArrivalTimestamp":`...)
		b = epoch(r.arrival).append(b)
		b = append(b, `,"Data":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.data)
		b = append(b, `","PartitionKey":`...)
		if b, err = jsontext.AppendQuote(b, r.key); err != nil {
			return nil, err
		}
		b = append(b, `,"SequenceNumber":"`...)
		b = p.shard.appendSequence(b, p.first+int64(i))
		b = append(b, `"}`...)
	}
	b = append(b, `],"MillisBehindLatest":`...)
	b = strconv.AppendInt(b, p.millisBehind, 10)
	if p.next != "" {
		b = append(b, `,"NextShardIterator":"`...)
		b = append(b, p.next...)
		return append(b, `"}`...), nil
	}
	return appendMember(b, "ChildShards", p.children)
}
