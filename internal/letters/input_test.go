package letters

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// A letter holds the piece that rules saw: it is judged as that, and not taken apart once more.
func TestPiecesAreJudgedAsTheyAre(t *testing.T) {
	t.Parallel()
	for input, piece := range map[string]string{
		"[{decompress: gzip}, {split: lines}]":                    `{"value":99}`,
		"[{split: array}]":                                        `{"value":99}`,
		"[{split: items}, {nested: [body]}]":                      `{"value":99,"body":{"items":[]}}`,
		"[{decode: base64}, {split: lines}, {parse: {as: text}}]": "value 99\nand a second line",
	} {
		when := "value > 90"
		if piece[0] != '{' {
			when = `data contains "second"`
		}
		loaded, err := config.ParseConfig(t.Context(), "c.yaml", []byte("stream: {name: readings}\ninput: "+input+
			"\nrules: [{name: hot, when: '"+when+"'}]\n"+
			"topics: {oncall: {arn: \"arn:aws:sns:us-east-1:000000000000:oncall\"}}\n"), testkit.Environment(nil))
		require.NoError(t, err, input)
		s := &deadletter.Saved{Stream: streamARN}
		s.Letter = *recordLetter(piece)
		alerts, _, why := NewJudge(loaded.Parts().Alert, "readings").Alerts(s)
		require.Len(t, alerts, 1, "%s: %s", input, why)
		require.Equal(t, "hot", alerts[0].Rule)
	}
}

// recordLetter is the letter of a record that no rule has judged.
func recordLetter(piece string) *alert.Letter {
	l := alertLetter(1)
	l.Record.Data, l.Record.SubSequence = []byte(piece), 3
	l.AlertID, l.Rule, l.Topic, l.Kind, l.Message = "", "", "", "", nil
	return l
}
