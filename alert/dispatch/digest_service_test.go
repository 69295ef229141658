package dispatch_test

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	alertsns "kinesis-alerter/alert/sns"
	"kinesis-alerter/internal/fakeaws"
)

// Whatever is gathered: its message is one that SNS takes, also of a topic with the smallest MaximumMessageSize.
func TestDigestIsAlwaysAccepted(t *testing.T) {
	emulator := fakeaws.New(fakeaws.Options{})
	client := newClient(emulator)
	topic, err := client.CreateTopic(t.Context(), &sns.CreateTopicInput{
		Name: new("alerts.fifo"), Attributes: map[string]string{"MaximumMessageSize": "1024", "FifoTopic": "true"},
	})
	require.NoError(t, err)
	service, err := alertsns.New(client, nil)
	require.NoError(t, err)
	destination := service.Open("alerts", *topic.TopicArn, zap.NewNop())
	ctx := t.Context()
	_, err = destination.Ask(ctx)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[a-z_.-]{0,64}`), rapid.StringN(0, 64, 64))
		var alerts []*alert.Alert
		for range rapid.IntRange(1, 60).Draw(t, "alerts") {
			a := dispatch.MemberAlert(name.Draw(t, "rule"), rapid.SampledFrom(
				[]string{"critical", "info", ""},
			).Draw(t, "severity"),
				rapid.SampledFrom([]alert.Kind{alert.KindFiring, alert.KindResolved, ""}).Draw(t, "kind"),
				name.Draw(t, "key"), rapid.Float64().Draw(t, "value"), rapid.IntRange(0, 59).Draw(t, "second"))
			a.ID = rapid.OneOf(rapid.StringMatching(`[0-9a-f]{64}`), rapid.String()).Draw(t, "id")
			a.Record.Shard = rapid.StringMatching(`shardId-0000000000[0-9]{2}`).Draw(t, "shard")
			a.Record.SequenceNumber = rapid.StringMatching(`[1-9][0-9]{0,128}`).Draw(t, "sequence")
			alerts = append(alerts, a)
		}
		budget := rapid.SampledFrom([]int{0, 1024, 900_000}).Draw(t, "budget")
		m, text, err := dispatch.DigestMessage(alerts, budget, destination)
		require.NoError(t, err)
		require.LessOrEqual(t, m.Size(), 1024)
		require.True(t, utf8.ValidString(text.Body))
		require.Contains(t, text.Body, fmt.Sprintf("%d alert", len(alerts)))
		answer := destination.Send(ctx, []dispatch.Message{m})
		require.NoError(t, answer.Err)
		require.NotEmpty(t, answer.Outcomes[0].ID)
	})
}
