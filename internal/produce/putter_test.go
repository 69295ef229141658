package produce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

// putting runs f with a putter of its own stream in virtual time.
func putting(t *testing.T, shards int, f func(t *testing.T, fake *fakeaws.AWS, p *Putter, receipts *[]Receipt)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, shards)
		var receipts []Receipt
		f(t, fake, &Putter{
			Client: kinesis.NewFromConfig(
				testkit.Emulated(fake), func(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} },
			),
			Stream: testkit.TestStream, Key: DefaultKey,
			OnPut: func(r Receipt) error {
				receipts = append(receipts, r)
				return nil
			},
		}, &receipts)
	})
}

func stored(fake *fakeaws.AWS) (data, keys []string) {
	for _, r := range fake.Kinesis.Records(testkit.TestStream) {
		data, keys = append(data, string(r.Data)), append(keys, r.PartitionKey)
	}
	return data, keys
}

func TestPutOne(t *testing.T) {
	t.Parallel()
	putting(t, 1, func(t *testing.T, fake *fakeaws.AWS, p *Putter, receipts *[]Receipt) {
		t.Helper()
		sum, err := p.One(t.Context(), []byte("{ \"latency\": 900 }\n"))
		require.NoError(t, err)
		require.Equal(t, Sum{Accepted: 1}, sum)
		data, keys := stored(fake)
		require.Equal(t, []string{"{ \"latency\": 900 }\n"}, data, "as it is")
		require.Equal(t, []string{"partitionkey"}, keys)
		require.Equal(t, "shardId-000000000000", (*receipts)[0].Shard)
		require.Equal(t, fake.Kinesis.Records(testkit.TestStream)[0].SequenceNumber, (*receipts)[0].Sequence)
		require.True(t, (*receipts)[0].JSON)
		p.KeyField = "order.id"
		_, err = p.One(t.Context(), []byte(`{"order":{"id":7}}`))
		require.NoError(t, err)
		require.Equal(t, "7", (*receipts)[1].Key)
		_, err = p.One(t.Context(), []byte(`{latency: 900}`))
		require.ErrorContains(t, err, "the record is no JSON, so that it has no field order.id")
		_, err = p.One(t.Context(), []byte(`{"order":{}}`))
		require.ErrorContains(
			t, err, "the record has no field order.id with a text or a number, which --key-field asks for",
		)
		p.KeyField = ""
		_, err = p.One(t.Context(), []byte("{latency: 900}"))
		require.NoError(t, err)
		require.False(t, (*receipts)[2].JSON)
	})
}

func TestPutLines(t *testing.T) {
	t.Parallel()
	putting(t, 1, func(t *testing.T, fake *fakeaws.AWS, p *Putter, receipts *[]Receipt) {
		t.Helper()
		sum, err := p.Lines(t.Context(), strings.NewReader("a\r\n\nb\n  c "))
		require.NoError(t, err)
		require.Equal(t, 3, sum.Accepted)
		data, _ := stored(fake)
		require.Equal(t, []string{"a", "b", "  c "}, data)
		require.Equal(t, []int{1, 3, 4}, []int{(*receipts)[0].Line, (*receipts)[1].Line, (*receipts)[2].Line})
		p.KeyField = "host"
		sum, err = p.Lines(t.Context(), strings.NewReader(`{"host":"web-1"}`+"\n{}\n"))
		require.ErrorContains(t, err, "line 2: the record has no field host")
		require.Equal(t, 1, sum.Accepted, "what stands before it is put")
		_, err = p.Lines(t.Context(), strings.NewReader(` [{"a":1}]`))
		require.ErrorContains(t, err, "line 1 begins a JSON array: give one record a line, as jq -c '.[]' writes it")
		_, err = p.Lines(t.Context(), strings.NewReader(strings.Repeat("x", mostRecord+3)))
		require.ErrorContains(t, err, "line 1: the record has more than 10 MiB")
		p.KeyField = ""
		_, err = p.Lines(t.Context(), io.MultiReader(strings.NewReader("d\n"), failing{}))
		require.ErrorContains(t, err, "line 2: disk")
	})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk") }

// Records of one key arrive in their order, also where the stream refuses some of a call and takes those behind them.
// Other keys go in batches beside it.
func TestPutKeepsTheOrderOfAKey(t *testing.T) {
	t.Parallel()
	putting(t, 2, func(t *testing.T, fake *fakeaws.AWS, p *Putter, receipts *[]Receipt) {
		t.Helper()
		entries := 0
		fault(fake, fakeaws.Fault{Kind: fakeaws.Changed, Rewrite: func(a *fakeaws.Answer) {
			var answer struct {
				FailedRecordCount int
				Records           []map[string]string
			}
			require.NoError(t, json.Unmarshal(a.Body, &answer))
			for i := range answer.Records {
				if entries++; entries%3 == 0 {
					answer.FailedRecordCount++
					answer.Records[i] = map[string]string{"ErrorCode": "InternalFailure"}
				}
			}
			a.Body, _ = json.Marshal(answer)
		}})
		p.KeyField = "k"
		var lines strings.Builder
		const n, keys = 300, 20
		for i := range n {
			fmt.Fprintf(&lines, `{"k":"%d","n":%d}`+"\n", i%keys, i)
		}
		sum, err := p.Lines(t.Context(), strings.NewReader(lines.String()))
		require.NoError(t, err)
		require.Equal(t, n, sum.Accepted)
		last := map[string]int{}
		for _, r := range *receipts {
			require.Greater(t, r.Line, last[r.Key], "key %s", r.Key)
			last[r.Key] = r.Line
		}
		require.Len(t, *receipts, n)
		require.Less(t, fake.History.Count(fakeaws.ServiceKinesis, "PutRecords"), n/5, "keys share calls")
	})
}

// A line that somebody types, or that tail -f brings, is put when it is there.
func TestPutWaitsForNoOtherLine(t *testing.T) {
	t.Parallel()
	putting(t, 1, func(t *testing.T, fake *fakeaws.AWS, p *Putter, _ *[]Receipt) {
		t.Helper()
		read, write := io.Pipe()
		ctx, stop := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := p.Lines(ctx, read)
			ended <- err
		}()
		_, _ = fmt.Fprintln(write, "first")
		time.Sleep(time.Second)
		data, _ := stored(fake)
		require.Equal(t, []string{"first"}, data)
		stop(errors.New("Ctrl-C"))
		require.EqualError(t, <-ended, "Ctrl-C")
		require.NoError(t, write.Close())
	})
}

// A stream by its ARN.
func TestPutByARN(t *testing.T) {
	t.Parallel()
	putting(t, 1, func(t *testing.T, _ *fakeaws.AWS, p *Putter, _ *[]Receipt) {
		t.Helper()
		p.Stream = "arn:aws:kinesis:us-east-1:000000000000:stream/" + testkit.TestStream
		sum, err := p.One(t.Context(), []byte("x"))
		require.NoError(t, err)
		require.Equal(t, 1, sum.Accepted)
	})
}
