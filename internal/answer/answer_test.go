package answer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/getrecords"
)

const (
	now      = 1_790_000_000 // Unix seconds, the Date of the answers
	topicARN = "arn:aws:sns:us-east-1:000000000000:t"
)

// reply is what the stub answers with.
type reply struct {
	status int
	body   string
	header http.Header
	reader io.Reader // instead of body
}

// Do implements aws.HTTPClient.
func (r *reply) Do(req *http.Request) (*http.Response, error) {
	header := http.Header{"Date": {time.Unix(now, 0).UTC().Format(http.TimeFormat)}}
	maps.Copy(header, r.header)
	res := &http.Response{
		StatusCode: r.status, Header: header, Request: req, ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(r.body)), ContentLength: int64(len(r.body)),
	}
	if r.reader != nil {
		res.Body, res.ContentLength = io.NopCloser(r.reader), -1
	}
	return res, nil
}

type fixture struct {
	t     *testing.T
	reply reply
	reg   *prometheus.Registry
	watch *answer.Watch
	cfg   aws.Config
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, reg: prometheus.NewRegistry()}
	f.watch = answer.NewWatch(zap.NewNop(), f.reg)
	checker := answer.New(f.watch, nil)
	f.cfg = aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), HTTPClient: &f.reply,
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
		APIOptions: []func(*middleware.Stack) error{checker.Install},
	}
	// The machine's clock is not that of the answers; three of them agree on theirs.
	f.reply = reply{status: 200, body: `{"ShardIterator": "i"}`}
	for range 3 {
		_, err := kinesis.NewFromConfig(f.cfg).GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			ShardId: aws.String("shardId-000000000000"), ShardIteratorType: "LATEST", StreamName: aws.String("s"),
		})
		require.NoError(t, err)
	}
	return f
}

// decodedHere has records decoded as the daemon does it.
func decodedHere(o *kinesis.Options) { o.Protocol = getrecords.New(func() {}) }

// call is an operation with a good answer, and the members of it that are promised.
type call struct {
	service, name string
	good          string
	promised      []string // paths; + is a null in a list
	optional      []string // may be missing
	make          func(context.Context, aws.Config) error
}

func seq(n int) string { return fmt.Sprintf("495903382714902566085596925383615710959%017d", n) }

func record(n int) string {
	return fmt.Sprintf(
		`{"SequenceNumber": %q, "Data": "e30=", "PartitionKey": "k", "ApproximateArrivalTimestamp": %d.5}`, seq(n),
		now-1,
	)
}

const hashRange = `{"StartingHashKey": "0", "EndingHashKey": "340282366920938463463374607431768211455"}`

func shard(n int) string {
	return fmt.Sprintf(
		`{"ShardId": "shardId-%012d", "HashKeyRange": %s, "SequenceNumberRange": {"StartingSequenceNumber": "1"}}`, n,
		hashRange,
	)
}

var key = map[string]dynamotypes.AttributeValue{"leaseKey": &dynamotypes.AttributeValueMemberS{Value: "a"}}

const item = `{"leaseKey": {"S": "a"}, "leaseEpoch": {"N": "7"}, "above": {"S": "x"}}`

