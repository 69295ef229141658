package dispatch_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"kinesis-alerter/alert/dispatch"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// instantClient accepts everything at once.
type instantClient struct {
	calls atomic.Int64
}

func (c *instantClient) PublishBatch(
	_ context.Context, in *sns.PublishBatchInput, _ ...func(*sns.Options),
) (*sns.PublishBatchOutput, error) {
	c.calls.Add(1)
	out := &sns.PublishBatchOutput{
		Successful: make([]types.PublishBatchResultEntry, len(in.PublishBatchRequestEntries)),
	}
	for i, e := range in.PublishBatchRequestEntries {
		out.Successful[i] = types.PublishBatchResultEntry{Id: e.Id, MessageId: e.Id}
	}
	return out, nil
}

func (*instantClient) GetTopicAttributes(
	context.Context, *sns.GetTopicAttributesInput, ...func(*sns.Options),
) (*sns.GetTopicAttributesOutput, error) {
	return &sns.GetTopicAttributesOutput{}, nil
}

// BenchmarkPublish measures everything but SNS and the SDK, with as many lanes as a worker with ten shards has.
func BenchmarkPublish(b *testing.B) {
	for _, lanes := range []int{1, 100} {
		b.Run("lanes="+strconv.Itoa(lanes), func(b *testing.B) {
			client := &instantClient{}
			p, err := dispatch.New(dispatch.Config{
				Topics: map[string]dispatch.TopicConfig{"oncall": {ARN: dispatch.TestARN, Rules: []string{"hot"}}},
			},
				dispatch.Deps{Service: serviceOf(b, client), Registerer: prometheus.NewRegistry()})
			require.NoError(b, err)
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- p.Run(ctx) }()
			a := newAlert(1)
			m := newMessage(a, "Anomaly detected ...  {\"heartRate\": 171, \"rateType\": \"HIGH\"}")
			b.ReportAllocs()
			b.SetParallelism(lanes)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := p.PublishMessage(ctx, a, m); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/float64(client.calls.Load()), "alerts/call")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "alerts/s")
			cancel()
			require.NoError(b, <-ended)
		})
	}
}
