//go:build e2e

package system_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

// pumpReading is a record of the sample's stream.
type pumpReading struct {
	payload
	HeartRate int    `json:"heartRate"`
	RateType  string `json:"rateType"`
}

// pumpRow is a record of an output stream.
type pumpRow struct {
	ID     *int     `json:"id"`
	Score  *float64 `json:"ANOMALY_SCORE"`
	Source struct {
		Stream            string `json:"stream"`
		ShardID           string `json:"shardId"`
		SequenceNumber    string `json:"sequenceNumber"`
		SubSequenceNumber int    `json:"subSequenceNumber"`
	} `json:"sourcePosition"`

	key string
}

// TestE2EPump is the application of AWS's anomaly detection example: records are scored, every one of them goes to an
// output stream, those with a high score to another one and to SNS. While 3,600 records are put, the input stream and
// both output streams are resharded, a worker is killed and another one replaced. Everything is accounted for by the
// positions that the records of the output streams say they came from.
func TestE2EPump(t *testing.T) {
	w := newE2EWorld(t, startEmulators(t), "pump", 2, 60)
	w.more = func(p payload) any {
		r := pumpReading{payload: p, HeartRate: 60 + (p.ID*7+p.N)%40, RateType: "NORMAL"}
		if p.ID%97 == 17 {
			r.HeartRate, r.RateType = 190+p.ID%10, "HIGH"
		}
		return r
	}
	all, high := "pump-all", "pump-high"
	two := int32(2)
	for _, name := range []string{all, high} {
		_, err := w.kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &two})
		require.NoError(t, err)
		w.streamActive(name)
	}
	oncall, queue := w.subscribed("pump-oncall")
	var mu sync.Mutex
	told := map[int]bool{}
	w.goUntilCleanup(func(ctx context.Context) {
		err := w.receive(ctx, queue, func(m sqstypes.Message) {
			var p payload
			if err := json.Unmarshal([]byte(*m.Body), &p); err != nil {
				t.Errorf("%s: %v", *m.Body, err)
			}
			mu.Lock()
			defer mu.Unlock()
			told[p.ID] = true
		})
		if ctx.Err() == nil {
			t.Errorf("the queue cannot be read any more: %v", err)
		}
	})
	config := strings.NewReplacer(
		"rules:\n", "score:\n  fields: [heartRate]\nrules:\n"+
			"  - name: anomaly\n    when: ANOMALY_SCORE > 3.0\n    topics: [oncall]\n",
		"    when: n >= 0\n", "    when: n >= 0\n    topics: [all]\n",
		"topics:\n  all:", "outputs:\n  all: {stream: "+all+"}\n  high: {stream: "+high+", when: ANOMALY_SCORE > 3.0, "+
			"fields: [id, heartRate, rateType, ANOMALY_SCORE]}\ntopics:\n  oncall:\n    arn: "+oncall+
			"\n    rate: unlimited\n    email: false\n    message: \"{{ .Record.Data }}\"\n  all:",
	).Replace(w.Config())
	binary := buildDaemon(t)
	start := func(name string) *daemon {
		d := startDaemon(t, binary, name, config, w.env...)
		d.ready()
		return d
	}
	crashing, leaving := start("worker-1"), start("worker-2")
	eventually(t, 30*time.Second, "two workers share the stream", func() bool {
		return held(crashing) > 0 && held(leaving) > 0
	})
	w.put(15)
	w.scale(4)
	w.put(5)
	w.scaleStream(all, 4)
	w.scaleStream(high, 1)
	w.put(10)
	killed := crashing.kill()
	w.Failed("SIGKILL", killed, killed)
	before := w.putCount()
	replacement := start("worker-3")
	w.put(10)
	w.scale(2)
	w.scaleStream(all, 2)
	w.put(10)
	code, _ := leaving.terminate()
	require.Zero(t, code, "a drained worker exits with 0")
	w.put(10)
	w.await(time.Minute)
	code, _ = replacement.terminate()
	require.Zero(t, code, "what was written is done")
	w.Settle(2 * time.Second)
	w.audit()

	ids := w.pumpSources()
	rows := w.pumpRows(all)
	written, repeated := pumpAudit(t, rows, ids, before)
	require.Len(t, written, w.putCount(), "every record is in the output stream")
	highWritten, _ := pumpAudit(t, w.pumpRows(high), ids, before)
	require.NotEmpty(t, highWritten)
	scores := map[int]float64{}
	for _, r := range rows {
		require.NotNil(t, r.Score, "record %d", *r.ID)
		scores[*r.ID] = *r.Score
	}
	mu.Lock()
	defer mu.Unlock()
	for id := range w.putCount() {
		require.Equal(t, scores[id] > 3, highWritten[id], "record %d has the score %g", id, scores[id])
		require.Equal(t, scores[id] > 3, told[id], "record %d has the score %g", id, scores[id])
	}
	t.Logf("%d records put and written, %d of them with a high score, as many alerts; none lost, none out of order, "+
		"%d repeated after the SIGKILL", w.putCount(), len(highWritten), repeated)
}

