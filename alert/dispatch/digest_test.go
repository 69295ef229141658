package dispatch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// digestOf makes a sealed digest of alerts.
func digestOf(alerts ...*alert.Alert) *digest {
	d, seed := newDigest(time.Unix(0, 0)), maphash.MakeSeed()
	for _, a := range alerts {
		d.add(a, seed, nil, func(error) {}, nil)
	}
	d.seal()
	return d
}

// MemberAlert is one alert at 14:03 and some seconds.
func MemberAlert(rule, severity string, kind alert.Kind, key string, value float64, second int) *alert.Alert {
	return &alert.Alert{
		ID: fmt.Sprintf("%s-%s-%d", rule, key, second), Rule: rule, Severity: severity, Kind: kind, Key: key,
		Value: value, Worse: 1,
		Record: alert.Record{
			Shard: "shardId-000000000001", SequenceNumber: "4959000000000" + strconv.Itoa(second),
			Arrival: time.Date(2026, 11, 22, 14, 3, second, 0, time.UTC),
		},
	}
}

func TestDigestSaysWhatItStandsFor(t *testing.T) {
	cold := MemberAlert("too-cold", "info", alert.KindFiring, "d", -40, 12)
	cold.Worse = -1
	warm := MemberAlert("too-cold", "info", alert.KindFiring, "d", -2, 13)
	warm.Worse = -1
	warm.Record.Shard = "shardId-000000000007"
	quiet := &alert.Alert{ID: "quiet", Rule: "no-records", Severity: "warning"}
	d := digestOf(
		cold, quiet,
		MemberAlert("high-heart-rate", "critical", alert.KindFiring, "a", 171, 7),
		MemberAlert("high-heart-rate", "critical", alert.KindRepeat, "b", 199, 9),
		MemberAlert("high-heart-rate", "critical", alert.KindResolved, "a", 1000, 17), warm,
		MemberAlert("high-heart-rate", "warning", alert.KindFiring, "b", 150, 10),
	)
	_, err := d.message(paper{Bytes: 256 << 10, Subject: 99})
	require.NoError(t, err)
	m := d.text
	attributes := map[string]alert.Attribute{}
	for _, a := range m.Attributes {
		attributes[a.Name] = a
	}
	require.Equal(t, "7 alerts: high-heart-rate and 2 other rules", m.Subject)
	require.Equal(t, `7 alerts of 14:03:07 to 14:03:17 UTC, gathered because they came faster than this topic's rate lets them go one by one.

+3 of high-heart-rate (critical), 1 resolved, 1 repeated, 2 keys, worst 199, records 49590000000007 to 495900000000017 of shardId-000000000001, 14:03:07 to 14:03:17 UTC
+1 of high-heart-rate (warning), 1 key, worst 150, record 495900000000010 of shardId-000000000001, 14:03:10 UTC
+1 of no-records (warning), 1 key
+2 of too-cold (info), 1 key, worst -40, record 495900000000012 of shardId-000000000001, 495900000000013 of shardId-000000000007, 14:03:12 to 14:03:13 UTC

Alert ids:
too-cold-d-12
quiet
high-heart-rate-a-7
high-heart-rate-b-9
high-heart-rate-a-17
too-cold-d-13
high-heart-rate-b-10`, m.Body)
	require.Equal(t, "critical", attributes["severity"].Value)
	require.Equal(t, "7", attributes["count"].Value)
	require.Equal(t, "Number", attributes["count"].Type)
	require.Equal(t, "digest", attributes["kind"].Value)
	require.NotContains(t, attributes, "rule")

	ids := "too-cold-d-12\nquiet\nhigh-heart-rate-a-7\n" +
		"high-heart-rate-b-9\nhigh-heart-rate-a-17\ntoo-cold-d-13\nhigh-heart-rate-b-10\n"
	sum := sha256.Sum256([]byte(ids))
	require.Equal(t, hex.EncodeToString(sum[:]), attributes["alert_id"].Value)
}

