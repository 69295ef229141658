package fakeaws

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	modeProvisioned = "PROVISIONED"
	modeOnDemand    = "ON_DEMAND"
	// onDemandShards is what AWS gives a new on-demand stream.
	onDemandShards = 4

	minRetention = 24 * time.Hour
	maxRetention = 8760 * time.Hour

	minRecordKiB = 1024
	maxRecordKiB = 10240

	maxShards = 10_000
)

// stream is one stream and the shards that it still lists.
type stream struct {
	account *account
	id      int64
	name    string
	created time.Time

	mode         string
	retention    time.Duration
	maxRecordKiB int

	shards     []*shard // ascending by number
	open       []*shard // ascending by hash key
	nextNumber int64

	activeAt  time.Time // when CREATING ends
	updatedAt time.Time // when UPDATING ends
	deletedAt time.Time // when DELETING ends; zero while it lives
	pending   []change  // ascending by due
	trimmedTo time.Time // by Trim
	rescaled  []time.Time
}

// change is a step of a reshard that becomes visible at its due time.
type change struct {
	due   time.Time
	apply func(at time.Time)
}

// open makes an active stream.
func (a *account) open(name string, shards int, mode string, now time.Time) *stream {
	a.streamsEver++
	st := &stream{
		account: a, id: a.streamsEver, name: name, created: now, mode: mode, retention: minRetention,
		maxRecordKiB: minRecordKiB,
	}
	a.streams[name] = st
	starts := uniform(shards)
	for i, first := range starts {
		last := maxHashKey()
		if i+1 < len(starts) {
			last = starts[i+1].prev()
		}
		st.open = append(st.open, st.addShard(keyRange{first, last}, now))
	}
	return st
}

// addShard opens a shard. The caller puts it where it belongs in st.open.
func (st *stream) addShard(keys keyRange, at time.Time, parents ...string) *shard {
	a := st.account
	a.shardsEver++
	a.lastOpened = max(a.lastOpened, at.UnixMilli())
	sh := &shard{
		id: shardID(st.nextNumber), number: st.nextNumber, keys: keys, firstKey: keys.first.String(),
		lastKey: keys.last.String(), opened: at, parents: parents, base: 1,
		prefix:    fmt.Sprintf("49%013d%010d", a.lastOpened, a.shardsEver),
		readCalls: newBucket(callsPerSecond, at), iteratorCalls: newBucket(callsPerSecond, at),
		readBytes:  newBucket(readBytesPerSecond, at),
		writeBytes: newBucket(writeBytesPerSecond, at), writeCount: newBucket(writeRecordsPerSecond, at),
	}
	st.nextNumber++
	st.shards = append(st.shards, sh)
	return sh
}

// replace puts shards where others were in st.open; the first of old is the one with the lowest keys.
func (st *stream) replace(old []*shard, by ...*shard) {
	i := slices.Index(st.open, old[0])
	st.open = slices.Replace(st.open, i, i+len(old), by...)
}

// settle applies the changes that are due.
func (st *stream) settle(now time.Time) {
	for len(st.pending) > 0 && !now.Before(st.pending[0].due) {
		c := st.pending[0]
		st.pending = st.pending[1:]
		c.apply(c.due)
	}
}

func (st *stream) status(now time.Time) string {
	switch {
	case !st.deletedAt.IsZero():
		return "DELETING"
	case now.Before(st.activeAt):
		return "CREATING"
	case now.Before(st.updatedAt):
		return "UPDATING"
	}
	return "ACTIVE"
}

// serving reports whether records can be put and read.
func (st *stream) serving(now time.Time) bool {
	s := st.status(now)
	return s == "ACTIVE" || s == "UPDATING"
}

// horizon is the time before which nothing can be read.
func (st *stream) horizon(now time.Time) time.Time {
	h := now.Add(-st.retention)
	for _, t := range []time.Time{st.created, st.trimmedTo} {
		if t.After(h) {
			h = t
		}
	}
	return h
}

// cutoff is the horizon in ms.
func (st *stream) cutoff(now time.Time) int64 { return st.horizon(now).UnixMilli() }

// trimAll drops what is older than before, once and for all.
func (st *stream) trimAll(now, before time.Time) {
	st.shards = slices.DeleteFunc(
		slices.Clone(st.shards), func(s *shard) bool { return !s.isOpen() && s.closed.Before(before) },
	)
	for _, sh := range st.shards {
		sh.trim(before.UnixMilli())
	}
	if before.After(now) {
		before = now
	}
	if before.After(st.trimmedTo) {
		st.trimmedTo = before
	}
}

// expired says that a shard was closed so long ago that all its records are gone: AWS no longer lists it.
func (st *stream) expired(sh *shard, now time.Time) bool {
	return !sh.isOpen() && sh.closed.Before(st.horizon(now))
}

func (st *stream) listed(now time.Time) []*shard {
	if slices.ContainsFunc(st.shards, func(s *shard) bool { return st.expired(s, now) }) {
		st.shards = slices.DeleteFunc(slices.Clone(st.shards), func(s *shard) bool { return st.expired(s, now) })
	}
	return st.shards
}