// pumpAudit returns which records are in an output stream, and how many are there more than once. It fails where a row
// says another position than its record has, where a key is out of order, and where a record is repeated without an
// excuse: only what was put before the kill may be.
func pumpAudit(t *testing.T, rows []pumpRow, ids map[string]int, before int) (written map[int]bool, repeated int) {
	t.Helper()
	written = map[int]bool{}
	last := map[string]int{}
	for _, r := range rows {
		require.NotNil(t, r.ID)
		id, ok := ids[r.Source.ShardID+" "+r.Source.SequenceNumber]
		require.True(t, ok && id == *r.ID, "record %d says that it came from %+v", *r.ID, r.Source)
		require.Contains(t, r.Source.Stream, ":stream/pump")
		if written[id] {
			repeated++
			require.Less(t, id, before, "repeated, though it was put after the kill")
			continue
		}
		written[id] = true
		former, any := last[r.key]
		require.True(t, !any || former < id, "record %d of %s is behind record %d", id, r.key, former)
		last[r.key] = id
	}
	return written, repeated
}

// pumpSources are the ids of the records of the input stream, by shard and sequence number.
func (w *e2eWorld) pumpSources() map[string]int {
	ids := map[string]int{}
	w.eachRecord(w.name, func(shard string, r types.Record) {
		var p payload
		require.NoError(w.t, json.Unmarshal(r.Data, &p))
		ids[shard+" "+*r.SequenceNumber] = p.ID
	})
	return ids
}

// pumpRows are the records of an output stream, those of a shard before those of its children.
func (w *e2eWorld) pumpRows(stream string) (rows []pumpRow) {
	w.eachRecord(stream, func(_ string, r types.Record) {
		row := pumpRow{key: *r.PartitionKey}
		require.NoError(w.t, json.Unmarshal(r.Data, &row), "%s", r.Data)
		rows = append(rows, row)
	})
	return rows
}

// eachRecord reads a whole stream, which has come to rest, shard by shard in the order of their creation.
func (w *e2eWorld) eachRecord(stream string, f func(shard string, r types.Record)) {
	w.t.Helper()
	ctx := w.t.Context()
	list, err := w.kinesis.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream})
	require.NoError(w.t, err)
	slices.SortFunc(list.Shards, func(a, b types.Shard) int { return strings.Compare(*a.ShardId, *b.ShardId) })
	for _, shard := range list.Shards {
		it, err := w.kinesis.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: &stream, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		require.NoError(w.t, err)
		for next := it.ShardIterator; next != nil; {
			page, err := w.kinesis.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
			require.NoError(w.t, err)
			for _, r := range page.Records {
				f(*shard.ShardId, r)
			}
			if next = page.NextShardIterator; len(page.Records) == 0 && *page.MillisBehindLatest == 0 {
				break
			}
		}
	}
}
