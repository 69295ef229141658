package alert_test

import (
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

// One rule, one topic, three records of a shard: one that is an anomaly, one that is not, one that cannot be read.
func Example() {
	rules, err := alert.Config{
		Rules: []alert.RuleConfig{{
			Name:     "high-heart-rate",
			When:     `ANOMALY_SCORE > 3.0 && rateType == "HIGH"`,
			Severity: alert.SeverityCritical,
			Subject:  "Heart rate {{ .Fields.heartRate }}",
		}},
		Topics: map[string]alert.TopicConfig{"oncall": {ARN: "arn:aws:sns:us-east-1:000000000000:ExampleTopic"}},
	}.Compile()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	pipeline, err := alert.New(rules, alert.Deps{
		Stream:     "arn:aws:kinesis:us-east-1:000000000000:stream/ExampleOutputStream",
		Log:        zap.NewNop(),
		Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}

	shard := pipeline.Shard("shardId-000000000000")
	for i, payload := range []string{
		`{"heartRate":180,"rateType":"HIGH","ANOMALY_SCORE":3.1}`,
		`{"heartRate":72,"rateType":"NORMAL","ANOMALY_SCORE":0.8}`,
		`{"heartRate":180,"rateType":"HIGH","ANOMALY_SCORE":NaN}`,
	} {
		decision := shard.Evaluate(&alert.Record{
			Shard:          "shardId-000000000000",
			PartitionKey:   "partitionkey",
			SequenceNumber: fmt.Sprint(i),
			Arrival:        time.Date(2026, 11, 22, 9, 0, i, 0, time.UTC),
			Data:           []byte(payload),
		})
		fmt.Println(decision.Outcome)
		if decision.Outcome == alert.Invalid {
			fmt.Println("  because of", decision.Reason)
		}
		for _, a := range decision.Alerts {
			message, err := a.Render()
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			fmt.Printf("  to %s: %s\n  %s\n", a.Topic, message.Subject, message.Body)
		}
		pipeline.Resolved(decision)
	}
	// Output:
	// alerted
	//   to oncall: Heart rate 180
	//   Anomaly detected ...  {"heartRate":180,"rateType":"HIGH","ANOMALY_SCORE":3.1}
	// unmatched
	// invalid
	//   because of non_finite
}