func calls() []call {
	table := aws.String("table")
	return []call{
		{
			service: "Kinesis", name: "GetRecords",
			good: fmt.Sprintf(`{"Records": [%s, %s], "NextShardIterator": "n", "MillisBehindLatest": 0, "ChildShards": [
				{"ShardId": "shardId-000000000007", "ParentShards": ["shardId-000000000000"],
				"HashKeyRange": %s}]}`, record(5), record(6), hashRange),
			promised: []string{
				"Records", "Records.0.SequenceNumber", "Records.1.Data", "Records.+", "ChildShards.0.ShardId",
				"ChildShards.0.ParentShards",
				"ChildShards.0.HashKeyRange", "ChildShards.0.HashKeyRange.StartingHashKey", "ChildShards.+",
			},
			optional: []string{
				"Records.0.PartitionKey", "Records.0.ApproximateArrivalTimestamp", "MillisBehindLatest",
				"NextShardIterator", "ChildShards",
			},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := kinesis.NewFromConfig(cfg, decodedHere).GetRecords(
					ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("i"), Limit: aws.Int32(10)},
				)
				return err
			},
		},
		{
			service: "Kinesis", name: "GetShardIterator", good: `{"ShardIterator": "i"}`,
			promised: []string{"ShardIterator"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := kinesis.NewFromConfig(cfg).GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
					ShardId: aws.String("shardId-000000000000"), ShardIteratorType: "LATEST",
					StreamName: aws.String("s"),
				})
				return err
			},
		},
		{
			service: "Kinesis", name: "ListShards", good: fmt.Sprintf(`{"Shards": [%s, %s]}`, shard(0), shard(1)),
			promised: []string{
				"Shards", "Shards.+", "Shards.0.ShardId", "Shards.1.HashKeyRange",
				"Shards.0.HashKeyRange.EndingHashKey",
				"Shards.1.SequenceNumberRange", "Shards.0.SequenceNumberRange.StartingSequenceNumber",
			},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := kinesis.NewFromConfig(cfg).ListShards(
					ctx, &kinesis.ListShardsInput{StreamName: aws.String("s")},
				)
				return err
			},
		},
		{
			service: "Kinesis", name: "DescribeStreamSummary",
			good: fmt.Sprintf(`{"StreamDescriptionSummary": {"StreamName": "s", 
				"StreamARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
				"StreamStatus": "ACTIVE", "RetentionPeriodHours": 24, "StreamCreationTimestamp": %d,
				"EnhancedMonitoring": [], "OpenShardCount": 2}}`, now-100),
			promised: []string{
				"StreamDescriptionSummary", "StreamDescriptionSummary.StreamName", "StreamDescriptionSummary.StreamARN",
				"StreamDescriptionSummary.StreamStatus", "StreamDescriptionSummary.RetentionPeriodHours",
				"StreamDescriptionSummary.StreamCreationTimestamp", "StreamDescriptionSummary.EnhancedMonitoring",
				"StreamDescriptionSummary.OpenShardCount",
			},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := kinesis.NewFromConfig(cfg).DescribeStreamSummary(
					ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String("s")},
				)
				return err
			},
		},
		{
			service: "DynamoDB", name: "GetItem", good: `{"Item": ` + item + `}`, optional: []string{"Item"},
			promised: []string{"Item.leaseKey", "Item.leaseKey.S", "Item.above.S"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := dynamodb.NewFromConfig(cfg).GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key})
				return err
			},
		},
		{
			service: "DynamoDB", name: "UpdateItem", good: `{"Attributes": ` + item + `}`,
			promised: []string{"Attributes", "Attributes.leaseKey", "Attributes.leaseEpoch.N"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := dynamodb.NewFromConfig(cfg).UpdateItem(ctx, &dynamodb.UpdateItemInput{
					TableName: table, Key: key, ReturnValues: dynamotypes.ReturnValueAllNew,
				})
				return err
			},
		},
		{
			service: "DynamoDB", name: "Scan", good: `{"Items": [` + item + `], "Count": 1, "ScannedCount": 1}`,
			promised: []string{"Items", "Items.+", "Items.0.leaseEpoch.N"}, optional: []string{"Count"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := dynamodb.NewFromConfig(cfg).Scan(ctx, &dynamodb.ScanInput{TableName: table})
				return err
			},
		},
		{
			service: "DynamoDB", name: "DescribeTable",
			good: `{"Table": {"TableName": "table", "TableStatus": "ACTIVE",
				"KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}]}}`,
			promised: []string{
				"Table", "Table.TableName", "Table.TableStatus", "Table.KeySchema", "Table.KeySchema.0.AttributeName",
				"Table.KeySchema.+",
			},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := dynamodb.NewFromConfig(cfg).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: table})
				return err
			},
		},
		{
			service: "DynamoDB", name: "UpdateContinuousBackups",
			good: `{"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED",
				"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}}}`,
			promised: []string{
				"ContinuousBackupsDescription", "ContinuousBackupsDescription.PointInTimeRecoveryDescription",
				"ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus",
			},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := dynamodb.NewFromConfig(cfg).UpdateContinuousBackups(ctx,
					&dynamodb.UpdateContinuousBackupsInput{
						TableName: table,
						PointInTimeRecoverySpecification: &dynamotypes.PointInTimeRecoverySpecification{
							PointInTimeRecoveryEnabled: aws.Bool(true),
						},
					})
				return err
			},
		},
		{
			service: "SQS", name: "SendMessage",
			good:     `{"MessageId": "m", "MD5OfMessageBody": "9dd4e461268c8034f5c8564e155c67a6"}`,
			promised: []string{"MessageId"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := sqs.NewFromConfig(cfg).SendMessage(ctx, &sqs.SendMessageInput{
					QueueUrl:    aws.String("https://sqs.us-east-1.amazonaws.com/000000000000/q"),
					MessageBody: aws.String("x"),
				})
				return err
			},
		},
		{
			service: "Kinesis", name: "PutRecords",
			good:     `{"FailedRecordCount": 0, "Records": [{"ShardId": "shardId-0", "SequenceNumber": "1"}]}`,
			promised: []string{"Records", "Records.+", "Records.0.ShardId", "Records.0.SequenceNumber"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := kinesis.NewFromConfig(cfg).PutRecords(ctx, &kinesis.PutRecordsInput{
					StreamName: aws.String("s"),
					Records: []kinesistypes.PutRecordsRequestEntry{
						{PartitionKey: aws.String("k"), Data: []byte("x")},
					},
				})
				return err
			},
		},
		{
			service: "SQS", name: "ReceiveMessage",
			good: `{"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": "x", "MD5OfBody": ` +
				`"9dd4e461268c8034f5c8564e155c67a6"}]}`,
			promised: []string{"Messages.0.MessageId", "Messages.0.ReceiptHandle", "Messages.0.Body", "Messages.+"},
			optional: []string{"Messages"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := sqs.NewFromConfig(cfg).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
					QueueUrl: aws.String("https://sqs.us-east-1.amazonaws.com/000000000000/q"), MaxNumberOfMessages: 2,
				})
				return err
			},
		},
		{
			service: "SQS", name: "GetQueueAttributes", good: `{"Attributes": {"ApproximateNumberOfMessages": "7"}}`,
			promised: []string{"Attributes", "Attributes.ApproximateNumberOfMessages"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := sqs.NewFromConfig(cfg).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
					QueueUrl: aws.String("https://sqs.us-east-1.amazonaws.com/000000000000/q"),
					AttributeNames: []sqstypes.QueueAttributeName{
						sqstypes.QueueAttributeNameApproximateNumberOfMessages,
					},
				})
				return err
			},
		},
		{
			service: "SQS", name: "ChangeMessageVisibilityBatch", good: `{"Successful": [{"Id": "0"}], "Failed": []}`,
			promised: []string{"Successful", "Successful.0.Id", "Successful.+"}, optional: []string{"Failed"},
			make: func(ctx context.Context, cfg aws.Config) error {
				_, err := sqs.NewFromConfig(cfg).ChangeMessageVisibilityBatch(ctx,
					&sqs.ChangeMessageVisibilityBatchInput{
						QueueUrl: aws.String("https://sqs.us-east-1.amazonaws.com/000000000000/q"),
						Entries: []sqstypes.ChangeMessageVisibilityBatchRequestEntry{
							{Id: aws.String("0"), ReceiptHandle: aws.String("r")},
						},
					})
				return err
			},
		},
	}
}

