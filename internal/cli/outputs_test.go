package cli

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/testkit"
)

// Every tool that tries rules shows what would be written to output streams.
func TestOutputsInTheTools(t *testing.T) {
	t.Parallel()
	const file = "testdata/outputs/"
	testkit.Golden(t, "outputs.golden", transcript(t,
		[]string{"check", file + "alerter.yaml"},
		[]string{"check", file + "loop.yaml"},
		[]string{"check", file + "alerter.yaml", "--sample", file + "records.jsonl"},
		[]string{"rules", "test", file + "outputs.test.yaml", file + "failing.test.yaml"},
		[]string{"rules", "test", file + "wrong.test.yaml"},
		[]string{"rules", "backtest", "--config", file + "alerter.yaml", "--archive", file + "records.jsonl"},
	))
}

func TestExplainOutputs(t *testing.T) {
	t.Parallel()
	const file = "testdata/outputs/alerter.yaml"
	explain := func(payload string, flags ...string) string {
		args := []string{"--config", file, "--data", "-", "--key", "k", "--arrival", "2026-11-22T12:30:00Z"}
		out, err := runExplainWith(t, nil, payload, append(args, flags...)...)
		require.NoError(t, err)
		return "$ explain --data - <<< " + payload + "\n" + out + "\n"
	}
	testkit.Golden(t, "explain-outputs.golden", explain(`{"heartRate":180,"ward":"7b"}`)+
		explain(`{"heartRate":80,"ward":""}`)+explain(`{"heartRate":"80"}`)+explain(`[]`))

	var got struct {
		Records []struct{ Outputs []alert.OutputExplanation }
	}
	out, err := runExplainWith(t, nil, `{"heartRate":180,"ward":"7b"}`, "--config", file, "--data", "-", "--json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Len(t, got.Records[0].Outputs, 2)
	ward, scored := got.Records[0].Outputs[0], got.Records[0].Outputs[1]
	require.Equal(t, "7b", ward.Writes.Key)
	require.Equal(t, `{"heartRate":180}`, scored.Writes.Data)
	require.Equal(t, []string{"ANOMALY_SCORE"}, scored.DependsOn)
}

// What a program reads of a test, a backtest and a check has the records.
func TestOutputsInJSON(t *testing.T) {
	t.Parallel()
	const file = "testdata/outputs/"
	_, stdout, _ := invoke(t, "rules", "test", "--json", file+"outputs.test.yaml")
	var tests struct {
		Tests []struct{ Outputs []struct{ Output string } }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &tests))
	require.Len(t, tests.Tests[1].Outputs, 3)
	require.Equal(t, "scored", tests.Tests[1].Outputs[2].Output)

	_, stdout, _ = invoke(t, "rules", "backtest", "--json", "--config", file+"alerter.yaml", "--archive",
		file+"records.jsonl")
	var backtest rehearse.BacktestReport
	require.NoError(t, json.Unmarshal([]byte(stdout), &backtest))
	require.Len(t, backtest.Outputs, 2)
	require.Equal(t, 2, backtest.Outputs[1].Records)
	require.Equal(t, map[string]int{"output_key": 1}, backtest.Outputs[0].Unwritable)

	_, stdout, _ = invoke(t, "check", "--json", file+"alerter.yaml", "--sample", file+"records.jsonl")
	var check struct{ Sample rehearse.SampleReport }
	require.NoError(t, json.Unmarshal([]byte(stdout), &check))
	require.Equal(t, 2, check.Sample.Outputs[1].Written)
}
