package ecs

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/emf"
)

// template is what alarms.json may have of a CloudFormation template: the properties of AWS::CloudWatch::Alarm that it
// uses, by the names of its reference.
type template struct {
	AWSTemplateFormatVersion string
	Description              string
	Resources                map[string]struct {
		Type       string
		Properties alarm
	}
}

type alarm struct {
	AlarmName, AlarmDescription, Namespace, MetricName string
	Statistic, ComparisonOperator, TreatMissingData    string
	Dimensions                                         []struct{ Name, Value string }
	Threshold                                          float64
	Period, EvaluationPeriods, DatapointsToAlarm       int
	AlarmActions, OKActions                            []string
}

func alarms(t *testing.T) map[string]alarm {
	t.Helper()
	var in template
	read(t, "alarms.json", &in)
	out := map[string]alarm{}
	for _, r := range in.Resources {
		require.Equal(t, "AWS::CloudWatch::Alarm", r.Type)
		name, ours := strings.CutPrefix(r.Properties.AlarmName, values["APPLICATION"]+"-")
		require.True(t, ours)
		out[name] = r.Properties
	}
	return out
}

// The alarms ask for metrics that a line has, under its dimensions, with the statistic that fits several workers.
func TestAlarms(t *testing.T) {
	all := alarms(t)
	require.Len(t, all, 4)
	line := string(emf.NewMeter(values["STREAM"], values["APPLICATION"]).Line(time.Now(), &emf.Sample{Lag: math.Pi}))
	for name, a := range all {
		require.Equal(t, emf.Namespace, a.Namespace)
		require.Contains(t, line, `{"Name":"`+a.MetricName+`"`, name)
		require.Len(t, a.Dimensions, 2)
		require.Contains(t, line, `"Dimensions":[["`+a.Dimensions[0].Name+`","`+a.Dimensions[1].Name+`"]]`, name)
		for _, d := range a.Dimensions {
			require.Contains(t, line, `"`+d.Name+`":"`+d.Value+`"`, name)
		}
		require.Equal(t, 60, a.Period, "a line a minute")
		require.Equal(t, a.EvaluationPeriods, a.DatapointsToAlarm)
		require.NotEmpty(t, a.AlarmActions)
		require.Equal(t, a.AlarmActions, a.OKActions)
		missing := "ignore" // silence neither raises nor ends the others
		if name == "heartbeat" {
			missing = "breaching"
		}
		require.Equal(t, missing, a.TreatMissingData, name)
		runbook := regexp.MustCompile(`Runbook: (\w+)\.$`).FindStringSubmatch(a.AlarmDescription)
		require.NotNil(t, runbook, name)
		require.FileExists(t, filepath.Join(root, "deploy/runbooks", runbook[1]+".md"))
	}
}

// The Terraform module has the same alarms.
func TestAlarmsAreThoseOfTerraform(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/terraform/alarms.tf"))
	require.NoError(t, err)
	for name, a := range alarms(t) {
		block := regexp.MustCompile(`(?s)\n    ` + name + ` = \{\n(.*?)\n    \}`).FindSubmatch(text)
		require.NotNil(t, block, name)
		said := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^ +(\w+) += (.*)$`).FindAllStringSubmatch(string(block[1]), -1) {
			said[m[1]] = strings.Trim(m[2], `"`)
		}
		threshold := strconv.FormatFloat(a.Threshold, 'f', -1, 64)
		description := a.AlarmDescription
		if name == "lag" {
			require.Equal(t, "300", threshold, "the default of the variable")
			threshold = "var.alarms.lag_seconds"
			description = strings.Replace(description, "300", "${var.alarms.lag_seconds}", 1)
		}
		require.Equal(t, map[string]string{
			"metric": a.MetricName, "statistic": a.Statistic, "comparison": a.ComparisonOperator,
			"threshold": threshold, "periods": strconv.Itoa(a.EvaluationPeriods), "missing": a.TreatMissingData,
			"description": description,
		}, said)
	}
}
