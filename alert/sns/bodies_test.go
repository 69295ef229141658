package sns

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

func unpack(t *testing.T, m *message) map[string]string {
	t.Helper()
	require.Equal(t, "json", m.structure)
	var out map[string]string
	require.NoError(t, json.Unmarshal([]byte(m.body), &out))
	return out
}

func TestBodiesOfProtocols(t *testing.T) {
	a := newAlert(1)
	got, err := prepare(a, alert.Message{
		Subject: "Anomaly", Body: "for \"all\"\nothers",
		Bodies: map[string]string{"sms": "short <&>", "sqs": `{"n": 1}`, "email": ""},
	}, assumedLimits(testARN))
	require.NoError(t, err)
	require.Equal(
		t, map[string]string{"default": "for \"all\"\nothers", "sms": "short <&>", "sqs": `{"n": 1}`}, unpack(t, got),
	)
	require.Equal(t, len(got.body), got.size)
	require.Empty(t, got.attributes)
}

func TestOnlyLongBodiesAreCut(t *testing.T) {
	a := newAlert(1)
	got, err := prepare(a, alert.Message{Body: strings.Repeat("ü", 4000), Bodies: map[string]string{
		"sms": "short", "sqs": strings.Repeat("\n", 4000),
	}}, limits{maxBytes: 4096})
	require.NoError(t, err)
	require.LessOrEqual(t, len(got.body), 4096)
	require.Greater(t, len(got.body), 3900, "the room is used")
	bodies := unpack(t, got)
	require.Equal(t, "short", bodies["sms"])
	require.Contains(t, bodies["default"], "whole record: shard shardId-000000000000, sequence number 1001")
	require.Contains(t, bodies["sqs"], "whole record: shard")
	require.True(t, strings.HasPrefix(bodies["default"], strings.Repeat("ü", 500)))
}

func TestSMSHasAtMost1600Characters(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("x", 1600), strings.Repeat("x", 1601), strings.Repeat("ü", 3000), strings.Repeat("🔥", 9000),
		strings.Repeat("x", 1500) + strings.Repeat("🔥", 101),
	} {
		got, err := prepare(
			newAlert(1), alert.Message{Body: "b", Bodies: map[string]string{"sms": text}}, assumedLimits(testARN),
		)
		require.NoError(t, err)
		sms := unpack(t, got)["sms"]
		n := utf8.RuneCountInString(sms)
		require.LessOrEqual(t, n, maxSMS)
		if utf8.RuneCountInString(text) <= maxSMS {
			require.Equal(t, text, sms)
			continue
		}
		require.Greater(t, n, 1300)
		require.True(t, strings.HasSuffix(sms, "]"), "it says that it was cut")
	}
}

func TestGroupOfAMessage(t *testing.T) {
	m := alert.Message{Body: "b", Group: "patients of ward 7"}
	got, err := prepare(newAlert(1), m, assumedLimits(testARN+".fifo"))
	require.NoError(t, err)
	require.Equal(t, token("patients of ward 7"), got.group)
	require.Equal(t, newAlert(1).ID, got.dedup)
	got, err = prepare(newAlert(1), m, assumedLimits(testARN))
	require.NoError(t, err)
	require.Empty(t, got.group)
}

// Whatever the bodies are: the message is refused, or it is valid, within its size, and every body begins as it should.
func FuzzBodies(f *testing.F) {
	// Small seeds: the fuzzer would spend its time on making large ones smaller.
	f.Add("default", "sms", "email", uint16(100))
	f.Add(strings.Repeat("\x01", 30), "🔥🔥🔥", "\"\\\n", uint16(120))
	f.Add(strings.Repeat("ü", 100), "", "x", uint16(200))
	f.Add("\xff", "a", "b", uint16(300))
	f.Fuzz(func(t *testing.T, body, sms, email string, room uint16) {
		m := alert.Message{Body: body, Bodies: map[string]string{"sms": sms, "email": email}}
		got, err := prepare(newAlert(1), m, limits{maxBytes: int(room)})
		if err != nil {
			valid := body != "" && utf8.ValidString(body) && utf8.ValidString(sms) && utf8.ValidString(email)
			require.False(t, valid && room >= 100, "%v", err)
			return
		}
		require.LessOrEqual(t, len(got.body), int(room))
		require.True(t, utf8.ValidString(got.body))
		for protocol, text := range unpack(t, got) {
			whole := map[string]string{"default": body, "sms": sms, "email": email}[protocol]
			require.NotEmpty(t, text)
			require.True(t, utf8.ValidString(text))
			cut, _, _ := strings.Cut(text, " [cut, ")
			require.True(t, strings.HasPrefix(whole, cut) || strings.Contains(whole, " [cut, "), protocol)
		}
	})
}
