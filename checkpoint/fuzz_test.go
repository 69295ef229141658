package checkpoint

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/checkpoint/saved"
	"kinesis-alerter/checkpoint/table"
)

// FuzzRows: rows are data from strangers. Whatever stands in one, reading it ends with a row or with an error, and
// times and numbers that are shown can be written as JSON. A line of the input is an attribute: its name, its type,
// its value.
func FuzzRows(f *testing.F) {
	f.Add("leaseKey S shardId-000000000000\nleaseEpoch N 7\nleaseOwner S a")
	for name, value := range hostileValues() {
		if text := table.Text(value) + table.NumberText(value); text != "" {
			f.Add(table.AttrCaughtUp + " N " + text + "\n" + table.AttrState + " S " + text + "\n" +
				table.AttrPosition + " S " + name)
		}
	}
	for _, attr := range []string{
		table.AttrKey, table.AttrOwner, table.AttrEpoch, table.AttrPosition, table.AttrSub, table.AttrResolved,
		table.AttrOffers, table.AttrCaughtUp, table.AttrLoad, table.AttrParents, table.AttrLast, table.AttrLastSub,
		table.AttrRewinds, table.AttrStartAt, table.AttrState, table.AttrStateChunks, table.AttrStateSum,
		table.AttrStateBytes, table.AttrStateAt, table.AttrStateSub, table.AttrStateGeneration,
		table.AttrCounter, table.AttrArrival, table.AttrCovers, table.AttrVersion, table.AttrConfig, table.AttrBeat,
		table.AttrRecordRate, table.AttrAlertRate, table.AttrLag,
		table.AttrCreated, table.AttrT0, table.AttrMark, table.AttrKeepsake,
	} {
		f.Add(attr + " S x\n" + attr + " N 1\n" + attr + " L x")
	}
	f.Fuzz(func(t *testing.T, input string) {
		it := table.Item{}
		for line := range strings.SplitSeq(input, "\n") {
			name, rest, _ := strings.Cut(line, " ")
			kind, value, _ := strings.Cut(rest, " ")
			switch kind {
			case "S":
				it[name] = table.Str(value)
			case "N":
				it[name] = &ddb.AttributeValueMemberN{Value: value}
			case "B":
				it[name] = &ddb.AttributeValueMemberB{Value: []byte(value)}
			case "SS":
				it[name] = &ddb.AttributeValueMemberSS{Value: strings.Split(value, ",")}
			case "L":
				it[name] = &ddb.AttributeValueMemberL{Value: []ddb.AttributeValue{table.Str(value), nil}}
			case "NIL":
				it[name] = nil
			}
		}
		now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
		if r, err := table.DecodeRow(it, now); err == nil {
			_, err := json.Marshal([]any{r.CaughtUp, r.Load, r.StartAt, r.ID, r.Owner, r.Parents})
			require.NoError(t, err)
		}
		w := table.DecodeWorker(it, now)
		_, err := json.Marshal([]any{w.Beat, w.ID, w.Version, w.Arrival})
		require.NoError(t, err)
		_, _ = table.DecodeApplication(it, now)
		_, _ = saved.DecodeChunk(it, table.DecodeSaved(it))
		_, _ = admin.JavaRow(it), admin.GoRow(it)
		_, _ = table.DecodeShards(input)
	})
}