// edit drops a member of a document, or sets it to null; a path that ends in + adds a null to a list.
func edit(t *testing.T, doc, path string, drop bool) string {
	t.Helper()
	var root any
	require.NoError(t, json.Unmarshal([]byte(doc), &root))
	var walk func(at any, path []string) any
	walk = func(at any, path []string) any {
		name, last := path[0], len(path) == 1
		switch x := at.(type) {
		case map[string]any:
			require.Contains(t, x, name, "the test looks for %v", path)
			switch {
			case last && drop:
				delete(x, name)
			case last:
				x[name] = nil
			default:
				x[name] = walk(x[name], path[1:])
			}
			return x
		case []any:
			if name == "+" {
				return append(x, nil)
			}
			i := int(name[0] - '0')
			x[i] = walk(x[i], path[1:])
			return x
		}
		t.Fatalf("no %v in %v", path, at)
		return nil
	}
	out, err := json.Marshal(walk(root, strings.Split(path, ".")))
	require.NoError(t, err)
	return string(out)
}

// What is promised and not there, a null in a list, another body: a bad answer each, counted by operation. What is
// optional, and the good answer, are none.
func TestAnswersOfEveryOperation(t *testing.T) {
	t.Parallel()
	for _, c := range calls() {
		t.Run(c.service+"."+c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			ask := func(name string, r reply) error {
				t.Helper()
				f.reply = r
				require.NotPanics(t, func() {}, name)
				return c.make(t.Context(), f.cfg)
			}
			bad := func(name string, r reply) {
				t.Helper()
				err := ask(name, r)
				var is *answer.BadError
				require.ErrorAs(t, err, &is, name)
				require.Equal(t, c.service+"."+c.name, is.Service+"."+is.Operation)
			}
			require.NoError(t, ask("good", reply{status: 200, body: c.good}))
			for _, path := range c.optional {
				for _, drop := range []bool{true, false} {
					require.NoError(t, ask(path, reply{status: 200, body: edit(t, c.good, path, drop)}), path)
				}
			}
			for _, path := range c.promised {
				for _, drop := range []bool{true, false} {
					bad(fmt.Sprint(path, drop), reply{status: 200, body: edit(t, c.good, path, drop)})
				}
			}
			for _, other := range calls() {
				if other.name != c.name && other.name != "SendMessage" { // whose MessageId is all that there is to it
					bad("of "+other.name, reply{status: 200, body: other.good})
				}
			}
			if c.name != "GetItem" && c.name != "ReceiveMessage" { // there may be none
				bad("object", reply{status: 200, body: "{}"})
			}
			const html = "<html><body>Gateway</body></html>"
			bad("empty", reply{status: 200})
			bad("null", reply{status: 200, body: "null"})
			bad("list", reply{status: 200, body: "[]"})
			bad("html", reply{status: 200, body: html})
			bad("html 503", reply{status: 503, body: html})
			bad("half", reply{status: 200, body: c.good[:len(c.good)/2]})
			bad(
				"cut",
				reply{status: 200, reader: io.MultiReader(strings.NewReader(c.good[:len(c.good)/2]), brokenReader{})},
			)
			bad("endless", reply{status: 200, reader: io.MultiReader(strings.NewReader(`{"x": "`), endless{})})
			bad("long", reply{status: 200, body: `{"x": "` + strings.Repeat("x", 25<<20)})
			bad("redirect", reply{status: 307, header: http.Header{"Location": {"http://elsewhere.test/"}}})
			bad("error without code", reply{status: 400, body: "{}"})
			bad("error code that is none", reply{status: 400, body: `{"__type": "a\u0000b c"}`})
			bad("error code of bytes", reply{
				status: 400,
				body:   "<ErrorResponse><Error><Type>Sender</Type><Code>\xff\xfe\x80</Code></Error></ErrorResponse>",
			})
			// which streams
			if list, ok := strings.CutPrefix(c.good, "{"); ok && c.service == "Kinesis" && c.name != "GetRecords" {
				bad("null in a list", reply{status: 200, body: `{"Unknown": [{}, null], ` + list})
			}
			bad("error of a success", reply{status: 200, body: `{"__type": "InternalFailure", "message": "x"}`})
			before := count(t, f, c)
			err := ask("error", reply{status: 400, body: `{"__type": "ThrottlingException", "message": "x"}`})
			var api smithy.APIError
			require.ErrorAs(t, err, &api)
			require.False(t, answer.Is(err), "an error that the service means")
			require.InDelta(t, before, count(t, f, c), 0)
			require.Positive(t, before)
		})
	}
}

