package table

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"kinesis-alerter/internal/position"
)

// Keys of the rows that are not shards. No shard id starts with '#', and '#' within a key parts a shard from what
// belongs to it.
const (
	KeyApplication = "#application"
	KeyFleet       = "#fleet"
	KeyWorker      = "#worker/"
)

// Attribute names. Those that the KCL has too have its names.
const (
	AttrKey      = "leaseKey"
	AttrOwner    = "leaseOwner"
	AttrEpoch    = "leaseEpoch"
	AttrPosition = "checkpoint"
	AttrSub      = "checkpointSub"
	AttrResolved = "resolved"
	// AttrInput is what counts the places inside records, in the checkpoint and in what is settled above it: the hash
	// of the configuration's input. Absent is a reader that takes records as they are.
	AttrInput    = "input"
	AttrOffers   = "offers"   // the number of the last write of progress that took effect; absent is 0
	AttrCaughtUp = "caughtUp" // Unix milliseconds
	AttrLoad     = "load"     // bytes per second
	AttrParents  = "parents"
	AttrCounter  = "counter"
	AttrFenced   = "fenced"
	AttrLeaving  = "leaving"
	AttrArrival  = "lastArrival" // of a worker, Unix milliseconds; with it goes attrCaughtUp
	AttrCovers   = "covers"      // which shards a worker's attrCaughtUp is about
	// AttrRecordRate and AttrAlertRate (a second) and AttrLag are of a worker. The others show them.
	AttrRecordRate = "recordRate"
	AttrAlertRate  = "alertRate"
	AttrLag        = "lag" // milliseconds
	AttrVersion    = "version"
	AttrConfig     = "configHash" // of a worker: keyed, so that it reveals nothing
	// AttrBeat is of a worker, by the clock of the records (an older version: its own), Unix milliseconds. People
	// read it.
	AttrBeat      = "heartbeatAt"
	AttrStream    = "streamARN"
	AttrCreated   = "streamCreated" // Unix seconds
	AttrFormat    = "format"
	AttrTable     = "generation"
	attrDuration  = "leaseDuration" // milliseconds
	AttrT0        = "t0"            // Unix milliseconds
	AttrOpen      = "openShards"
	AttrClosed    = "closedShards"
	AttrMark      = "firstShard"   // an open shard at T0 and its starting sequence number: "id@number"
	AttrJavaLease = "leaseCounter" // of a KCL for Java
	// AttrReads is of a worker, and of the application's first one: the latest format of snapshots that it reads.
	// Absent is the first.
	AttrReads    = "reads"
	AttrMost     = "maxShards"    // of a worker: how many shards it may hold; absent is any number
	AttrHashKey  = "hashKey"      // of the application, in hex
	AttrKeepsake = "keepsake"     // of the application: what its workers keep with it
	AttrLast     = "lastPosition" // before SHARD_END
	AttrLastSub  = "lastPositionSub"
	AttrPaused   = "paused"
	AttrRewinds  = "generation" // of a shard: how often it was rewound
	AttrStartAt  = "startAt"    // where a rewound shard starts: "trim_horizon" or an RFC 3339 time

	// Of a shard that has a state: which save is in force, and what it holds.
	AttrState           = "state"
	AttrStateChunks     = "stateChunks"
	AttrStateSum        = "stateSum"
	AttrStateBytes      = "stateBytes"
	AttrStateAt         = "stateAt"
	AttrStateSub        = "stateSub"
	AttrStateGeneration = "stateGeneration"

	// Of a chunk in the state table, beside version and format.
	AttrData   = "data"
	AttrChunks = "chunks"
	AttrSum    = "sum"
	AttrNumber = "number"
	AttrTop    = "top"
)

// rowFormat is the version of the row format; another one is refused.
const rowFormat = 1

// Item is a row as DynamoDB has it.
type Item = map[string]types.AttributeValue

