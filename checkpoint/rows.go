package checkpoint

import (
	"fmt"
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
	keyApplication = "#application"
	keyFleet       = "#fleet"
	keyWorker      = "#worker/"
)

// Attribute names. Those that the KCL has too carry its names.
const (
	attrKey       = "leaseKey"
	attrOwner     = "leaseOwner"
	attrEpoch     = "leaseEpoch"
	attrPosition  = "checkpoint"
	attrSub       = "checkpointSub"
	attrResolved  = "resolved"
	attrOffers    = "offers"   // the number of the last write of progress that took effect; absent is 0
	attrCaughtUp  = "caughtUp" // Unix milliseconds
	attrLoad      = "load"     // bytes per second
	attrParents   = "parents"
	attrCounter   = "counter"
	attrFenced    = "fenced"
	attrLeaving   = "leaving"
	attrArrival   = "lastArrival" // of a worker, Unix milliseconds; with it goes attrCaughtUp
	attrCovers    = "covers"      // which shards a worker's attrCaughtUp is about
	attrVersion   = "version"
	attrConfig    = "configHash"  // of a worker: keyed, so that it reveals nothing
	attrBeat      = "heartbeatAt" // of a worker, by the clock of the records (an older version: its own), Unix milliseconds; for people only
	attrStream    = "streamARN"
	attrCreated   = "streamCreated" // Unix seconds
	attrFormat    = "format"
	attrTable     = "generation"
	attrDuration  = "leaseDuration" // milliseconds
	attrT0        = "t0"            // Unix milliseconds
	attrOpen      = "openShards"
	attrClosed    = "closedShards"
	attrMark      = "firstShard"   // an open shard at T0 and its starting sequence number: "id@number"
	attrJavaLease = "leaseCounter" // of a KCL for Java
	attrReads     = "reads"        // of a worker, and of the application's first one: the latest format of snapshots that it reads; absent is the first
	attrHashKey   = "hashKey"      // of the application, in hex
	attrKeepsake  = "keepsake"     // of the application: what its workers keep with it
	attrLast      = "lastPosition" // before SHARD_END
	attrLastSub   = "lastPositionSub"
	attrPaused    = "paused"
	attrRewinds   = "generation" // of a shard: how often it was rewound
	attrStartAt   = "startAt"    // where a rewound shard starts: "trim_horizon" or an RFC 3339 time

	// Of a shard that has a state: which save is in force, and what it holds.
	attrState           = "state"
	attrStateChunks     = "stateChunks"
	attrStateSum        = "stateSum"
	attrStateBytes      = "stateBytes"
	attrStateAt         = "stateAt"
	attrStateSub        = "stateSub"
	attrStateGeneration = "stateGeneration"

	// Of a chunk in the state table, beside version and format.
	attrData   = "data"
	attrChunks = "chunks"
	attrSum    = "sum"
	attrNumber = "number"
	attrTop    = "top"
)

// rowFormat is the version of the row format; another one is refused.
const rowFormat = 1

type item = map[string]types.AttributeValue

// row is one shard's row.
type row struct {
	id       string
	owner    string
	epoch    int64
	position position.Position
	last     position.Position // before SHARD_END; zero where an older version wrote the end, or nothing was read
	resolved string
	offers   int64
	caughtUp time.Time
	load     float64
	claims   []string // its parents by the table
	parents  []string // those by the stream, where that has named them
	paused   bool
	rewinds  uint32    // how often an operator sent it back; part of its alerts' ids from the first on
	startAt  Start     // where to read from while there is no checkpoint; latest where nobody said
	state    snapshot  // what was saved with the progress, if anything
	at       time.Time // when this process read or wrote it
}

func (r *row) ended() bool { return r.position.Sequence == position.ShardEnd }

// progressed reports whether the shard was ever read and committed.
func (r *row) progressed() bool { return !r.position.IsZero() }

// placed reports whether the row itself says where to read from, whatever the application's start is.
func (r *row) placed() bool { return r.progressed() || r.startAt.Kind != StartLatest }

// workerRow is one worker's heartbeat.
type workerRow struct {
	id      string
	counter int64
	fenced  bool
	leaving bool
	version string
	config  string    // empty where the version did not write it
	reads   int       // the latest format of snapshots that it reads
	beat    time.Time // zero where the version did not write it
	// damaged says that its counter cannot be read, raw is what it is. Nobody can beat on such a row, its worker included.
	damaged bool
	raw     types.AttributeValue
	report
}

// still holds while the counter of a worker is as it was observed.
func (w *workerRow) still(e *expr) {
	switch {
	case !w.damaged:
		e.ifEqual(attrCounter, num(w.counter))
	case w.raw == nil:
		e.ifAbsent(attrCounter)
		e.ifPresent(attrKey)
	default:
		e.ifEqual(attrCounter, w.raw)
	}
}

