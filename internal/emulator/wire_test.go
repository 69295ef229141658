package emulator

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// answers are what a client of any protocol has to find in the answer to an operation.
func answers() map[string]string {
	return map[string]string{
		"CreateStream":      `^$|\{\}`,
		"PutRecord":         `"ShardId":"shardId-000000000000"`,
		"PutRecords":        `"FailedRecordCount":0`,
		"GetShardIterator":  `"ShardIterator":"[^"]+"`,
		"GetRecords":        `(?s)"PartitionKey":"web-1".*"PartitionKey":"a".*"PartitionKey":"b"`,
		"CreateTopic":       `<TopicArn>arn:aws:sns:us-east-1:000000000000:pages</TopicArn>`,
		"CreateQueue":       `http://127\.0\.0\.1:4566/000000000000/inbox`,
		"Subscribe":         `<SubscriptionArn>arn:aws:sns:us-east-1:000000000000:pages:[^<]+</SubscriptionArn>`,
		"Publish":           `<MessageId>[^<]+</MessageId>`,
		"ReceiveMessage":    `too slow.*severity.*critical`,
		"CreateTable":       `"TableName":"leases"`,
		"DescribeTable":     `"TableStatus":"ACTIVE"`,
		"Scan":              `"Count":0`,
		"GetCallerIdentity": `<Account>000000000000</Account>`,
	}
}

// The requests are those that the tools sent: version 1.46 of the AWS CLI, version 2.9 (whose SQS speaks the query
// protocol), and boto3 1.43. Signatures are blanked, and {{iterator}} stands for what an answer before brought.
func TestToolsAsTheyAre(t *testing.T) {
	for _, tool := range []string{"awscli-1", "awscli-2", "boto3"} {
		t.Run(tool, func(t *testing.T) {
			e := newEmulator(options{stream: "records", shards: 1, topic: "alerts", email: "you@example.com"},
				noEnvironment, io.Discard)
			e.emulate("http://127.0.0.1:4566")
			server := httptest.NewServer(e.handler(t.Context().Done()))
			defer server.Close()
			recorded, err := os.ReadFile(filepath.Join("testdata", tool+".http")) //nolint:gosec // a name from here
			require.NoError(t, err)
			iterator, asked := "", map[string]bool{}
			for part := range strings.SplitSeq(strings.TrimPrefix(string(recorded), "=== "), "\n=== ") {
				op, request, _ := strings.Cut(part, "\n")
				asked[op] = true
				answer := replay(t, server, strings.ReplaceAll(request, "{{iterator}}", iterator))
				require.Regexp(t, answers()[op], answer, "%s", op)
				if found := regexp.MustCompile(`"ShardIterator":"([^"]+)"`).FindStringSubmatch(answer); found != nil {
					iterator = found[1]
				}
			}
			require.Len(t, asked, len(answers()))
			newest, _ := e.messages.after(0)
			require.Len(t, newest, 1)
			require.Equal(t, "Order 7", newest[0].Subject)
			require.Equal(t, []attribute{{"severity", "String", "critical"}}, newest[0].Attributes)
			require.Equal(t, []receipt{
				{"email", "me@example.com", fakeaws.Delivered},
				{"sqs", "arn:aws:sqs:us-east-1:000000000000:inbox", fakeaws.Delivered},
			}, newest[0].Receipts)
		})
	}
}

// replay sends a recorded request and returns the body of the answer.
func replay(t *testing.T, server *httptest.Server, request string) string {
	t.Helper()
	head, body, _ := strings.Cut(request, "\n\n")
	lines := strings.Split(head, "\n")
	words := strings.Fields(lines[0])
	r, err := http.NewRequestWithContext(t.Context(), words[0], server.URL+words[1], bytes.NewBufferString(body))
	require.NoError(t, err)
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	res, err := server.Client().Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", lines, answer)
	return string(answer)
}