// The good answers about one table say nothing about another one.
func TestTablesAreJudgedApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ask := func(table, body string) {
		f.reply = reply{status: 200, body: body}
		_, _ = dynamodb.NewFromConfig(f.cfg).GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String(table),
			Key:       map[string]dynamotypes.AttributeValue{"k": &dynamotypes.AttributeValueMemberS{Value: "v"}},
		})
	}
	for range 3 {
		ask("leases", "{}")
		ask("states", "null")
	}
	ask("leases", "{}")
	require.Len(t, f.watch.Troubles(), 1)
	require.Equal(t, []string{"states"}, f.watch.Troubles()[0].Subjects)
}

// A page that stays bad is a trouble, however many good ones come before it each time.
func TestGoodPagesDoNotHealALaterOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ask := func(token, body string, page int) {
		f.reply = reply{status: 200, body: body}
		in := &kinesis.ListShardsInput{StreamName: aws.String("s")}
		if token != "" {
			in = &kinesis.ListShardsInput{NextToken: aws.String(token)}
		}
		_, _ = kinesis.NewFromConfig(f.cfg).ListShards(answer.With(t.Context(), &answer.Expect{Page: page}), in)
	}
	for range 2 {
		ask("", `{"Shards": [], "NextToken": "a"}`, 0)
		ask("a", `{"Shards": [], "NextToken": "b"}`, 1)
		ask("b", `{"Shards": [], "NextToken": "a"}`, 1_000_000)
	}
	require.Len(t, f.watch.Troubles(), 1)
	require.Equal(t, "its pages have no end", f.watch.Troubles()[0].What)
	ask("", `{"Shards": []}`, 0)
	require.Empty(t, f.watch.Troubles())
}

// An operation that stays bad for one row of a table is a trouble, however good it is for the others.
func TestRowsAreJudgedApart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ask := func(key, body string) {
		f.reply = reply{status: 200, body: body}
		_, _ = dynamodb.NewFromConfig(f.cfg).GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String("leases"),
			Key:       map[string]dynamotypes.AttributeValue{"k": &dynamotypes.AttributeValueMemberS{Value: key}},
		})
	}
	for range 2 {
		ask("a", "{}")
		ask("b", "null")
	}
	require.Len(t, f.watch.Troubles(), 1)
	require.Equal(t, []string{"leases"}, f.watch.Troubles()[0].Subjects)
	ask("a", "{}")
	require.Len(t, f.watch.Troubles(), 1)
	ask("b", "{}")
	require.Empty(t, f.watch.Troubles())
	ask("a", "null")
	ask("b", "null")
	require.Len(t, f.watch.Troubles(), 1, "another row each time")
}

// Whoever knows the key of a table does not take items without it, or with a number for it.
func TestItemsHaveTheKeyOfTheirTable(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for body, good := range map[string]bool{
		`{"Items": [{"k": {"S": "a"}}]}`:                    true,
		`{"Items": []}`:                                     true,
		`{"Items": [{"k": {"S": "a"}}, {"v": {"S": "b"}}]}`: false,
		`{"Items": [{"k": {"N": "5"}, "v": {"S": "b"}}]}`:   false,
		`{"Items": [{"k": {"S": ""}, "v": {"S": "b"}}]}`:    false,
	} {
		f.reply = reply{status: 200, body: body}
		_, err := dynamodb.NewFromConfig(f.cfg).Scan(
			answer.With(t.Context(), &answer.Expect{Key: "k"}), &dynamodb.ScanInput{TableName: aws.String("t")},
		)
		require.Equal(t, !good, answer.Is(err), body)
		_, err = dynamodb.NewFromConfig(f.cfg).Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("t")})
		require.NoError(t, err, "another's table")
	}
}

