package answer

import smithyhttp "github.com/aws/smithy-go/transport/http"

// operation is what the answers of one operation are checked against.
type operation struct {
	// most and mostError bound the bodies of successes and errors, in unpacked bytes.
	most, mostError int64
	// streamed bodies are not read here: their caller decides while they are read.
	streamed bool
	// body checks the body as it is, and check what the SDK made of it. Either may be nil.
	body  func(body []byte, res *smithyhttp.Response) string
	check func(*Call) *BadError
}

// table has every operation that the daemon and its commands call, by service and name.
func table() map[string]operation {
	// An item has 400 KB at most. A condition that failed answers with the item, which makes an error as long as that.
	const item = mib
	return map[string]operation{
		"Kinesis.GetRecords":            {most: MostRecords, mostError: mostError, streamed: true, check: records},
		"Kinesis.GetShardIterator":      {most: 64 * kib, mostError: mostError, body: jsonObject, check: iterator},
		"Kinesis.ListShards":            {most: 8 * mib, mostError: mostError, body: jsonObject, check: shards},
		"Kinesis.DescribeStreamSummary": {most: 256 * kib, mostError: mostError, body: jsonObject, check: summary},
		"Kinesis.PutRecords":            {most: mib, mostError: mostError, body: jsonObject, check: puts},

		"DynamoDB.GetItem":       {most: item, mostError: mostError, body: items("Item"), check: getItem},
		"DynamoDB.UpdateItem":    {most: item, mostError: item, body: items("Attributes"), check: updateItem},
		"DynamoDB.PutItem":       {most: item, mostError: item, body: items("Attributes"), check: putItem},
		"DynamoDB.DeleteItem":    {most: item, mostError: item, body: items("Attributes"), check: deleteItem},
		"DynamoDB.DescribeTable": {most: 256 * kib, mostError: mostError, body: items("Table"), check: describeTable},
		"DynamoDB.CreateTable": {
			most: 256 * kib, mostError: mostError, body: items("TableDescription"), check: createTable,
		},
		// Its answer has no body.
		"DynamoDB.TagResource": {most: 64 * kib, mostError: mostError},
		"DynamoDB.UpdateContinuousBackups": {
			most: 64 * kib, mostError: mostError, body: jsonObject, check: continuousBackups,
		},
		// 1 MB of rows, and their attributes' names and types.
		"DynamoDB.Scan": {
			most: 6 * mib, mostError: mostError, check: scan,
			body: items("Items", "Count", "ScannedCount", "LastEvaluatedKey"),
		},

		"SNS.PublishBatch":             {most: 256 * kib, mostError: mostError, body: document, check: batch},
		"SNS.Publish":                  {most: 64 * kib, mostError: mostError, body: document, check: publish},
		"SNS.GetTopicAttributes":       {most: 512 * kib, mostError: mostError, body: document, check: topicAttributes},
		"SNS.ListSubscriptionsByTopic": {most: mib, mostError: mostError, body: document, check: subscriptions},
		"SQS.SendMessage":              {most: 64 * kib, mostError: mostError, body: jsonObject, check: sendMessage},
		"S3.PutObject":                 {most: 64 * kib, mostError: mostError, body: noBody, check: putObject},

		// Ten messages of 1 MiB, whose text has twice or three times its length in JSON.
		"SQS.ReceiveMessage":     {most: 32 * mib, mostError: mostError, body: messages, check: received},
		"SQS.GetQueueAttributes": {most: 64 * kib, mostError: mostError, body: jsonObject, check: queueAttributes},
		"SQS.DeleteMessage":      {most: 64 * kib, mostError: mostError, body: nothing},
		"SQS.ChangeMessageVisibilityBatch": {
			most: 64 * kib, mostError: mostError, body: jsonObject, check: visibility,
		},
		// A thousand keys of 1,024 bytes, each of which XML may write in six.
		"S3.ListObjectsV2": {most: 8 * mib, mostError: mostError, body: document, check: objects},
		"S3.GetObject":     {most: MostObject, mostError: mostError, streamed: true, check: getObject},
		"S3.DeleteObject":  {most: 64 * kib, mostError: mostError, body: noBody},
	}
}
