package output

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// canned answers every call, and keeps what it was sent.
type canned struct {
	answer string
	sent   []byte
	header http.Header
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	c.sent, _ = io.ReadAll(r.Body)
	c.header = r.Header
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: r, ContentLength: int64(len(c.answer)),
		Body: io.NopCloser(bytes.NewReader([]byte(c.answer))),
	}, nil
}

func (c *canned) put(
	ctx context.Context, in *kinesis.PutRecordsInput, ours bool,
) (*kinesis.PutRecordsOutput, error) {
	client := kinesis.New(kinesis.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("CLIENT", "secret", ""),
		HTTPClient: &http.Client{Transport: c}, BaseEndpoint: aws.String("http://fakeaws"), Retryer: aws.NopRetryer{},
	})
	return client.PutRecords(ctx, in, func(o *kinesis.Options) {
		if ours {
			o.Protocol = protocol{o.Protocol}
		}
	})
}

// What is sent is what the SDK would send, and what comes back is read as the SDK reads it.
func TestCodecIsThatOfTheSDK(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := &kinesis.PutRecordsInput{}
		if rapid.Bool().Draw(t, "by name") {
			in.StreamName = aws.String("scores")
		} else {
			in.StreamARN = aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/scores")
		}
		for range rapid.IntRange(1, 5).Draw(t, "n") {
			key := rapid.OneOf(rapid.String(), rapid.Just("\xff\"\\\u2028\x00é")).Draw(t, "key")
			in.Records = append(in.Records, types.PutRecordsRequestEntry{
				PartitionKey: &key, Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			})
		}
		answer := rapid.SampledFrom([]string{
			`{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1","ShardId":"shardId-0"}],"EncryptionType":"KMS"}`,
			` {"Records" : [ {"ErrorCode":"InternalFailure","ErrorMessage":"a \"b\" \u00e9"} ] } `,
			`{"Records":[{"SequenceNumber":null,"ShardId":"shardId-0"}]}`, `{"Records":[null]}`, `{"Records":null}`,
			`{"Records":[{"SequenceNumber":1}]}`, `{"Records":[]}`, `{}`, ``, `null`, `[]`, `{"Records":[{}]`, `{}x`,
			`{"Unknown":[1,{"a":null}],"Records":[{"Other":{},"SequenceNumber":"1"}]}`,
			`{"FailedRecordCount":"0","Records":[]}`, `{"FailedRecordCount":1.5,"Records":[]}`,
		}).Draw(t, "answer")
		ours, theirs := &canned{answer: answer}, &canned{answer: answer}
		got, gotErr := ours.put(t.Context(), in, true)
		want, wantErr := theirs.put(t.Context(), in, false)
		require.JSONEq(t, string(theirs.sent), string(ours.sent))
		for _, name := range []string{"Content-Type", "X-Amz-Target"} {
			require.Equal(t, theirs.header.Get(name), ours.header.Get(name))
		}
		require.Equal(t, wantErr == nil, gotErr == nil, "%v, %v", wantErr, gotErr)
		if wantErr == nil {
			require.Equal(t, want.Records, got.Records)
			require.Equal(t, want.FailedRecordCount, got.FailedRecordCount)
			require.Equal(t, want.EncryptionType, got.EncryptionType)
		}
	})
}
