package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/lineage"
	tablepkg "kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/testkit"
)

// hostileValues are what another program may write into any attribute.
func hostileValues() map[string]ddb.AttributeValue {
	number := func(s string) ddb.AttributeValue { return &ddb.AttributeValueMemberN{Value: s} }
	return map[string]ddb.AttributeValue{
		"the greatest number": number("9223372036854775807"),
		"one below it":        number("9223372036854775806"),
		"the least":           number("-9223372036854775808"),
		"more digits":         number("99999999999999999999999999999999999999"),
		"an exponent":         number("9.9E+125"),
		"a year from now on":  number("33000000000000"),
		"32 bits":             number("4294967295"),
		"a fraction":          number("1.5"),
		"zero":                number("0"),
		"a long text":         tablepkg.Str(strings.Repeat("9", 90_000)),
		"a terminal's text":   tablepkg.Str("\x1b]0;owned\x07\x1b[2J\u009b31m\u202e\nforged"),
		"a far year":          tablepkg.Str("9999-12-31T23:59:59-12:00"),
		"true":                &ddb.AttributeValueMemberBOOL{Value: true},
		"null":                &ddb.AttributeValueMemberNULL{Value: true},
		"a list": &ddb.AttributeValueMemberL{Value: []ddb.AttributeValue{
			tablepkg.Num(1),
			tablepkg.Str(only),
		}},
		"bytes": &ddb.AttributeValueMemberB{Value: []byte{0xff, 0xfe}},
		"a set": &ddb.AttributeValueMemberSS{Value: []string{"a", "b", "c"}},
	}
}

// TestHostileRows: whatever a row says in whatever attribute, the shard is read and commits within the time of a
// take-over, and what the page and leases list show can be written as JSON, with no time that cannot be.
func TestHostileRows(t *testing.T) {
	t.Parallel()
	shard := []string{
		tablepkg.AttrOwner, tablepkg.AttrEpoch, tablepkg.AttrPosition, tablepkg.AttrSub, tablepkg.AttrResolved,
		tablepkg.AttrOffers, tablepkg.AttrCaughtUp, tablepkg.AttrLoad, tablepkg.AttrParents, tablepkg.AttrLast,
		tablepkg.AttrLastSub,
		tablepkg.AttrRewinds, tablepkg.AttrStartAt, tablepkg.AttrState, tablepkg.AttrStateChunks,
		tablepkg.AttrStateSum, tablepkg.AttrStateBytes, tablepkg.AttrStateAt, tablepkg.AttrStateSub,
		tablepkg.AttrStateGeneration,
	}
	worker := []string{
		tablepkg.AttrCounter, tablepkg.AttrArrival, tablepkg.AttrCaughtUp, tablepkg.AttrCovers,
		tablepkg.AttrVersion, tablepkg.AttrConfig, tablepkg.AttrBeat, tablepkg.AttrRecordRate, tablepkg.AttrAlertRate,
		tablepkg.AttrLag,
	}
	for row, attrs := range map[string][]string{
		only: shard, tablepkg.KeyWorker + "zz": worker, tablepkg.KeyFleet: {tablepkg.AttrCounter},
		tablepkg.KeyApplication: {tablepkg.AttrCreated, tablepkg.AttrT0, tablepkg.AttrMark, tablepkg.AttrKeepsake},
	} {
		for _, attr := range attrs {
			t.Run(strings.Trim(row, "#")+" "+attr, func(t *testing.T) {
				t.Parallel()
				for name, value := range testkit.Named(hostileValues(), 2) {
					t.Run(name, func(t *testing.T) { hostileRow(t, row, attr, value) })
				}
			})
		}
	}
}

func hostileRow(t *testing.T, key, attr string, value ddb.AttributeValue) {
	t.Helper()
	bubble(t, 1, func(w *world) {
		a := w.startSmall("a")
		w.awaitHeld(5*time.Second, 1, a)
		require.NoError(w, w.save(a, only, "100", stateOf(1)))
		a.stop()
		w.edit(key, func(e *tablepkg.Write) { e.Set(attr, value) })
		b := w.startSmall("b")
		w.await("the shard is read", time.Minute, func() bool { return b.store.Lease(only) != nil })
		showable(w, b.store.Status())
		table, err := w.admin().Table(w.Context())
		require.NoError(w, err)
		showable(w, table)
		l := b.store.Lease(only)
		l.Commit(position.Progress{Settled: true, At: position.Past("200"), CaughtUp: time.Now()})
		if b.store.Status().Shards[0].Unstorable != "" {
			l.Lost(time.Now()) // as the reader does with what Kinesis refuses
			l.Commit(position.Progress{Settled: true, At: position.Past("200"), CaughtUp: time.Now()})
		}
		w.await("progress is stored", time.Minute, func() bool { return w.row(only)[tablepkg.AttrPosition] == "200" })
		b.stop()
	})
}

