package sns

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/internal/fakeaws"
)

func TestMessageThatSNSWouldRefuseIsRejectedHere(t *testing.T) {
	attribute := func(name, kind, value string) func(*alert.Message) {
		return func(m *alert.Message) { m.Attributes = []alert.Attribute{{Name: name, Type: kind, Value: value}} }
	}
	bodies := func(protocol, body string) func(*alert.Message) {
		return func(m *alert.Message) { m.Bodies = map[string]string{protocol: body} }
	}
	subject := func(s string) func(*alert.Message) { return func(m *alert.Message) { m.Subject = s } }
	body := func(s string) func(*alert.Message) { return func(m *alert.Message) { m.Body = s } }
	for name, test := range map[string]struct {
		change func(*alert.Message)
		reason alert.Reason // empty: SNS takes it
	}{
		"plain":                     {func(*alert.Message) {}, ""},
		"no subject":                {subject(""), ""},
		"subject of 99 characters":  {subject(strings.Repeat("ü", 99)), ""},
		"subject of 100 characters": {subject(strings.Repeat("x", 100)), reasonSubject},
		"subject of two lines":      {subject("a\nb"), reasonSubject},
		"subject with a line mark":  {subject("a\u2028b"), reasonSubject},
		"subject with a bell":       {subject("a\ab"), reasonSubject},
		"subject that is not UTF-8": {subject("\xff"), reasonSubject},
		"empty body":                {body(""), reasonBody},
		"body that is not UTF-8":    {body("\xc3"), reasonBody},
		"structure":                 {func(m *alert.Message) { m.Structure = "xml" }, reasonStructure},
		"structure of bodies":       {func(m *alert.Message) { m.Structure = "json" }, reasonStructure},
		"body per protocol":         {bodies("sms", "b"), ""},
		"body of the default":       {bodies("default", "b"), reasonStructure},
		"body of no protocol":       {bodies("", "b"), reasonStructure},
		"body that is binary":       {bodies("sqs", "\xff"), reasonStructure},
		"bodies and attributes": {func(m *alert.Message) {
			bodies("sms", "b")(m)
			attribute("a", "String", "x")(m)
		}, reasonStructure},
		"binary":                    {attribute("a", "Binary", "\xff\x00"), ""},
		"number":                    {attribute("a", "Number", "-3.5e2"), ""},
		"number in words":           {attribute("a", "Number", "three"), reasonAttribute},
		"number that is none":       {attribute("a", "Number", "NaN"), reasonAttribute},
		"number that is infinite":   {attribute("a", "Number", "1e400"), reasonAttribute},
		"array":                     {attribute("a", "String.Array", `["x",1,null]`), ""},
		"array that is none":        {attribute("a", "String.Array", `x`), reasonAttribute},
		"array that is cut":         {attribute("a", "String.Array", `[1`), reasonAttribute},
		"type":                      {attribute("a", "Integer", "1"), reasonAttribute},
		"no value":                  {attribute("a", "String", ""), reasonAttribute},
		"value that is not UTF-8":   {attribute("a", "String", "\xff"), reasonAttribute},
		"value with an emoji":       {attribute("a", "String", "\U0001F525"), reasonAttribute},
		"value with a bell":         {attribute("a", "String", "a\ab"), reasonAttribute},
		"no name":                   {attribute("", "String", "x"), reasonAttribute},
		"name with a space":         {attribute("a b", "String", "x"), reasonAttribute},
		"name with dots":            {attribute("a.b-c_d", "String", "x"), ""},
		"name that starts in a dot": {attribute(".a", "String", "x"), reasonAttribute},
		"name that ends in a dot":   {attribute("a.", "String", "x"), reasonAttribute},
		"name with two dots":        {attribute("a..b", "String", "x"), reasonAttribute},
		"name of Amazon":            {attribute("aMaZoN.x", "String", "x"), reasonAttribute},
		"name of AWS":               {attribute("aws.x", "String", "x"), reasonAttribute},
		"name that only looks so":   {attribute("awsx", "String", "x"), ""},
		"name of 256":               {attribute(strings.Repeat("a", 256), "String", "x"), ""},
		"name of 257":               {attribute(strings.Repeat("a", 257), "String", "x"), reasonAttribute},
		"attributes beyond the body": {
			attribute("a", "String", strings.Repeat("x", defaultMaxBytes)), dispatch.ReasonTooLarge,
		},
		"bodies that are large":      {bodies("email", strings.Repeat("x", 2*defaultMaxBytes)), ""},
		"protocol that is too large": {bodies(strings.Repeat("x", defaultMaxBytes), "b"), dispatch.ReasonTooLarge},
		"ten attributes":             {attributes(10), ""},
		"eleven attributes":          {attributes(11), reasonAttribute},
		"attribute twice": {func(m *alert.Message) {
			m.Attributes = []alert.Attribute{
				{Name: "a", Type: "String", Value: "1"}, {Name: "a", Type: "String", Value: "2"},
			}
		}, reasonAttribute},
	} {
		t.Run(name, func(t *testing.T) {
			m := alert.Message{Subject: "Anomaly detected", Body: "Anomaly detected ...  {}", Structure: "string"}
			test.change(&m)
			_, err := prepare(newAlert(1), m, assumedLimits(testARN))
			if test.reason == "" {
				require.NoError(t, err)
				return
			}
			refusal, ok := errors.AsType[*alert.RejectedError](err)
			require.True(t, ok)
			require.Equal(t, test.reason, refusal.Reason)
		})
	}
}