// Row is one shard's row.
type Row struct {
	ID       string
	Owner    string
	Epoch    int64
	Position position.Position
	Last     position.Position // before SHARD_END; zero where an older version wrote the end, or nothing was read
	Resolved string
	Input    string // what counts places inside records, in Position and Resolved
	Offers   int64
	CaughtUp time.Time
	Load     float64
	Claims   []string // its parents by the table
	Parents  []string // those by the stream, where that has named them
	Paused   bool
	Rewinds  uint32    // how often an operator rewound it; after the first rewind part of its alerts' ids
	StartAt  Start     // where to read from while there is no checkpoint; latest by default
	State    Saved     // what was saved with the progress, if anything
	At       time.Time // when this process read or wrote it
}

// Ended reports whether the shard was read to its end.
func (r *Row) Ended() bool { return r.Position.Sequence == position.ShardEnd }

// Progressed reports whether the shard was ever read and committed.
func (r *Row) Progressed() bool { return !r.Position.IsZero() }

// Placed reports whether the row itself says where to read from, whatever the application's start is.
func (r *Row) Placed() bool { return r.Progressed() || r.StartAt.Kind != StartLatest }

// Worker is one worker's heartbeat.
type Worker struct {
	ID      string
	Counter int64
	Fenced  bool
	Leaving bool
	Version string
	Config  string    // empty where the version did not write it
	Reads   int       // the latest format of snapshots that it reads
	Most    int       // how many shards it may hold; 0 is any number
	Beat    time.Time // zero where the version did not write it
	// Damaged says that its counter cannot be read, raw is what it is. No worker can write a heartbeat to such a row,
	// not even its own.
	Damaged bool
	Raw     types.AttributeValue
	Pulse
	Report
}

// Still holds while the counter of a worker is as it was observed.
func (w *Worker) Still(e *Write) {
	switch {
	case !w.Damaged:
		e.IfEqual(AttrCounter, Num(w.Counter))
	case w.Raw == nil:
		e.IfAbsent(AttrCounter)
		e.IfPresent(AttrKey)
	default:
		e.IfEqual(AttrCounter, w.Raw)
	}
}

// IsShardID reports whether a text may be the id of a shard, by the reference of the Kinesis API.
func IsShardID(s string) bool {
	return s != "" && len(s) <= mostShardID && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_.-", c)
	})
}

// IsShardKey reports whether a key may be that of a shard's row.
func IsShardKey(key string) bool { return key != "" && !strings.Contains(key, "#") }

// DecodeRow reads the row of a shard, which this process got at that time.
func DecodeRow(it Item, at time.Time) (*Row, error) {
	if err := Damage(it, at); err != nil {
		return nil, fmt.Errorf("row %s: %s", Text(it[AttrKey]), FaultOf(err))
	}
	r := &Row{
		ID: Text(it[AttrKey]), Owner: Text(it[AttrOwner]), Resolved: Text(it[AttrResolved]), At: at,
		Input:    short(Text(it[AttrInput])),
		Position: position.Position{Sequence: Text(it[AttrPosition]), Sub: position.WholeRecord},
		State:    DecodeSaved(it),
	}
	r.Epoch, _ = Count(it[AttrEpoch])
	if av, ok := it[AttrSub]; ok {
		sub, _ := Count(av)
		r.Position.Sub = uint32(min(sub, int64(position.WholeRecord))) //nolint:gosec // a count is never negative
	}
	if r.Position.IsZero() {
		r.Position.Sub = 0
	}
	if last := Text(it[AttrLast]); r.Ended() && position.ValidSequence(last) {
		r.Last = position.Position{Sequence: last, Sub: position.WholeRecord}
		if sub, ok := Count(it[AttrLastSub]); ok {
			r.Last.Sub = uint32(min(sub, int64(position.WholeRecord))) //nolint:gosec // as above
		}
	}
	r.Offers, _ = Count(it[AttrOffers])
	r.CaughtUp = Moment(it[AttrCaughtUp], at)
	_, r.Paused = it[AttrPaused]
	if n, ok := Count(it[AttrRewinds]); ok && n <= mostRewinds {
		r.Rewinds = uint32(n) //nolint:gosec // as above
	}
	if err := r.StartAt.UnmarshalText([]byte(Text(it[AttrStartAt]))); err != nil {
		return nil, fmt.Errorf("row %s: %s: %w", r.ID, AttrStartAt, err)
	}
	if f, ok := perSecond(it[AttrLoad]); ok {
		r.Load = f
	}
	r.Claims = DecodeParents(it[AttrParents])
	r.Parents = r.Claims
	return r, nil
}