func count(t *testing.T, f *fixture, c call) float64 {
	t.Helper()
	families, err := f.reg.Gather()
	require.NoError(t, err)
	for _, m := range families[0].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["service"] == c.service && labels["operation"] == c.name {
			return m.GetCounter().GetValue()
		}
	}
	t.Fatal("no series")
	return 0
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// What a caller knows about the place that it reads from.
func TestRecordsBelongToThePosition(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	page := func(records ...string) string {
		return `{"Records": [` + strings.Join(records, ",") + `], "NextShardIterator": "n", "MillisBehindLatest": 0}`
	}
	at := func(offset int) string {
		return fmt.Sprintf(
			`{"SequenceNumber": %q, "Data": "e30=", "ApproximateArrivalTimestamp": %d}`, seq(9), now+offset,
		)
	}
	for _, tt := range []struct {
		name   string
		body   string
		expect answer.Expect
		what   string
	}{
		{name: "above", body: page(record(5), record(6)), expect: answer.Expect{After: seq(4)}},
		{name: "at", body: page(record(5), record(6)), expect: answer.Expect{AtLeast: seq(5)}},
		{name: "later than at", body: page(record(6)), expect: answer.Expect{AtLeast: seq(5)}},
		{
			name: "the last one again", body: page(record(4)), expect: answer.Expect{After: seq(4)},
			what: "not behind the position",
		},
		{
			name: "before at", body: page(record(4)), expect: answer.Expect{AtLeast: seq(5)},
			what: "not behind the position",
		},
		{name: "not rising", body: page(record(5), record(5)), what: "do not rise"},
		{name: "falling", body: page(record(6), record(5)), what: "do not rise"},
		{
			name: "shorter is less",
			body: page(`{"SequenceNumber": "99", "Data": ""}`, `{"SequenceNumber": "100", "Data": ""}`),
		},
		{name: "no number", body: page(`{"SequenceNumber": "12a", "Data": ""}`), what: "no number"},
		{name: "no number, long", body: page(`{"SequenceNumber": "1234567:9012345", "Data": ""}`), what: "no number"},
		{name: "empty data", body: page(`{"SequenceNumber": "1", "Data": ""}`)},
		{name: "empty iterator", body: `{"Records": [], "NextShardIterator": ""}`, what: "NextShardIterator is empty"},
		{name: "no iterator", body: `{"Records": [], "MillisBehindLatest": 0}`},
		{
			name: "negative distance", body: `{"Records": [], "NextShardIterator": "n", "MillisBehindLatest": -1}`,
			what: "out of range",
		},
		{name: "more than asked for", body: page(slices.Repeat([]string{record(1)}, 11)...), what: "more records"},
		{name: "four minutes ahead", body: page(at(240))},
		{name: "six minutes ahead", body: page(at(360)), what: "arrival time"},
		{name: "years ahead", body: page(at(73 * 365 * 86400)), what: "arrival time"},
		{name: "years ago", body: page(at(-2 * 365 * 86400)), what: "arrival time"},
		{name: "any time", body: page(at(360)), expect: answer.Expect{AnyTime: true}},
		{
			name: "time is no number",
			body: page(`{"SequenceNumber": "1", "Data": "", "ApproximateArrivalTimestamp": "NaN"}`),
			what: "the SDK panics",
		},
		{
			name: "child of another shard", expect: answer.Expect{Shard: "shardId-000000000001"}, what: "another shard",
			body: `{"Records": [], "ChildShards": [{"ShardId": "shardId-000000000007", ` +
				`"ParentShards": ["shardId-000000000000"], "HashKeyRange": ` + hashRange + `}]}`,
		},
		{
			name: "child that is its parent", expect: answer.Expect{Shard: "shardId-000000000007"}, what: "not its own",
			body: `{"Records": [], "ChildShards": [{"ShardId": "shardId-000000000007", ` +
				`"ParentShards": ["shardId-000000000000"], "HashKeyRange": ` + hashRange + `}]}`,
		},
	} {
		f.reply = reply{status: 200, body: tt.body}
		_, err := kinesis.NewFromConfig(f.cfg, decodedHere).GetRecords(answer.With(
			t.Context(), &tt.expect,
		), &kinesis.GetRecordsInput{
			ShardIterator: aws.String("i"), Limit: aws.Int32(10),
		})
		if tt.what == "" {
			require.NoError(t, err, tt.name)
			continue
		}
		require.ErrorContains(t, err, tt.what, tt.name)
		bad, ok := errors.AsType[*answer.BadError](err)
		require.True(t, ok, tt.name)
		require.Equal(t, tt.what == "arrival time", bad.Time, tt.name)
	}
}