func attributes(n int) func(*alert.Message) {
	return func(m *alert.Message) {
		for i := range n {
			m.Attributes = append(
				m.Attributes, alert.Attribute{Name: string(rune('a' + i)), Type: "String", Value: "x"},
			)
		}
	}
}

// What passes our checks must pass those of SNS: a message that is refused after all costs its whole call a round.
func TestWhatIsSentIsAccepted(t *testing.T) {
	emulator := fakeaws.New(fakeaws.Options{})
	client := newClient(emulator)
	topics := map[bool]string{}
	for name, fifo := range map[string]bool{"alerts": false, "alerts.fifo": true} {
		in := &sns.CreateTopicInput{Name: &name, Attributes: map[string]string{"MaximumMessageSize": "1024"}}
		if fifo {
			in.Attributes["FifoTopic"] = "true"
		}
		out, err := client.CreateTopic(t.Context(), in)
		require.NoError(t, err)
		topics[fifo] = *out.TopicArn
	}
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.OneOf(
			rapid.StringN(0, 120, -1), rapid.StringMatching(`[A-Za-z0-9._-]{0,20}`),
			rapid.SampledFrom(
				[]string{"\n", "\u0085", "AWS.x", "Amazon.", "\xff", "1e5", "[]", "[1]", "0x1p3", "1_0", " 1"},
			),
		)
		m := alert.Message{
			Subject:   odd.Draw(t, "subject"),
			Body:      rapid.OneOf(odd, rapid.StringN(0, 3000, -1)).Draw(t, "body"),
			Structure: rapid.SampledFrom([]string{"", "string", "text"}).Draw(t, "structure"),
			Group:     odd.Draw(t, "group"),
		}
		if rapid.Bool().Draw(t, "bodies") {
			m.Bodies = map[string]string{}
			for range rapid.IntRange(1, 3).Draw(t, "protocols") {
				protocol := rapid.SampledFrom([]string{"email", "sms", "sqs", "http"}).Draw(t, "protocol")
				m.Bodies[protocol] = rapid.OneOf(odd, rapid.StringN(0, 3000, -1)).Draw(t, "for it")
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "attributes") {
			m.Attributes = append(m.Attributes, alert.Attribute{
				Name: odd.Draw(t, "name"),
				Type: rapid.SampledFrom(
					[]string{"String", "Number", "String.Array", "Binary", "Other"},
				).Draw(t, "type"),
				Value: odd.Draw(t, "value"),
			})
		}
		fifo := rapid.Bool().Draw(t, "fifo")
		a := newAlert(1)
		a.Record.PartitionKey = odd.Draw(t, "key")
		msg, err := prepare(a, m, limits{maxBytes: 1024, fifo: fifo})
		if err != nil {
			return
		}
		b := batch{messages: []dispatch.Message{msg}}
		out, err := client.PublishBatch(ctx, b.input(new(topics[fifo]), false))
		require.NoError(t, err)
		require.Empty(t, out.Failed)
	})
}

func TestTokenKeepsKeysApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.OneOf(rapid.String(), rapid.StringMatching(`[!-~]{1,130}`))
		a, b := key.Draw(t, "a"), key.Draw(t, "b")
		require.NotEmpty(t, token(a))
		require.LessOrEqual(t, len(token(a)), 128)
		require.True(t, utf8.ValidString(token(a)))
		require.Equal(t, a == b, token(a) == token(b))
	})
	require.Equal(t, "patient-17", token("patient-17"), "a legal key is left as it is")
}