// DecodeParents reads the parents of a shard. A shard has two at most; a longer list is invalid.
func DecodeParents(av types.AttributeValue) (ids []string) {
	switch p := av.(type) {
	case *types.AttributeValueMemberSS:
		ids = p.Value
	case *types.AttributeValueMemberL:
		for _, v := range p.Value {
			ids = append(ids, Text(v))
		}
	}
	if len(ids) > 2 || slices.ContainsFunc(ids, func(id string) bool { return !IsShardID(id) }) {
		return nil
	}
	return ids
}

// Encode writes the whole row, for where none was.
func (r *Row) Encode() Item {
	it := Item{AttrKey: Str(r.ID), AttrEpoch: Num(r.Epoch)}
	if r.Owner != "" {
		it[AttrOwner] = Str(r.Owner)
	}
	if !r.Position.IsZero() {
		it[AttrPosition] = Str(r.Position.Sequence)
		if !r.Ended() {
			it[AttrSub] = Num(int64(r.Position.Sub))
		}
	}
	if r.Ended() && !r.Last.IsZero() {
		it[AttrLast], it[AttrLastSub] = Str(r.Last.Sequence), Num(int64(r.Last.Sub))
	}
	if r.Resolved != "" {
		it[AttrResolved] = Str(r.Resolved)
	}
	if r.Input != "" {
		it[AttrInput] = Str(r.Input)
	}
	if r.Offers > 0 {
		it[AttrOffers] = Num(r.Offers)
	}
	if !r.CaughtUp.IsZero() {
		it[AttrCaughtUp] = Num(r.CaughtUp.UnixMilli())
	}
	if len(r.Parents) > 0 {
		it[AttrParents] = &types.AttributeValueMemberSS{Value: r.Parents}
	}
	if r.Paused {
		it[AttrPaused] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if r.Rewinds > 0 {
		it[AttrRewinds] = Num(int64(r.Rewinds))
	}
	if r.StartAt.Kind != StartLatest {
		it[AttrStartAt] = Str(r.StartAt.String())
	}
	r.State.Encode(it)
	return it
}

// DecodeWorker never fails. now is the time by which records arrive: what cannot be by it is no time.
func DecodeWorker(it Item, now time.Time) Worker {
	w := Worker{
		ID: strings.TrimPrefix(Text(it[AttrKey]), KeyWorker), Version: short(Text(it[AttrVersion])),
		Config: short(Text(it[AttrConfig])),
		Beat:   Moment(it[AttrBeat], now), Report: decodeReport(it, now),
	}
	w.Pulse = decodePulse(it)
	w.Reads = FirstFormat
	if n, ok := Count(it[AttrReads]); ok {
		w.Reads = int(max(n, FirstFormat))
	}
	if n, ok := Count(it[AttrMost]); ok && n <= maxShards {
		w.Most = int(n)
	}
	_, w.Fenced = it[AttrFenced]
	_, w.Leaving = it[AttrLeaving]
	var ok bool
	if w.Counter, ok = Count(it[AttrCounter]); !ok {
		w.Damaged, w.Raw = true, it[AttrCounter]
	}
	return w
}

// Application is the row of that name.
type Application struct {
	StreamARN     string
	StreamCreated int64 // Unix seconds; the wire carries no finer time reliably
	Generation    string
	Duration      time.Duration
	Origin        Origin
	Shard         Mark
	Key           HashKey
	HasKey        bool  // versions that know of none leave it out
	Born          int   // the latest format of snapshots that its first worker reads
	Damage        error // what of it cannot be read and is ignored; nil when all can be
}

// Mark is a shard by which the stream is known again: a stream that was recreated has higher sequence numbers.
type Mark struct{ ID, First string }

// DecodeApplication reads the #application row. now is the time by which records arrive.
func DecodeApplication(it Item, now time.Time) (*Application, error) {
	if f, err := Integer(it[AttrFormat]); err != nil || f != rowFormat {
		return nil, fmt.Errorf(
			"%w: this version reads format %d, the table says %q: use the version that wrote it, or another table",
			ErrFormat, rowFormat, short(NumberText(it[AttrFormat])))
	}
	a := &Application{StreamARN: Text(it[AttrStream]), Generation: Text(it[AttrTable])}
	// One that cannot be is corrected, as any that is not the stream's.
	if seconds, err := Integer(it[AttrCreated]); err == nil && seconds > 0 && seconds <= now.Add(mostAhead).Unix() {
		a.StreamCreated = seconds
	}
	ms, err := Integer(it[attrDuration])
	if err != nil || ms < MinLeaseDuration.Milliseconds() || ms > MaxLeaseDuration.Milliseconds() {
		return nil, fmt.Errorf("row %s: %s %q is not between %s and %s", KeyApplication, attrDuration,
			short(NumberText(it[attrDuration])), MinLeaseDuration, MaxLeaseDuration)
	}
	a.Duration = time.Duration(ms) * time.Millisecond
	if a.Origin.T0 = Moment(it[AttrT0], now); a.Origin.T0.IsZero() {
		a.Damage = fmt.Errorf(
			"%s is %s, and should be the time at which the application began: shards without a checkpoint are read "+
				"from their first record", AttrT0, Show(it[AttrT0]))
	}
	if a.Origin.Open, err = DecodeShards(Text(it[AttrOpen])); err != nil {
		return nil, fmt.Errorf("row %s: %w", KeyApplication, err)
	}
	if a.Origin.Closed, err = DecodeShards(Text(it[AttrClosed])); err != nil {
		return nil, fmt.Errorf("row %s: %w", KeyApplication, err)
	}
	if id, first, ok := strings.Cut(Text(it[AttrMark]), "@"); ok {
		a.Shard = Mark{id, first}
	}
	a.Key, a.HasKey = ParseHashKey(Text(it[AttrHashKey]))
	if n, ok := Count(it[AttrReads]); ok {
		a.Born = int(n)
	}
	return a, nil
}

// Encode writes the whole row.
func (a *Application) Encode() Item {
	it := Item{
		AttrKey: Str(KeyApplication), AttrStream: Str(a.StreamARN), AttrCreated: Num(a.StreamCreated),
		AttrFormat: Num(rowFormat),
		AttrTable:  Str(a.Generation), attrDuration: Num(a.Duration.Milliseconds()),
		AttrT0: Num(max(0, a.Origin.T0.UnixMilli())),
	}
	if a.Shard.First != "" {
		it[AttrMark] = Str(a.Shard.ID + "@" + a.Shard.First)
	}
	if a.HasKey {
		it[AttrHashKey] = Str(a.Key.String())
	}
	if a.Born > FirstFormat {
		it[AttrReads] = Num(int64(a.Born))
	}
	if s := EncodeShards(a.Origin.Open); s != "" {
		it[AttrOpen] = Str(s)
	}
	if s := EncodeShards(a.Origin.Closed); s != "" {
		it[AttrClosed] = Str(s)
	}
	return it
}

// Str is a text as an attribute.
func Str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// Num is a number as an attribute.
func Num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// Text is the text of an attribute; empty if it is not one.
func Text(av types.AttributeValue) string {
	if s, ok := av.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// NumberText is the number of an attribute as DynamoDB writes it; empty if it is not one.
func NumberText(av types.AttributeValue) string {
	if n, ok := av.(*types.AttributeValueMemberN); ok {
		return n.Value
	}
	return ""
}

// What a row can say. A table is untrusted data: what no worker can have written is not a value.
const (
	// MostCount bounds epochs, counters and whatever else goes up by one.
	MostCount = 1 << 53
	// mostRewinds leaves room for the next one.
	mostRewinds = 1 << 31
	// mostPerSecond bounds what is counted a second, the bytes of a shard among it. A shard takes a megabyte.
	mostPerSecond = 1 << 30
	// mostLag is longer than a stream can keep a record.
	mostLag = 366 * 24 * time.Hour
	// mostAhead is how far a time may be ahead of this machine's clock.
	mostAhead = time.Hour
	// mostShardID and mostOwner are the longest ids, in bytes; the latter is a key of DynamoDB.
	mostShardID = 128
	mostOwner   = 2048
	// mostPosition is above every sequence number.
	mostPosition = 256
	// mostWord is what is kept of a text that is only shown or compared.
	mostWord = 128
)

// Count is a number from 0 to mostCount; ok is false if the attribute is not one.
func Count(av types.AttributeValue) (n int64, ok bool) {
	n, err := Integer(av)
	if err != nil || n < 0 || n > MostCount {
		return 0, false
	}
	return n, true
}

// Moment is a time in Unix milliseconds; zero if the attribute is not one, or is in the future.
func Moment(av types.AttributeValue, now time.Time) time.Time {
	ms, err := Integer(av)
	if err != nil || ms <= 0 || ms > now.Add(mostAhead).UnixMilli() {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// short is a text as far as it is kept.
func short(s string) string { return s[:min(len(s), mostWord)] }

// Integer is the whole number of an attribute.
func Integer(av types.AttributeValue) (int64, error) { return strconv.ParseInt(NumberText(av), 10, 64) }

// Report is what one worker knows of the shards that it holds.
type Report struct {
	Arrival  time.Time // the latest arrival of a record in any of them, now or ever; zero: none yet
	CaughtUp time.Time // the time up to which all of them were read; zero: not known
	Covers   string    // which shards caughtUp is about
}

// Add writes a report into the worker's own row.
func (r Report) Add(e *Write) {
	e.Put(AttrArrival, Num(r.Arrival.UnixMilli()), !r.Arrival.IsZero())
	e.Put(AttrCaughtUp, Num(r.CaughtUp.UnixMilli()), !r.CaughtUp.IsZero())
	e.Put(AttrCovers, Str(r.Covers), !r.CaughtUp.IsZero())
}

func decodeReport(it Item, now time.Time) Report {
	return Report{
		Covers: short(Text(it[AttrCovers])), Arrival: Moment(it[AttrArrival], now),
		CaughtUp: Moment(it[AttrCaughtUp], now),
	}
}

// Pulse is what one worker does now, for the status pages of the others. Known is false where its version does not
// write it, or what it wrote cannot be.
type Pulse struct {
	Records, Alerts float64 // a second
	// Lag is the age of the oldest record that it has not settled; 0 without one.
	Lag   time.Duration
	Known bool
}

// Add writes the pulse into the worker's own row.
func (p Pulse) Add(e *Write) {
	rate := func(x float64) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: strconv.FormatFloat(x, 'f', 1, 64)}
	}
	e.Put(AttrRecordRate, rate(p.Records), p.Known)
	e.Put(AttrAlertRate, rate(p.Alerts), p.Known)
	e.Put(AttrLag, Num(p.Lag.Milliseconds()), p.Known)
}

func decodePulse(it Item) Pulse {
	records, ok := perSecond(it[AttrRecordRate])
	alerts, also := perSecond(it[AttrAlertRate])
	lag, err := Integer(it[AttrLag])
	if !ok || !also || err != nil || lag < 0 || lag > mostLag.Milliseconds() {
		return Pulse{}
	}
	return Pulse{records, alerts, time.Duration(lag) * time.Millisecond, true}
}

// perSecond is a rate from 0 to mostPerSecond; ok is false if the attribute is not one.
func perSecond(av types.AttributeValue) (x float64, ok bool) {
	x, err := strconv.ParseFloat(NumberText(av), 64)
	if err != nil || !(x >= 0 && x <= mostPerSecond) { // also what is not a number
		return 0, false
	}
	return x, true
}

// Cover sums up shards, each with the epoch in which it is held, in any order. The worker of a report and its readers
// get the same sum when they mean the same shards. Only then does the report cover what the reader assumes.
type Cover uint64

// Add adds a shard and the epoch in which it is held.
func (c *Cover) Add(shard string, epoch int64) {
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt([]byte(shard+"@"), epoch, 10)) // a hash never fails
	*c ^= Cover(h.Sum64())
}

func (c Cover) String() string { return strconv.FormatUint(uint64(c), 36) }
