package checkpoint

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// FuzzRows: rows are data from strangers. Whatever stands in one, reading it ends with a row or with an error, and times and numbers
// that are shown can be written as JSON. A line of the input is an attribute: its name, its type, its value.
func FuzzRows(f *testing.F) {
	f.Add("leaseKey S shardId-000000000000\nleaseEpoch N 7\nleaseOwner S a")
	for name, value := range hostileValues() {
		if text := text(value) + numberText(value); text != "" {
			f.Add(attrCaughtUp + " N " + text + "\n" + attrState + " S " + text + "\n" + attrPosition + " S " + name)
		}
	}
	for _, attr := range []string{
		attrKey, attrOwner, attrEpoch, attrPosition, attrSub, attrResolved, attrOffers, attrCaughtUp, attrLoad, attrParents, attrLast, attrLastSub,
		attrRewinds, attrStartAt, attrState, attrStateChunks, attrStateSum, attrStateBytes, attrStateAt, attrStateSub, attrStateGeneration,
		attrCounter, attrArrival, attrCovers, attrVersion, attrConfig, attrBeat, attrCreated, attrT0, attrMark, attrKeepsake,
	} {
		f.Add(attr + " S x\n" + attr + " N 1\n" + attr + " L x")
	}
	f.Fuzz(func(t *testing.T, input string) {
		it := item{}
		for line := range strings.SplitSeq(input, "\n") {
			name, rest, _ := strings.Cut(line, " ")
			kind, value, _ := strings.Cut(rest, " ")
			switch kind {
			case "S":
				it[name] = str(value)
			case "N":
				it[name] = &ddb.AttributeValueMemberN{Value: value}
			case "B":
				it[name] = &ddb.AttributeValueMemberB{Value: []byte(value)}
			case "SS":
				it[name] = &ddb.AttributeValueMemberSS{Value: strings.Split(value, ",")}
			case "L":
				it[name] = &ddb.AttributeValueMemberL{Value: []ddb.AttributeValue{str(value), nil}}
			case "NIL":
				it[name] = nil
			}
		}
		now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
		if r, err := decodeRow(it, now); err == nil {
			_, err := json.Marshal([]any{r.caughtUp, r.load, r.startAt, r.id, r.owner, r.parents})
			require.NoError(t, err)
		}
		w := decodeWorker(it, now)
		_, err := json.Marshal([]any{w.beat, w.id, w.version, w.arrival})
		require.NoError(t, err)
		_, _ = decodeApplication(it, now)
		_, _ = decodeChunk(it, decodeSnapshot(it))
		_, _ = javaRow(it), goRow(it)
		_, _ = decodeShards(input)
	})
}