// showable checks what people and programs are shown.
func showable(w *world, v any) {
	w.Helper()
	text, err := json.Marshal(v)
	require.NoError(w, err)
	require.Less(w, len(text), 100_000)
	for _, year := range []string{"292278994", "3015-"} {
		require.NotContains(w, string(text), year)
	}
}

// TestRowsThatDescendFromThemselves: the stream says who the parents are. The rows are named, the shards are read,
// and the rows are rewritten.
func TestRowsThatDescendFromThemselves(t *testing.T) {
	const second = "shardId-000000000001"
	for name, claims := range map[string]map[string][]string{
		"itself":     {only: {only}},
		"each other": {only: {second}, second: {only}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 2, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 2, a)
				a.stop()
				for id, parents := range claims {
					w.edit(id, func(e *tablepkg.Write) {
						e.Set(tablepkg.AttrParents, &ddb.AttributeValueMemberSS{Value: parents})
						e.Remove(tablepkg.AttrPosition)
						e.Remove(tablepkg.AttrSub)
					})
				}
				table, err := w.admin().Table(w.Context())
				require.NoError(w, err)
				for _, r := range table.Shards {
					if claims[r.Shard] != nil {
						require.Contains(w, r.Fault, "its parents lead back to the shard itself")
					}
					require.Empty(w, r.Parents)
				}
				b := w.start("b")
				w.awaitHeld(5*time.Second, 2, b)
				var named []string
				for _, i := range b.store.Status().Incidents {
					require.Equal(w, IncidentParents, i.Kind)
					named = append(named, i.Shard)
				}
				require.ElementsMatch(w, slices.Sorted(maps.Keys(claims)), named)
				w.await("the rows are written anew", 20*time.Second, func() bool {
					return w.row(only)[tablepkg.AttrParents] == nil && w.row(second)[tablepkg.AttrParents] == nil
				})
				time.Sleep(30 * time.Second)
				require.Len(w, b.store.Status().Incidents, len(claims), "told once")
				b.stop()
			})
		})
	}
}

// TestParentsOfRowsAreClaims: a row may hold up a shard with parents that the stream has not named, and not against
// its word.
func TestParentsOfRowsAreClaims(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		a.stop()
		w.edit("shardId-000000000001", func(e *tablepkg.Write) { // not read to its end, so a parent to wait for
			e.Set(tablepkg.AttrParents, &ddb.AttributeValueMemberSS{Value: []string{only}})
		})
		b := w.start("b")
		w.awaitHeld(5*time.Second, 2, b)
		for _, s := range b.store.Status().Shards {
			require.Empty(w, s.Parents)
		}
		b.stop()
	})
	l := lineage.New() // of a shard that no listing shows any more
	l.Claimed("x", []string{"y"})
	l.Claimed("y", []string{"x"})
	require.True(t, l.GateOpen("x", nil, &tablepkg.Origin{}, tablepkg.Start{}), "a circle is waited for by nobody")
	l = lineage.New()
	l.Claimed("x", []string{"y"})
	require.False(t, l.GateOpen("x", nil, &tablepkg.Origin{}, tablepkg.Start{}))
	l.Learn("x", nil)
	require.True(t, l.GateOpen("x", nil, &tablepkg.Origin{}, tablepkg.Start{}),
		"the stream's word counts, also when it comes later")
}

func TestShardsOfAnApplicationAreBounded(t *testing.T) {
	for _, s := range []string{
		"0-18446744073709551615", "18446744073709551000-18446744073709551615", strings.Repeat("0-262142,", 2) +
			"300000-500000", "5-2",
		"x" + strings.Repeat(",0-99999999", 3),
	} {
		_, err := tablepkg.DecodeShards(s)
		require.Error(t, err, s)
	}
	ids, err := tablepkg.DecodeShards("0-9,12,odd")
	require.NoError(t, err)
	require.Len(t, ids, 12)
	require.Equal(t, "odd,0-9,12", tablepkg.EncodeShards(ids))
	require.Contains(t, ids, fmt.Sprintf("%s%012d", tablepkg.ShardPrefix, 12))
}