// isShardID says whether a text may be the id of a shard, by the reference of the Kinesis API.
func isShardID(s string) bool {
	return s != "" && len(s) <= mostShardID && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_.-", c)
	})
}

func isShardKey(key string) bool { return key != "" && !strings.Contains(key, "#") }

func decodeRow(it item, at time.Time) (*row, error) {
	if err := damage(it, at); err != nil {
		return nil, fmt.Errorf("row %s: %s", text(it[attrKey]), faultOf(err))
	}
	r := &row{
		id: text(it[attrKey]), owner: text(it[attrOwner]), resolved: text(it[attrResolved]), at: at,
		position: position.Position{Sequence: text(it[attrPosition]), Sub: position.WholeRecord}, state: decodeSnapshot(it),
	}
	r.epoch, _ = count(it[attrEpoch])
	if av, ok := it[attrSub]; ok {
		sub, _ := count(av)
		r.position.Sub = uint32(min(sub, int64(position.WholeRecord))) //nolint:gosec // a count is never negative
	}
	if r.position.IsZero() {
		r.position.Sub = 0
	}
	if last := text(it[attrLast]); r.ended() && position.ValidSequence(last) {
		r.last = position.Position{Sequence: last, Sub: position.WholeRecord}
		if sub, ok := count(it[attrLastSub]); ok {
			r.last.Sub = uint32(min(sub, int64(position.WholeRecord))) //nolint:gosec // as above
		}
	}
	r.offers, _ = count(it[attrOffers])
	r.caughtUp = moment(it[attrCaughtUp], at)
	_, r.paused = it[attrPaused]
	if n, ok := count(it[attrRewinds]); ok && n <= mostRewinds {
		r.rewinds = uint32(n) //nolint:gosec // as above
	}
	if err := r.startAt.UnmarshalText([]byte(text(it[attrStartAt]))); err != nil {
		return nil, fmt.Errorf("row %s: %s: %w", r.id, attrStartAt, err)
	}
	if f, err := strconv.ParseFloat(numberText(it[attrLoad]), 64); err == nil && f > 0 && f <= mostLoad {
		r.load = f
	}
	r.claims = decodeParents(it[attrParents])
	r.parents = r.claims
	return r, nil
}

// decodeParents reads the parents of a shard. A shard has two at most, so more are none.
func decodeParents(av types.AttributeValue) (ids []string) {
	switch p := av.(type) {
	case *types.AttributeValueMemberSS:
		ids = p.Value
	case *types.AttributeValueMemberL:
		for _, v := range p.Value {
			ids = append(ids, text(v))
		}
	}
	if len(ids) > 2 || slices.ContainsFunc(ids, func(id string) bool { return !isShardID(id) }) {
		return nil
	}
	return ids
}

// encode writes the whole row, for where none was.
func (r *row) encode() item {
	it := item{attrKey: str(r.id), attrEpoch: num(r.epoch)}
	if r.owner != "" {
		it[attrOwner] = str(r.owner)
	}
	if !r.position.IsZero() {
		it[attrPosition] = str(r.position.Sequence)
		if !r.ended() {
			it[attrSub] = num(int64(r.position.Sub))
		}
	}
	if r.ended() && !r.last.IsZero() {
		it[attrLast], it[attrLastSub] = str(r.last.Sequence), num(int64(r.last.Sub))
	}
	if r.resolved != "" {
		it[attrResolved] = str(r.resolved)
	}
	if r.offers > 0 {
		it[attrOffers] = num(r.offers)
	}
	if !r.caughtUp.IsZero() {
		it[attrCaughtUp] = num(r.caughtUp.UnixMilli())
	}
	if len(r.parents) > 0 {
		it[attrParents] = &types.AttributeValueMemberSS{Value: r.parents}
	}
	if r.paused {
		it[attrPaused] = &types.AttributeValueMemberBOOL{Value: true}
	}
	if r.rewinds > 0 {
		it[attrRewinds] = num(int64(r.rewinds))
	}
	if r.startAt.Kind != StartLatest {
		it[attrStartAt] = str(r.startAt.String())
	}
	r.state.encode(it)
	return it
}

// decodeWorker never fails. now is the time by which records arrive: what cannot be by it is no time.
func decodeWorker(it item, now time.Time) workerRow {
	w := workerRow{
		id: strings.TrimPrefix(text(it[attrKey]), keyWorker), version: short(text(it[attrVersion])), config: short(text(it[attrConfig])),
		beat: moment(it[attrBeat], now), report: decodeReport(it, now),
	}
	w.reads = firstFormat
	if n, ok := count(it[attrReads]); ok {
		w.reads = int(max(n, firstFormat))
	}
	_, w.fenced = it[attrFenced]
	_, w.leaving = it[attrLeaving]
	var ok bool
	if w.counter, ok = count(it[attrCounter]); !ok {
		w.damaged, w.raw = true, it[attrCounter]
	}
	return w
}

