package alert_test

import (
	"fmt"
	"strings"
	"testing"

	"kinesis-alerter/alert"
)

// membersRecord is an object of n members, none of which a benchmark rule matches.
func membersRecord(n int) []byte {
	var s strings.Builder
	s.WriteString(`{"ANOMALY_SCORE":0.8731,"COL1":"some text"`)
	for i := 2; i < n; i++ {
		if i%2 == 0 {
			fmt.Fprintf(&s, `,"FIELD_%d":"some text"`, i)
		} else {
			fmt.Fprintf(&s, `,"FIELD_%d":%d.25`, i, i)
		}
	}
	s.WriteString("}")
	return []byte(s.String())
}

// BenchmarkMembers is the cost of a record with 100 rules, none of which matches, by how many members it has.
func BenchmarkMembers(b *testing.B) {
	for _, n := range []int{9, 25, 65, 128, 10_000} {
		b.Run(fmt.Sprintf("members=%d", n), func(b *testing.B) {
			e, rec := benchEvaluator(b, 100)
			rec.Data = membersRecord(n)
			b.ReportAllocs()
			began := cpuTime(b)
			for b.Loop() {
				if d := e.Evaluate(rec); d.Outcome != alert.Unmatched {
					b.Fatal(d)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
		})
	}
}
