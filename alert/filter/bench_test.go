package filter_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/filter"
)

// benchRecord is 200 bytes with nine fields.
const benchRecord = `{"TICKER_SYMBOL":"QXZ","SECTOR":"HEALTHCARE","CHANGE":-1.27,"PRICE":60.18,"COL1":"some text",` +
	`"REGION":"us-east-1",` +
	`"ACCOUNT":"000000000000","ANOMALY_SCORE":0.8731,"NOTE":"nothing to see, all is well....."}`

// benchShapes are sets of n patterns, by what they have in common. None matches benchRecord but where the name says so.
func benchShapes() []struct {
	name    string
	pattern func(i int) string
	want    filter.Result
} {
	return []struct {
		name    string
		pattern func(i int) string
		want    filter.Result
	}{
		{
			"equal", func(i int) string { return fmt.Sprintf(`{"data":{"TICKER_SYMBOL":["T%d"]}}`, i) },
			filter.NotMatched,
		},
		{"thresholds", func(i int) string {
			return fmt.Sprintf(`{"data":{"ANOMALY_SCORE":[{"numeric":[">",%d.5]}]}}`, i+1)
		}, filter.NotMatched},
		{"thresholds, all below, another field fails", func(i int) string {
			return fmt.Sprintf(`{"data":{"PRICE":[{"numeric":["<",%d.5]}],"SECTOR":["S%d"]}}`, i+100, i)
		}, filter.NotMatched},
		{"ranges", func(i int) string {
			return fmt.Sprintf(`{"data":{"PRICE":[{"numeric":[">",%d,"<=",%d]}]}}`, i+61, i+62)
		}, filter.NotMatched},
		{"one type, thresholds", func(i int) string {
			return fmt.Sprintf(`{"data":{"SECTOR":["HEALTHCARE"],"ANOMALY_SCORE":[{"numeric":[">",%d.5]}]}}`, i+1)
		}, filter.NotMatched},
		{
			"fields", func(i int) string { return fmt.Sprintf(`{"data":{"FIELD_%d":[{"numeric":[">",1]}]}}`, i) },
			filter.NotMatched,
		},
		{
			"prefixes", func(i int) string { return fmt.Sprintf(`{"data":{"REGION":[{"prefix":"eu-%d"}]}}`, i) },
			filter.NotMatched,
		},
		{
			"partition keys", func(i int) string { return fmt.Sprintf(`{"partitionKey":["key-%d"]}`, i) },
			filter.NotMatched,
		},
		{"the last matches", func(i int) string {
			return fmt.Sprintf(`{"data":{"ANOMALY_SCORE":[{"numeric":["<",%d.5]}]}}`, 1-i)
		}, filter.Matched},
	}
}

func benchSet(tb testing.TB, n int, pattern func(i int) string) *filter.Set {
	tb.Helper()
	var texts []string
	for i := range n {
		texts = append(texts, pattern(i))
	}
	return compile(tb, texts...)
}

// cpuTime is what the process has used so far, collector included.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkMatch is the cost of a record, decoding included.
func BenchmarkMatch(b *testing.B) {
	for _, shape := range benchShapes() {
		for _, n := range []int{1, 10, 1000} {
			b.Run(fmt.Sprintf("%s/patterns=%d", shape.name, n), func(b *testing.B) {
				m, data := benchSet(b, n, shape.pattern).Matcher(), []byte(benchRecord)
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				began := cpuTime(b)
				for b.Loop() {
					if m.Match(data, "partitionkey") != shape.want {
						b.Fatal("wrong result")
					}
				}
				b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	for _, shape := range benchShapes() {
		m, data := benchSet(t, 1000, shape.pattern).Matcher(), []byte(benchRecord)
		require.Zero(t, testing.AllocsPerRun(100, func() { m.Match(data, "partitionkey") }), shape.name)
	}
	arrays := []byte(`{"rows":[{"a":1,"b":[{"c":1}]},{"a":2,"b":[{"c":2},{"c":3}]}],"ips":["10.0.0.1","12:30:00",` +
		`"::1"],"n":12345678901234567890.12345}`)
	for _, text := range []string{
		`{"data":{"rows":{"a":[2],"b":{"c":[1]}}}}`,
		`{"data":{"ips":[{"cidr":"11.0.0.0/8"},"::2",{"equals-ignore-case":"X"},{"wildcard":"*x*"}]}}`,
		`{"data":{"n":[12345678901234567890.1234,{"numeric":[">",1e20]}]}}`,
	} {
		m := compile(t, text).Matcher()
		require.Equal(t, filter.NotMatched, m.Match(arrays, ""))
		require.Zero(t, testing.AllocsPerRun(100, func() { m.Match(arrays, "") }), text)
	}
}
