package consumer

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/fakeaws"
)

// TestUnusablePositionIsReplaced: a checkpoint that is no position in the shard costs repeats and nothing else. It is
// told, and the next checkpoint is stored over it.
func TestUnusablePositionIsReplaced(t *testing.T) {
	for name, checkpoint := range map[string]string{
		"text": "yesterday", "beyond": "4" + strings.Repeat("9", 55), "too long": strings.Repeat("7", 129),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				one := w.join("one")
				w.put(0, 10, 2)
				w.eventually(5*time.Second, "10", func() bool { return w.distinct() == 10 })
				time.Sleep(2 * time.Second)
				require.NoError(t, one.Stop(w, 5*time.Second))
				shard := w.cloud.Kinesis.OpenShards(testStream)[0]
				w.setCheckpoint(shard, checkpoint)
				w.put(10, 20, 2)
				two := w.join("two")
				w.eventually(time.Minute, "all", func() bool { return w.distinct() == 20 })
				require.Equal(t, 10, w.repeats())
				require.InDelta(t, 1, counter(t, two, "kinesis_alerter_shard_incidents_total", "kind",
					"position_unusable"), 0)
				require.InDelta(t, 0, counter(t, two, "kinesis_alerter_checkpoint_gaps_total", "missed", "true"), 0,
					"nothing was missed")
				w.eventually(5*time.Second, "stored", func() bool {
					at, _ := w.cloud.DynamoDB.Item("application", shard)["checkpoint"].(string)
					return at != checkpoint && len(at) == 56
				})
				require.NoError(t, two.Stop(w, 5*time.Second))
				w.join("three")
				time.Sleep(2 * time.Minute)
				require.Equal(t, 10, w.repeats(), "once")
			})
		})
	}
}

// setCheckpoint writes into the lease table behind everybody's back.
func (w *world) setCheckpoint(shard, position string) {
	w.t.Helper()
	db := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", Credentials: kinesisClient(w.cloud, "tool").Options().Credentials,
		HTTPClient: w.cloud.HTTPClient(),
	})
	_, err := db.UpdateItem(w.t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String("application"), Key: map[string]types.AttributeValue{
			"leaseKey": &types.AttributeValueMemberS{Value: shard},
		},
		UpdateExpression: aws.String("SET checkpoint = :c"), ExpressionAttributeValues: map[string]types.AttributeValue{
			":c": &types.AttributeValueMemberS{Value: position},
		},
	})
	require.NoError(w.t, err)
}

// TestShardThatStandsStill: a shard that no worker read for longer than the retention, whose pages stay empty as far
// behind as that, is read from its oldest record.
func TestShardThatStandsStill(t *testing.T) {
	for _, how := range fakeaws.TrimmedAnswers() {
		t.Run(how.String(), func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				w.cloud.Kinesis.AnswerTrimmed(how)
				w.start = checkpoint.Start{Kind: checkpoint.StartTrimHorizon}
				one := w.join("one")
				w.put(0, 20, 10)
				w.eventually(5*time.Second, "20", func() bool { return w.distinct() == 20 })
				time.Sleep(2 * time.Second)
				require.NoError(t, one.Stop(w, 5*time.Second))
				w.put(20, 30, 10)
				time.Sleep(26 * time.Hour) // these are lost
				w.put(30, 40, 10)
				two := w.join("two")
				w.eventually(15*time.Second, "what is left", func() bool { return w.distinct() == 30 })
				require.Zero(t, w.repeats())
				require.InDelta(t, 2, counter(t, two, "kinesis_alerter_checkpoint_gaps_total", "missed", "true"), 0)
				w.put(40, 50, 10)
				w.eventually(5*time.Second, "the next", func() bool { return w.distinct() == 40 })
			})
		})
	}
}

// TestBothPositionsLeftTheStream: with the snapshot of the rules' memory the checkpoint behind it has left the stream,
// too. Both are counted.
func TestBothPositionsLeftTheStream(t *testing.T) {
	for _, how := range fakeaws.TrimmedAnswers() {
		t.Run(how.String(), func(t *testing.T) {
			inWorld(t, 1, func(w *world) {
				w.cloud.Kinesis.AnswerTrimmed(how)
				s := w.remembering()
				one := w.join("one")
				for i := range 10 {
					s.put(i, "key")
					time.Sleep(time.Second)
				}
				time.Sleep(2 * time.Minute)
				s.saving(false) // the snapshot stays behind the checkpoint
				for i := range 10 {
					s.put(10+i, "key")
					time.Sleep(time.Second)
				}
				w.eventually(5*time.Second, "20", func() bool { return w.distinct() == 20 })
				time.Sleep(2 * time.Second)
				require.NoError(t, one.Stop(w, 10*time.Second))
				s.saving(true)
				s.put(20, "key")
				time.Sleep(26 * time.Hour) // it is lost
				s.put(21, "key")
				two := w.join("two")
				w.eventually(30*time.Second, "what is left", func() bool { return len(w.deliveries()) == 21 })
				time.Sleep(time.Minute)
				require.Len(t, w.deliveries(), 21)
				require.Equal(t, "21", string(w.deliveries()[20].rec.Data))
				require.InDelta(t, 1, counter(t, two, "kinesis_alerter_state_gaps_total", "reason", gapTrimmed), 0)
				require.InDelta(t, 1, counter(t, two, "kinesis_alerter_checkpoint_gaps_total", "missed", "true"), 0)
			})
		})
	}
}