// application is the row of that name.
type application struct {
	streamARN     string
	streamCreated int64 // Unix seconds; the wire carries no finer time reliably
	generation    string
	duration      time.Duration
	origin        origin
	shard         shardMark
	key           hashKey
	hasKey        bool  // versions that know of none leave it out
	born          int   // the latest format of snapshots that its first worker reads
	damage        error // what of it cannot be read and is done without; nil when nothing is
}

// shardMark is a shard by which the stream is known again: a stream that was made anew has higher sequence numbers.
type shardMark struct{ id, first string }

func decodeApplication(it item, now time.Time) (*application, error) {
	if f, err := integer(it[attrFormat]); err != nil || f != rowFormat {
		return nil, fmt.Errorf("%w: this version reads format %d, the table says %q: use the version that wrote it, or another table",
			ErrFormat, rowFormat, short(numberText(it[attrFormat])))
	}
	a := &application{streamARN: text(it[attrStream]), generation: text(it[attrTable])}
	// One that cannot be is corrected, as any that is not the stream's.
	if seconds, err := integer(it[attrCreated]); err == nil && seconds > 0 && seconds <= now.Add(mostAhead).Unix() {
		a.streamCreated = seconds
	}
	ms, err := integer(it[attrDuration])
	if err != nil || ms < MinLeaseDuration.Milliseconds() || ms > MaxLeaseDuration.Milliseconds() {
		return nil, fmt.Errorf("row %s: %s %q is not between %s and %s", keyApplication, attrDuration, short(numberText(it[attrDuration])), MinLeaseDuration, MaxLeaseDuration)
	}
	a.duration = time.Duration(ms) * time.Millisecond
	if a.origin.t0 = moment(it[attrT0], now); a.origin.t0.IsZero() {
		a.damage = fmt.Errorf("%s is %s, and should be the time at which the application began: shards without a checkpoint are read from their first record", attrT0, shown(it[attrT0]))
	}
	if a.origin.open, err = decodeShards(text(it[attrOpen])); err != nil {
		return nil, fmt.Errorf("row %s: %w", keyApplication, err)
	}
	if a.origin.closed, err = decodeShards(text(it[attrClosed])); err != nil {
		return nil, fmt.Errorf("row %s: %w", keyApplication, err)
	}
	if id, first, ok := strings.Cut(text(it[attrMark]), "@"); ok {
		a.shard = shardMark{id, first}
	}
	a.key, a.hasKey = parseHashKey(text(it[attrHashKey]))
	if n, ok := count(it[attrReads]); ok {
		a.born = int(n)
	}
	return a, nil
}

func (a *application) encode() item {
	it := item{
		attrKey: str(keyApplication), attrStream: str(a.streamARN), attrCreated: num(a.streamCreated), attrFormat: num(rowFormat),
		attrTable: str(a.generation), attrDuration: num(a.duration.Milliseconds()), attrT0: num(max(0, a.origin.t0.UnixMilli())),
	}
	if a.shard.first != "" {
		it[attrMark] = str(a.shard.id + "@" + a.shard.first)
	}
	if a.hasKey {
		it[attrHashKey] = str(a.key.String())
	}
	if a.born > firstFormat {
		it[attrReads] = num(int64(a.born))
	}
	if s := encodeShards(a.origin.open); s != "" {
		it[attrOpen] = str(s)
	}
	if s := encodeShards(a.origin.closed); s != "" {
		it[attrClosed] = str(s)
	}
	return it
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func text(av types.AttributeValue) string {
	if s, ok := av.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func numberText(av types.AttributeValue) string {
	if n, ok := av.(*types.AttributeValueMemberN); ok {
		return n.Value
	}
	return ""
}

// What a row can say. A table is data from strangers: what no worker can have written is no value.
const (
	// mostCount bounds epochs, counters and whatever else goes up by one.
	mostCount = 1 << 53
	// mostRewinds leaves room for the next one.
	mostRewinds = 1 << 31
	// mostLoad is in bytes per second. A shard takes a megabyte.
	mostLoad = 1 << 30
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

// count is a number from 0 to mostCount; ok is false where the attribute is none.
func count(av types.AttributeValue) (n int64, ok bool) {
	n, err := integer(av)
	if err != nil || n < 0 || n > mostCount {
		return 0, false
	}
	return n, true
}

// moment is a time in Unix milliseconds; zero where the attribute is none, or one that cannot be yet.
func moment(av types.AttributeValue, now time.Time) time.Time {
	ms, err := integer(av)
	if err != nil || ms <= 0 || ms > now.Add(mostAhead).UnixMilli() {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// short is a text as far as it is kept.
func short(s string) string { return s[:min(len(s), mostWord)] }

func integer(av types.AttributeValue) (int64, error) { return strconv.ParseInt(numberText(av), 10, 64) }