// Shards and pages that cannot be.
func TestOtherLies(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	put := func() error {
		_, err := kinesis.NewFromConfig(f.cfg).PutRecords(t.Context(), &kinesis.PutRecordsInput{
			StreamName: aws.String("s"),
			Records:    []kinesistypes.PutRecordsRequestEntry{{PartitionKey: aws.String("k"), Data: []byte("x")}},
		})
		return err
	}
	removal := func() error {
		_, err := sqs.NewFromConfig(f.cfg).DeleteMessage(t.Context(), &sqs.DeleteMessageInput{
			QueueUrl:      aws.String("https://sqs.us-east-1.amazonaws.com/000000000000/q"),
			ReceiptHandle: aws.String("r"),
		})
		return err
	}
	list := func(after string) func() error {
		return func() error {
			in := &s3.ListObjectsV2Input{Bucket: aws.String("b"), Prefix: aws.String("p/")}
			if after != "" {
				in.StartAfter = &after
			}
			_, err := s3.NewFromConfig(f.cfg).ListObjectsV2(t.Context(), in)
			return err
		}
	}
	page := func(bucket, more string, keys ...string) string {
		text := fmt.Sprintf("<ListBucketResult><Name>%s</Name><KeyCount>%d</KeyCount>", bucket, len(keys))
		if more != "" {
			text += "<IsTruncated>" + more + "</IsTruncated>"
		}
		for _, key := range keys {
			text += "<Contents><Key>" + key + "</Key></Contents>"
		}
		return text + "</ListBucketResult>"
	}
	for _, tt := range []struct {
		name, body string
		make       func() error
		what       string
	}{
		{name: "a shard twice", body: `{"Shards": [` + shard(0) + `,` + shard(0) + `]}`, what: "listed twice"},
		{name: "no shards", body: `{"Shards": []}`},
		{
			name: "the same token again", body: `{"Shards": [], "NextToken": "again"}`, what: "no end",
			make: func() error {
				_, err := kinesis.NewFromConfig(f.cfg).ListShards(
					t.Context(), &kinesis.ListShardsInput{NextToken: aws.String("again")},
				)
				return err
			},
		},
		{
			name: "the same key again",
			body: `{"Items": [` + item + `], "LastEvaluatedKey": {"leaseKey": {"S": "a"}}}`, what: "no end",
			make: func() error {
				_, err := dynamodb.NewFromConfig(f.cfg).Scan(
					t.Context(), &dynamodb.ScanInput{TableName: aws.String("t"), ExclusiveStartKey: key},
				)
				return err
			},
		},
		{name: "another stream", what: "another stream", body: strings.ReplaceAll(
			strings.ReplaceAll(calls()[3].good, `"s"`, `"third"`), "stream/s", "stream/third",
		), make: func() error {
			_, err := kinesis.NewFromConfig(f.cfg).DescribeStreamSummary(t.Context(),
				&kinesis.DescribeStreamSummaryInput{
					StreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/other"),
				})
			return err
		}},
		{name: "another row", what: "has not the key", body: `{"Item": {"leaseKey": {"S": "b"}}}`, make: func() error {
			_, err := dynamodb.NewFromConfig(f.cfg).GetItem(
				t.Context(), &dynamodb.GetItemInput{TableName: aws.String("t"), Key: key},
			)
			return err
		}},
		{name: "a write without return values", body: `{}`, make: func() error {
			_, err := dynamodb.NewFromConfig(f.cfg).UpdateItem(
				t.Context(), &dynamodb.UpdateItemInput{TableName: aws.String("t"), Key: key},
			)
			return err
		}},
		{name: "a write without an answer", body: ` `, what: "empty", make: func() error {
			_, err := dynamodb.NewFromConfig(f.cfg).PutItem(
				t.Context(), &dynamodb.PutItemInput{TableName: aws.String("t"), Item: key},
			)
			return err
		}},
		{name: "a record that was put and was not", what: "neither or both", make: put, body: `{"Records": [` +
			`{"ShardId": "shardId-0", "SequenceNumber": "1", "ErrorCode": "InternalFailure"}]}`},
		{
			name: "a record with a place that is none", what: "is no number", make: put,
			body: `{"Records": [{"ShardId": "shardId-0", "SequenceNumber": "next"}]}`,
		},
		{name: "a record in no shard", what: "no ShardId", make: put, body: `{"Records": [{"SequenceNumber": "1"}]}`},
		{name: "two results of one record", what: "for each record", make: put, body: `{"Records": [` +
			`{"ShardId": "shardId-0", "SequenceNumber": "1"}, {"ShardId": "shardId-0", "SequenceNumber": "2"}]}`},
		{
			name: "a record that was refused", make: put,
			body: `{"FailedRecordCount": 1, "Records": [{"ErrorCode": "InternalFailure", "ErrorMessage": "x"}]}`,
		},
		{name: "an object", make: func() error {
			f.reply.header = http.Header{"Etag": {`"x"`}}
			_, err := s3.NewFromConfig(f.cfg).PutObject(
				t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k")},
			)
			return err
		}},
		{name: "a page for an object", body: "<html></html>", what: "should be none", make: func() error {
			_, err := s3.NewFromConfig(f.cfg).PutObject(
				t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k")},
			)
			return err
		}},
		{name: "a page for a removal", body: "<html></html>", what: "should be none", make: func() error {
			_, err := s3.NewFromConfig(f.cfg).DeleteObject(
				t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k")},
			)
			return err
		}},
		{name: "nothing for a removal", make: func() error {
			_, err := s3.NewFromConfig(f.cfg).DeleteObject(
				t.Context(), &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k")},
			)
			return err
		}},
		{name: "an object without a tag", body: "x", what: "ETag", make: func() error {
			f.reply.header = nil
			_, err := s3.NewFromConfig(f.cfg).GetObject(
				t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")},
			)
			return err
		}},
		{name: "a page for a message's removal", body: "<html></html>", what: "should be none", make: removal},
		{name: "nothing for a message's removal", make: removal},
		{name: "an empty object for a message's removal", body: "{}", make: removal},
		{name: "a list", body: page("b", "false", "p/1", "p/2"), make: list("")},
		{name: "an empty list", body: page("b", "false"), make: list("")},
		{name: "a list of another bucket", body: page("c", "false"), what: "another bucket", make: list("")},
		{name: "an element for a list", body: "<a/>", what: "another bucket", make: list("")},
		{name: "no end said", body: page("b", ""), what: "IsTruncated", make: list("")},
		{name: "more of nothing", body: page("b", "true"), what: "no end", make: list("")},
		{name: "the same keys again", body: page("b", "true", "p/1", "p/2"), what: "do not rise", make: list("p/1")},
		{name: "a key twice", body: page("b", "true", "p/1", "p/1"), what: "do not rise", make: list("")},
		{name: "a key from elsewhere", body: page("b", "true", "q/1"), what: "below the prefix", make: list("")},
		{
			name: "a key that is missing", what: "KeyCount", make: list(""),
			body: strings.Replace(page("b", "true", "p/1", "p/2"), "<Contents><Key>p/1</Key></Contents>", "", 1),
		},
	} {
		f.reply = reply{status: 200, body: tt.body}
		ask := tt.make
		if ask == nil {
			ask = func() error { return calls()[2].make(t.Context(), f.cfg) }
		}
		if err := ask(); tt.what == "" {
			require.NoError(t, err, tt.name)
		} else {
			require.ErrorContains(t, err, tt.what, tt.name)
			require.True(t, answer.Is(err), tt.name)
		}
	}
}

