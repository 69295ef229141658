package demo

import (
	"context"
	_ "embed"
	"slices"

	"kinesis-alerter/internal/config"
)

// configuration is the file that both workers run with.
//
//go:embed alerter.yaml
var configuration []byte

// loadConfiguration reads the configuration, for one pipeline.
func loadConfiguration(ctx context.Context, topicARN string) (*config.LoadedConfig, error) {
	return parseConfiguration(ctx, topicARN, configuration)
}

// loadWithOutputs is that with an output of every record.
func loadWithOutputs(ctx context.Context, topicARN string) (*config.LoadedConfig, error) {
	return parseConfiguration(ctx, topicARN, slices.Concat(configuration, []byte(outputsSection)))
}

func parseConfiguration(ctx context.Context, topicARN string, text []byte) (*config.LoadedConfig, error) {
	return config.ParseConfig(ctx, "alerter.yaml", text, func(name string) (string, bool) {
		return topicARN, name == "TOPIC_ARN"
	})
}