// shard returns a listed shard, or nil.
func (st *stream) shard(id string, now time.Time) *shard {
	n, ok := parseShardID(id)
	if !ok {
		return nil
	}
	return st.shardNumber(n, now)
}

func (st *stream) shardNumber(n int64, now time.Time) *shard {
	i, ok := slices.BinarySearchFunc(st.shards, n, func(s *shard, n int64) int { return cmp.Compare(s.number, n) })
	if !ok || st.expired(st.shards[i], now) {
		return nil
	}
	return st.shards[i]
}

// route returns the open shard that holds a hash key. The open shards always cover the whole space.
func (st *stream) route(h hashKey) *shard {
	i, ok := slices.BinarySearchFunc(st.open, h, func(s *shard, h hashKey) int { return s.keys.first.compare(h) })
	if !ok {
		i--
	}
	return st.open[i]
}

// epoch is a time on the wire: seconds with three decimals; here in ms.
type epoch int64

// MarshalJSON implements json.Marshaler.
func (e epoch) MarshalJSON() ([]byte, error) { return e.append(nil), nil }

func (e epoch) append(b []byte) []byte {
	b = strconv.AppendInt(b, int64(e)/1000, 10)
	b = append(b, '.')
	return appendPadded(b, int64(e)%1000, 3)
}

// UnmarshalJSON implements json.Unmarshaler.
func (e *epoch) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return fmt.Errorf("timestamp %s: want seconds since the epoch: %w", b, err)
	}
	*e = epoch(seconds*1000 + 0.5)
	return nil
}

type createStreamInput struct {
	StreamName         string
	ShardCount         *int
	StreamModeDetails  *streamModeDetails
	MaxRecordSizeInKiB *int
}

type streamModeDetails struct{ StreamMode string }

func (k *Kinesis) createStream(in *createStreamInput) (any, error) {
	if !validStreamName(in.StreamName) {
		return nil, errorf("ValidationException",
			"1 validation error detected: Value '%s' at 'streamName' failed to satisfy "+
				"constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]{1,128}", in.StreamName)
	}
	mode, shards := modeProvisioned, 1
	if in.StreamModeDetails != nil {
		mode = in.StreamModeDetails.StreamMode
	}
	switch {
	case mode == modeOnDemand && in.ShardCount != nil:
		return nil, errorf("InvalidArgumentException", "ShardCount cannot be given for an on-demand stream")
	case mode == modeOnDemand:
		shards = onDemandShards
	case mode != modeProvisioned:
		return nil, errorf(
			"ValidationException", "StreamMode %q is neither %s nor %s", mode, modeProvisioned, modeOnDemand,
		)
	case in.ShardCount != nil:
		shards = *in.ShardCount
	}
	if shards < 1 {
		return nil, errorf("ValidationException",
			"1 validation error detected: Value '%d' at 'shardCount' failed to satisfy "+
				"constraint: Member must have value greater than or equal to 1", shards)
	}
	if shards > maxShards {
		return nil, errorf("LimitExceededException", "This request would exceed the shard limit of %d", maxShards)
	}
	size := minRecordKiB
	if in.MaxRecordSizeInKiB != nil {
		size = *in.MaxRecordSizeInKiB
	}
	if err := validRecordSize(size); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if k.account.settled(in.StreamName, now) != nil {
		return nil, errorf(
			"ResourceInUseException", "Stream %s under account %s already exists.", in.StreamName,
			k.account.options.Account,
		)
	}
	st := k.account.open(in.StreamName, shards, mode, now)
	st.activeAt = now.Add(k.account.options.StreamActivation)
	st.maxRecordKiB = size
	return nil, nil
}

func validStreamName(name string) bool {
	if len(name) < 1 || len(name) > 128 {
		return false
	}
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '.', c == '-':
		default:
			return false
		}
	}
	return true
}

func validRecordSize(kib int) error {
	if kib < minRecordKiB || kib > maxRecordKiB {
		return errorf("ValidationException", "MaxRecordSizeInKiB is %d: want %d to %d", kib, minRecordKiB, maxRecordKiB)
	}
	return nil
}

func (k *Kinesis) deleteStream(in *streamRef) (any, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.find(*in, now)
	if err != nil {
		return nil, err
	}
	if st.deletedAt.IsZero() {
		st.deletedAt = now.Add(k.account.options.StreamActivation)
	}
	return nil, nil
}

type streamSummary struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       streamModeDetails
	StreamCreationTimestamp epoch
}

func (st *stream) summary(now time.Time) streamSummary {
	return streamSummary{
		StreamName: st.name, StreamARN: st.account.arn(st.name), StreamStatus: st.status(now),
		StreamModeDetails: streamModeDetails{st.mode}, StreamCreationTimestamp: epoch(st.created.UnixMilli()),
	}
}

// streamSettings are the members that the two descriptions share.
type streamSettings struct {
	RetentionPeriodHours int
	EncryptionType       string
	EnhancedMonitoring   []struct{ ShardLevelMetrics []string }
}