// A batch is accepted entry by entry: what the answer does not say properly of one of them is as if it were silent.
func TestBatchIsAcceptedByEntry(t *testing.T) {
	t.Parallel()
	const (
		ok   = `<member><Id>%s</Id><MessageId>m</MessageId></member>`
		fail = `<member><Id>%s</Id><Code>InternalError</Code><SenderFault>false</SenderFault></member>`
	)
	answerOf := func(accepted, failed string) string {
		return "<PublishBatchResponse><PublishBatchResult><Successful>" + accepted + "</Successful><Failed>" + failed +
			"</Failed></PublishBatchResult></PublishBatchResponse>"
	}
	for _, tt := range []struct {
		name, body       string
		accepted, failed int
		err              string
		counted          int
	}{
		{name: "all", body: answerOf(fmt.Sprintf(ok, "0"), fmt.Sprintf(fail, "1")), accepted: 1, failed: 1},
		{name: "silent about one", body: answerOf(fmt.Sprintf(ok, "0"), ""), accepted: 1, counted: 1},
		{
			name: "one without a message id", body: answerOf(fmt.Sprintf(ok, "0")+"<member><Id>1</Id></member>", ""),
			accepted: 1, counted: 1,
		},
		{
			name: "one that was not asked for", body: answerOf(fmt.Sprintf(ok, "0")+fmt.Sprintf(ok, "7"), ""),
			accepted: 1, counted: 1,
		},
		{
			name: "one twice", body: answerOf(fmt.Sprintf(ok, "0")+fmt.Sprintf(ok, "0")+fmt.Sprintf(ok, "1"), ""),
			accepted: 2, counted: 1,
		},
		{
			name: "one accepted and failed",
			body: answerOf(fmt.Sprintf(ok, "0")+fmt.Sprintf(ok, "1"), fmt.Sprintf(fail, "0")), accepted: 1,
			counted: 1,
		},
		{
			name: "all accepted and failed",
			body: answerOf(fmt.Sprintf(ok, "0")+fmt.Sprintf(ok, "1"), fmt.Sprintf(fail, "0")+fmt.Sprintf(fail, "1")),
			err:  "accepted and failed", counted: 1,
		},
		{
			name: "failed without a code", body: answerOf(fmt.Sprintf(ok, "0"), "<member><Id>1</Id></member>"),
			accepted: 1, counted: 1,
		},
		{
			name: "no ids", body: answerOf("<member><Id></Id><MessageId>m</MessageId></member>", ""), err: "no Id",
			counted: 1,
		},
		{
			name: "no message ids", body: answerOf("<member><Id>0</Id></member><member><Id>1</Id></member>", ""),
			err: "no MessageId", counted: 1,
		},
		{name: "silent", body: answerOf("", ""), err: "silent", counted: 1},
		{name: "empty", err: "empty", counted: 1},
		{name: "object", body: "{}", err: "silent", counted: 1},
		{name: "html", body: "<html></html>", err: "cannot be read", counted: 1},
		{
			name: "another operation's",
			body: "<GetTopicAttributesResponse><GetTopicAttributesResult/></GetTopicAttributesResponse>",
			err:  "cannot be", counted: 1,
		},
	} {
		f := newFixture(t)
		f.reply = reply{status: 200, body: tt.body}
		out, err := sns.NewFromConfig(f.cfg).PublishBatch(t.Context(), &sns.PublishBatchInput{
			TopicArn: aws.String(topicARN), PublishBatchRequestEntries: []snstypes.PublishBatchRequestEntry{
				{Id: aws.String("0"), Message: aws.String("x")}, {Id: aws.String("1"), Message: aws.String("y")},
			},
		})
		require.Equal(t, tt.counted, int(count(t, f, call{service: "SNS", name: "PublishBatch"})), tt.name)
		if tt.err != "" {
			require.ErrorContains(t, err, tt.err, tt.name)
			require.True(t, answer.Is(err), tt.name)
			continue
		}
		require.NoError(t, err, tt.name)
		require.Len(t, out.Successful, tt.accepted, tt.name)
		require.Len(t, out.Failed, tt.failed, tt.name)
	}
}

// The SDK has no type for an error of the XML protocol that it cannot read.
func TestUnreadableErrorIsABadAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.reply = reply{
		status: 400,
		body:   "<ErrorResponse><Error><Type>Sender</Type><Code>\xff\xfe\x80</Code></Error></ErrorResponse>",
	}
	_, err := sns.NewFromConfig(f.cfg).PublishBatch(t.Context(), &sns.PublishBatchInput{
		TopicArn: aws.String(topicARN),
		PublishBatchRequestEntries: []snstypes.PublishBatchRequestEntry{
			{Id: aws.String("0"), Message: aws.String("x")},
		},
	})
	require.Error(t, err)
	require.True(t, answer.Is(err), "%v", err)
}

