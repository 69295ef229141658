package decode_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/decode/columns"
)

func decoded(t *testing.T, in decode.Input, data string) (all []string) {
	t.Helper()
	plan, faults := in.Compile(decode.DefaultLimits())
	require.Empty(t, faults)
	rec := alert.Record{SequenceNumber: "1", PartitionKey: "k", Data: []byte(data)}
	for _, u := range plan.All(t.Context(), &rec) {
		switch {
		case u.Err != nil:
			all = append(all, fmt.Sprint(u.SubSequence, " ", u.Err))
		case u.Dropped != "":
			all = append(all, string(u.Dropped))
		default:
			all = append(all, fmt.Sprint(u.SubSequence, " ", string(u.Data)))
		}
	}
	return all
}

const (
	flowLine = "2 000000000000 eni-0a1b 10.0.0.5 10.0.1.7 443 49152 6 20 4249 1796000000 1796000060 ACCEPT OK"
	flow     = `"version":2,"account_id":"000000000000","interface_id":"eni-0a1b","srcaddr":"10.0.0.5",` +
		`"dstaddr":"10.0.1.7","srcport":443,"dstport":49152,"protocol":6,"packets":20,"bytes":4249,"start":1796000000,` +
		`"end":1796000060,"action":"ACCEPT","log_status":"OK"}`
)

// TestFlowLogs: the preset finds the columns in the events of CloudWatch Logs and in a line as an agent puts it, and an
// account is a text whatever its digits are.
func TestFlowLogs(t *testing.T) {
	preset := decode.Input{Preset: "vpc_flow_logs"}
	require.Equal(t, []string{"0 {" + flow}, decoded(t, preset, flowLine+"\n"))
	other := strings.Replace(flowLine, "000000000000", "123456789012", 1)
	require.Contains(t, decoded(t, preset, other)[0], `"account_id":"123456789012"`)
	require.Equal(t, []string{
		`0 {"timestamp":1,"id":"a","logGroup":"/aws/lambda/pay","logStream":"s","owner":"000000000000",` +
			`"subscriptionFilters":["f"],` + flow,
		"1 csv: too few fields: 1, and there are 14 columns",
	}, decoded(t, preset, string(cloudWatch(
		`{"id":"a","timestamp":1,"message":"`+flowLine+`"}`, `{"id":"b","timestamp":1,"message":"NODATA"}`))))
	require.Equal(t, []string{"0 cloudwatch_logs: it ends early, after 17 bytes"},
		decoded(t, preset, `{"messageType":"D`)[:1])
}

// TestCloudFront: a line with its newline, and another choice of columns is refused with both counts.
func TestCloudFront(t *testing.T) {
	preset := decode.Input{Preset: "cloudfront_realtime"}
	line := "1796000000.123\t192.0.2.7\t0.001\t502" + strings.Repeat("\t-", 41) + "\n"
	require.Contains(t, decoded(t, preset, line)[0], `{"timestamp":1796000000.123,"c_ip":"192.0.2.7",`+
		`"time_to_first_byte":0.001,"sc_status":502,"sc_bytes":"-"`)
	require.Equal(t, []string{"0 csv: too few fields: 2, and there are 45 columns"}, decoded(t, preset, "1\t2\n"))
}

// TestHeaderLine: it is a dropped piece with a place, in each record of an aggregate again; a broken one costs what it
// names.
func TestHeaderLine(t *testing.T) {
	in := decode.Input{Steps: []decode.Step{
		{Split: "lines"}, {Parse: &columns.Config{As: columns.AsCSV, Header: true}},
	}}
	require.Equal(t, []string{`1 {"ts":1,"msg":"two\nlines"}`, "3 csv: too few fields: 1, and there are 2 columns"},
		decoded(t, in, "ts,msg\n1,\"two\nlines\"\n\n2\n"))
	require.Equal(t, []string{"empty"}, decoded(t, in, "ts,msg\n"))
	require.Equal(t, []string{`0 csv: the header: "a" names two columns`}, decoded(t, in, "a,a\n1,2\n3,4\n"))
}

// TestStepsThatParse: one step parses, json is what records are anyway, and duplicate names may be tolerated.
func TestStepsThatParse(t *testing.T) {
	logfmt := decode.Step{Parse: &columns.Config{As: columns.AsLogfmt}}
	require.Equal(t, []string{`0 {"n":1}`},
		decoded(t, decode.Input{Steps: []decode.Step{{Parse: &columns.Config{As: columns.AsJSON}}}}, `{"n":1}`))
	require.Equal(t, []string{`0 {"a":2}`},
		decoded(t, decode.Input{Steps: []decode.Step{logfmt, {Tolerate: []string{"duplicate_names"}}}}, "a=1 a=2"))
	for want, steps := range map[string][]decode.Step{
		"is there already, and one step parses": {logfmt, logfmt},
		"must come right behind `split: lines`": {{Parse: &columns.Config{As: columns.AsCSV, Header: true}}},
		"must name the columns, or header: true must say that the first line does": {
			{Parse: &columns.Config{As: columns.AsCSV}},
		},
	} {
		_, faults := decode.Input{Steps: steps}.Compile(decode.DefaultLimits())
		require.Len(t, faults, 1)
		require.EqualError(t, faults[0], want)
	}
}