func (st *stream) settings() streamSettings {
	return streamSettings{
		RetentionPeriodHours: int(st.retention.Hours()), EncryptionType: "NONE",
		EnhancedMonitoring: []struct{ ShardLevelMetrics []string }{{ShardLevelMetrics: []string{}}},
	}
}

func (k *Kinesis) describeStreamSummary(in *streamRef) (any, error) {
	type description struct {
		streamSummary
		streamSettings

		OpenShardCount     int
		ConsumerCount      int
		MaxRecordSizeInKiB int
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.find(*in, now)
	if err != nil {
		return nil, err
	}
	d := description{
		streamSummary: st.summary(now), streamSettings: st.settings(), OpenShardCount: len(st.open),
		MaxRecordSizeInKiB: st.maxRecordKiB,
	}
	if now.Before(st.activeAt) {
		d.OpenShardCount = 0
	}
	return struct{ StreamDescriptionSummary description }{d}, nil
}

type describeStreamInput struct {
	streamRef

	Limit                 *int
	ExclusiveStartShardID string `json:"ExclusiveStartShardId"`
}

func (k *Kinesis) describeStream(in *describeStreamInput) (any, error) {
	type description struct {
		streamSummary
		streamSettings

		Shards        []shardView
		HasMoreShards bool
	}
	limit := 100
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 10_000 {
		return nil, errorf("ValidationException", "Limit is %d: want 1 to 10000", limit)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.find(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	d := description{streamSummary: st.summary(now), streamSettings: st.settings(), Shards: []shardView{}}
	if now.Before(st.activeAt) {
		return struct{ StreamDescription description }{d}, nil
	}
	for _, sh := range st.listed(now) {
		if sh.id <= in.ExclusiveStartShardID {
			continue
		}
		if len(d.Shards) == limit {
			d.HasMoreShards = true
			break
		}
		d.Shards = append(d.Shards, sh.view())
	}
	return struct{ StreamDescription description }{d}, nil
}

type listStreamsInput struct {
	Limit                    *int
	ExclusiveStartStreamName string
	NextToken                string
}

func (k *Kinesis) listStreams(in *listStreamsInput) (any, error) {
	limit := 100
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > 10_000 {
		return nil, errorf("ValidationException", "Limit is %d: want 1 to 10000", limit)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	out := struct {
		StreamNames     []string
		StreamSummaries []streamSummary
		HasMoreStreams  bool
		NextToken       string `json:",omitempty"`
	}{StreamNames: []string{}, StreamSummaries: []streamSummary{}}
	for _, name := range k.account.names() {
		st := k.account.settled(name, now)
		if st == nil || name <= max(in.ExclusiveStartStreamName, in.NextToken) {
			continue
		}
		if len(out.StreamNames) == limit {
			out.HasMoreStreams, out.NextToken = true, out.StreamNames[limit-1]
			break
		}
		out.StreamNames = append(out.StreamNames, name)
		out.StreamSummaries = append(out.StreamSummaries, st.summary(now))
	}
	return out, nil
}

type retentionInput struct {
	streamRef

	RetentionPeriodHours int
}

func (k *Kinesis) increaseRetention(in *retentionInput) (any, error) {
	return k.setRetention(in, func(have, want time.Duration) bool { return want >= have })
}

func (k *Kinesis) decreaseRetention(in *retentionInput) (any, error) {
	return k.setRetention(in, func(have, want time.Duration) bool { return want <= have })
}

func (k *Kinesis) setRetention(in *retentionInput, allowed func(have, want time.Duration) bool) (any, error) {
	want := time.Duration(in.RetentionPeriodHours) * time.Hour
	if want < minRetention || want > maxRetention {
		return nil, errorf(
			"InvalidArgumentException", "RetentionPeriodHours is %d: want 24 to 8760", in.RetentionPeriodHours,
		)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.find(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	if !st.serving(now) {
		return nil, st.notActive(now)
	}
	if !allowed(st.retention, want) {
		return nil, errorf("InvalidArgumentException",
			"Requested retention period (%d hours) for stream %s is on the wrong side "+
				"of the existing retention period (%d hours)", in.RetentionPeriodHours, st.name, int(
				st.retention.Hours(),
			))
	}
	// What a shorter retention has passed over does not come back with a longer one.
	st.trimAll(now, st.horizon(now))
	st.retention = want
	st.trimAll(now, st.horizon(now))
	return nil, nil
}

func (st *stream) notActive(now time.Time) *Error {
	return errorf("ResourceInUseException", "Stream %s under account %s not ACTIVE, instead in state %s", st.name,
		st.account.options.Account, st.status(now))
}

type maxRecordSizeInput struct {
	streamRef

	MaxRecordSizeInKiB int
}

func (k *Kinesis) updateMaxRecordSize(in *maxRecordSizeInput) (any, error) {
	if err := validRecordSize(in.MaxRecordSizeInKiB); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	st, err := k.account.find(in.streamRef, now)
	if err != nil {
		return nil, err
	}
	if st.status(now) != "ACTIVE" {
		return nil, st.notActive(now)
	}
	st.maxRecordKiB = in.MaxRecordSizeInKiB
	return nil, nil
}