// What an endpoint says goes into logs and onto pages: it is cut where it enters, and what it is stays to be found in
// it.
func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 20_000)
	f := newFixture(t)
	f.reply = reply{status: 400, body: `{"__type": "ResourceInUseException", "message": "` + long + `"}`}
	_, err := kinesis.NewFromConfig(f.cfg).ListShards(
		t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("s")},
	)
	require.Less(t, len(err.Error()), 3<<10)
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, "ResourceInUseException", api.ErrorCode())
	require.Less(t, len(api.ErrorMessage()), 2100)
	require.True(t, utf8.ValidString(err.Error()))
	_, typed := errors.AsType[*kinesistypes.ResourceInUseException](err)
	require.True(t, typed)

	f.reply = reply{status: 400, body: `{"__type": "` + strings.Repeat("E", 65) + `", "message": "m"}`}
	_, err = kinesis.NewFromConfig(f.cfg).ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String("s")})
	require.True(t, answer.Is(err), "a code of that length is none")

	f.reply = reply{
		status: 200,
		body: "<PublishBatchResponse><PublishBatchResult><Successful><member><Id>1</Id>" +
			"<MessageId>" + long + "</MessageId></member></Successful>" +
			"<Failed><member><Id>0</Id><Code>InternalError</Code><Message>" + long + "</Message></member></Failed>" +
			"</PublishBatchResult></PublishBatchResponse>",
	}
	out, err := sns.NewFromConfig(f.cfg).PublishBatch(t.Context(), &sns.PublishBatchInput{
		TopicArn: aws.String(topicARN),
		PublishBatchRequestEntries: []snstypes.PublishBatchRequestEntry{
			{Id: aws.String("0"), Message: aws.String("x")}, {Id: aws.String("1"), Message: aws.String("x")},
		},
	})
	require.NoError(t, err)
	require.Less(t, len(*out.Failed[0].Message)+len(*out.Successful[0].MessageId), 4200)
}

// The bound counts what comes out of compression. net/http unpacks before anything else sees the body.
func TestBoundCountsUnpackedBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 1<<20))
	require.NoError(t, w.Close())
	unpacked, err := gzip.NewReader(&packed)
	require.NoError(t, err)
	f.reply = reply{status: 200, reader: unpacked}
	err = calls()[1].make(t.Context(), f.cfg)
	require.ErrorContains(t, err, "more than 64 KiB")
}

// What is read of a body without end is little more than its bound, and the rest is not drained either.
func TestEndlessBodyIsCut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	counted := &counting{Reader: io.LimitReader(endless{}, 200<<20)}
	f.reply = reply{status: 200, reader: io.MultiReader(strings.NewReader(`{"x": "`), counted)}
	require.ErrorContains(t, calls()[0].make(t.Context(), f.cfg), "it has more than 24576 KiB")
	require.Less(t, counted.n, 50<<20)
}

type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// A Date of the year 2100 does not make records of that year right, nor today's wrong.
func TestDateThatTheOthersContradict(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	later := time.Unix(now, 0).UTC().AddDate(74, 0, 0)
	ask := func(at time.Time) (*kinesis.GetRecordsOutput, error) {
		f.reply = reply{status: 200, header: http.Header{"Date": {later.Format(http.TimeFormat)}}, body: fmt.Sprintf(
			`{"Records": [{"SequenceNumber": "1", "Data": "", "ApproximateArrivalTimestamp": %d}], "NextShardIterator": "n"}`, at.Unix())}
		return kinesis.NewFromConfig(f.cfg, decodedHere).GetRecords(
			t.Context(), &kinesis.GetRecordsInput{ShardIterator: aws.String("i")},
		)
	}
	_, err := ask(later)
	require.True(t, answer.Is(err), "%v", err)
	// Another service has the time, too.
	f.reply = reply{status: 200, body: `{}`}
	for range 3 {
		_, err := dynamodb.NewFromConfig(f.cfg).GetItem(
			t.Context(), &dynamodb.GetItemInput{TableName: aws.String("t"), Key: key},
		)
		require.NoError(t, err)
	}
	out, err := ask(time.Unix(now, 0))
	require.NoError(t, err)
	require.WithinDuration(t, time.Unix(now, 0), answer.Time(out.ResultMetadata, later), time.Minute)
}

// One bad answer that its retry heals is only counted. Two in a row, or five seconds, are a trouble, which ends with a
// good answer to the same call for the same shard.
func TestWatchTellsWhatLasts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		ask := func(shard, body string) {
			f.reply = reply{status: 200, body: body}
			ctx := answer.With(t.Context(), &answer.Expect{Subject: shard})
			_, _ = kinesis.NewFromConfig(f.cfg, decodedHere).GetRecords(
				ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("i")},
			)
		}
		const good = `{"Records": [], "NextShardIterator": "n"}`
		ask("a", "")
		require.Empty(t, f.watch.Troubles(), "one")
		ask("a", good)
		ask("a", "")
		require.Empty(t, f.watch.Troubles(), "one again")
		ask("a", "")
		ask("b", good)
		require.Len(t, f.watch.Troubles(), 1)
		trouble := f.watch.Troubles()[0]
		require.Equal(
			t, "Kinesis GetRecords Records is missing [a]",
			fmt.Sprint(trouble.Service, " ", trouble.Operation, " ", trouble.What, " ", trouble.Subjects),
		)
		ask("a", good)
		require.Empty(t, f.watch.Troubles())
		ask("b", "")
		time.Sleep(5 * time.Second)
		require.Len(t, f.watch.Troubles(), 1, "five seconds without another answer")
		time.Sleep(time.Minute)
		require.Empty(t, f.watch.Troubles(), "it is not asked any more")
	})
}

// A context that ends while the body is read says nothing about the answer.
func TestEndOfTheContextIsNoBadAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.reply = reply{status: 200, reader: readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, context.Canceled
	})}
	err := calls()[0].make(ctx, f.cfg)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, answer.Is(err))
	require.NoError(t, testutil.CollectAndCompare(prometheus.NewRegistry(), strings.NewReader("")))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