func TestSubjectOfADigest(t *testing.T) {
	resolved := MemberAlert("hot", "info", alert.KindResolved, "a", 1, 1)
	for want, alerts := range map[string][]*alert.Alert{
		"1 alert":                        {{ID: "x"}},
		"1 alert: hot":                   {MemberAlert("hot", "info", alert.KindFiring, "a", 1, 1)},
		"2 resolved alerts: hot":         {resolved, resolved},
		"2 alerts: hot and 1 other rule": {resolved, MemberAlert("cold", "", alert.KindFiring, "a", 1, 1)},
		"1 alert: " + strings.Repeat("x", 89) + "…": {
			MemberAlert(strings.Repeat("x", 100), "", alert.KindFiring, "a", 1, 1),
		},
	} {
		require.Equal(t, want, digestOf(alerts...).summarize().subject(99))
	}
}

func TestFiguresAndTimes(t *testing.T) {
	for want, v := range map[string]float64{
		"199": 199, "0.5": 0.5, "123456789": 123456789, "1e+20": 1e20, "1e-09": 1e-9, "0": 0,
	} {
		require.Equal(t, want, figure(v))
	}
	at := time.Date(2026, 11, 22, 23, 59, 59, 0, time.UTC)
	require.Equal(t, "23:59:59 UTC", clock(at.UnixNano(), at.UnixNano()+1))
	require.Equal(
		t, "2026-11-22 23:59:59 to 2026-11-23 00:00:01 UTC", clock(at.UnixNano(), at.Add(2*time.Second).UnixNano()),
	)
}

func TestDistinctKeysAreCountedUpToABound(t *testing.T) {
	d, seed := newDigest(time.Unix(0, 0)), maphash.MakeSeed()
	add := func(n int) {
		for range n {
			a := MemberAlert("hot", "", alert.KindFiring, strconv.Itoa(d.members/2), 1, 1)
			d.add(a, seed, nil, func(error) {}, nil)
		}
	}
	add(2 * mostKeysCounted)
	require.Contains(t, d.summarize().tallies[0].sentence(true), ", 10000 keys")
	add(1)
	require.Contains(t, d.summarize().tallies[0].sentence(true), ", 10000+ keys")
}

func TestIDsThatDoNotFitAreCounted(t *testing.T) {
	var alerts []*alert.Alert
	for i := range 100 {
		a := MemberAlert("hot", "critical", alert.KindFiring, "a", 1, 1)
		a.ID = fmt.Sprintf("%064d", i)
		alerts = append(alerts, a)
	}
	d := digestOf(alerts...)
	for _, room := range []int{1024, 2048, 4096, 100_000} {
		d.budget = room
		_, err := d.message(paper{Bytes: 256 << 10, Subject: 99})
		require.NoError(t, err)
		_, list, _ := strings.Cut(d.text.Body, "Alert ids:\n")
		listed, rest := 0, 0
		for l := range strings.SplitSeq(list, "\n") {
			if n, ok := strings.CutSuffix(l, " more alert ids in the audit log, digest_id "+d.id); ok {
				rest, err = strconv.Atoi(n)
				require.NoError(t, err)
				continue
			}
			require.Len(t, l, 64)
			listed++
		}
		require.Equal(t, 100, listed+rest)
		require.GreaterOrEqual(t, listed, min(100, (room-600)/65-3))
		require.Equal(t, room == 100_000, rest == 0)
	}
}

func TestMembersNeedLittleMemory(t *testing.T) {
	const n = mostMembers
	alerts := make([]*alert.Alert, n)
	for i := range alerts {
		alerts[i] = SomeAlert(i)
		alerts[i].Record.SequenceNumber = fmt.Sprintf("49590338271490256608559692538361571095921575989136%06d", i)
		alerts[i].Record.Data = make([]byte, 1000)
	}
	done := func(error) {}
	d, seed := newDigest(time.Now()), maphash.MakeSeed()
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for _, a := range alerts {
		d.add(a, seed, nil, done, nil)
	}
	each := float64(heap()-before) / n
	t.Logf("%.0f bytes for a gathered alert", each)
	require.LessOrEqual(t, each, 250.)
	runtime.KeepAlive(alerts)
	runtime.KeepAlive(d)
}
