package deadletter

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
)

// drawMessage is what an alert may say.
func drawMessage(t *rapid.T) *alert.Message {
	m := &alert.Message{
		Subject: rapid.String().Draw(t, "subject"), Body: rapid.String().Draw(t, "body"),
		Structure: rapid.SampledFrom([]string{"", alert.StructureString}).Draw(t, "structure"),
		Group:     rapid.StringN(1, 9, -1).Draw(t, "group"),
		Bodies:    map[string]string{},
	}
	if rapid.Bool().Draw(t, "by protocol") {
		m.Bodies["sms"] = rapid.String().Draw(t, "sms")
		return m
	}
	for _, name := range rapid.SliceOfN(rapid.StringMatching(`[a-z_]{1,9}`), 0, 3).Draw(t, "attributes") {
		m.Attributes = append(m.Attributes, alert.Attribute{
			Name: name, Type: "String", Value: rapid.String().Draw(t, "value"),
		})
	}
	return m
}

// What is sent can be read back: a letter that loses a part of its alert or its record cannot be sent again.
func TestLettersAreReadBack(t *testing.T) {
	app := testApplication(t)
	rapid.Check(t, func(t *rapid.T) {
		l := drawLetter(t)
		if rapid.Bool().Draw(t, "alert") {
			l.Kind, l.Severity, l.Message = alert.KindFiring, "critical", drawMessage(t)
		}
		e := app.envelope(l, time.Now())
		document, _ := e.document(whole, 0)
		if rapid.Bool().Draw(t, "by SNS") {
			var err error
			document, err = json.Marshal(map[string]string{"Type": "Notification", "Message": string(document)})
			require.NoError(t, err)
		}
		got, err := Read(document)
		require.NoError(t, err)
		require.Equal(t, e.id, got.ID)
		require.Equal(t, testStream, got.Stream)
		want := *l
		want.Detail = got.Letter.Detail // which is cut
		want.Attempts = max(want.Attempts, 1)
		want.Record.Arrival = want.Record.Arrival.UTC().Truncate(time.Millisecond)
		want.Record.PartitionKey = valid(want.Record.PartitionKey)
		require.Equal(t, string(want.Record.Data), string(got.Letter.Record.Data))
		want.Record.Data, got.Letter.Record.Data = nil, nil
		require.Equal(t, want, got.Letter)
	})
}

// A destination that has no room for the record keeps the alert's message, and its message group, for as long as it
// can.
func TestMessageOutlivesThePayload(t *testing.T) {
	l := exhausted()
	l.Record.Data = []byte(strings.Repeat("x", 4000))
	l.Message = &alert.Message{Subject: "s", Body: strings.Repeat("b", 1000)}
	e := testApplication(t).envelope(l, time.Now())
	for limit, want := range map[int]form{0: whole, 4000: lean, 1500: barest} {
		document, form := e.document(whole, limit)
		require.Equal(t, want, form)
		got, err := Read(document)
		require.NoError(t, err)
		require.Equal(t, form == whole, got.PayloadOmitted == "")
		require.Equal(t, form == barest, got.MessageOmitted != "")
		if form != barest {
			require.Equal(t, "ANOMALY", got.Letter.Message.Group)
			require.Equal(t, l.Message.Body, got.Letter.Message.Body)
		}
	}
}

func TestWhatIsNoLetter(t *testing.T) {
	for _, text := range []string{"", "{}", `{"requestContext":{"requestId":"x"}}`, "[1]", `{"Type":"Notification"}`} {
		_, err := Read([]byte(text))
		require.ErrorContains(t, err, "no dead letter", text)
	}
}
