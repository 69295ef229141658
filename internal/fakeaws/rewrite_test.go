package fakeaws

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"
)

func putAnswer(ctx context.Context, c *kinesis.Client) (*kinesis.PutRecordOutput, error) {
	return c.PutRecord(
		ctx,
		&kinesis.PutRecordInput{StreamName: aws.String(testStream), PartitionKey: aws.String("k"), Data: []byte("d")},
	)
}

// A rewritten answer arrives as it was made, through both doors; the operation has its effect or not, as the kind says.
func TestFaultRewrite(t *testing.T) {
	for _, tt := range []struct {
		name    string
		kind    Kind
		rewrite func(*Answer)
		shard   string // of the answer
		err     string
		stored  int
	}{
		{
			name: "member changed", kind: Changed, stored: 1, shard: "other",
			rewrite: func(a *Answer) { a.JSON(func(doc map[string]any) { doc["ShardId"] = "other" }) },
		},
		{name: "empty body", kind: Changed, stored: 1, rewrite: func(a *Answer) { a.Body = nil }},
		{
			name: "made up, without effect", kind: Before, shard: "none",
			rewrite: func(a *Answer) { a.Status, a.Body = 200, []byte(`{"ShardId": "none"}`) },
		},
		{
			name: "gzip", kind: Changed, stored: 1, shard: shardID(0),
			rewrite: func(a *Answer) {
				var packed bytes.Buffer
				w := gzip.NewWriter(&packed)
				_, _ = w.Write(a.Body)
				_ = w.Close()
				a.Header.Set("Content-Encoding", "gzip")
				a.Body = packed.Bytes()
			},
		},
		{
			name: "cut inside the body", kind: Changed, stored: 1, err: "deserialization failed",
			rewrite: func(a *Answer) {
				a.Length, a.Body = int64(len(a.Body)), a.Body[:len(a.Body)/2]
				a.Rest = iotest.ErrReader(errors.New("connection reset"))
			},
		},
		{
			name: "more of a body", kind: Changed, stored: 1, shard: "long",
			rewrite: func(a *Answer) {
				a.Body = []byte(`{"ShardId": "long"`)
				a.Rest = strings.NewReader(strings.Repeat(" ", 1<<20) + "}")
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kinesisDoors(t, Options{}, func(w kinesisWorld) {
				w.aws.Kinesis.Create(testStream, 1)
				w.aws.Faults.Add(Fault{Operation: "PutRecord", Kind: tt.kind, Rewrite: tt.rewrite})
				out, err := putAnswer(w.t.Context(), w.client)
				if tt.err != "" {
					require.ErrorContains(w.t, err, tt.err)
				} else {
					require.NoError(w.t, err)
					require.Equal(w.t, tt.shard, aws.ToString(out.ShardId))
				}
				require.Len(w.t, w.aws.Kinesis.Records(testStream), tt.stored)
			})
		})
	}
}
