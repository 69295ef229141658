package demo

import (
	"context"
	_ "embed"

	"kinesis-alerter/internal/config"
)

// configuration is the file that both workers run with.
//
//go:embed alerter.yaml
var configuration []byte

// loadConfiguration reads the configuration, for one pipeline.
func loadConfiguration(ctx context.Context, topicARN string) (*config.LoadedConfig, error) {
	return config.ParseConfig(ctx, "alerter.yaml", configuration, func(name string) (string, bool) {
		return topicARN, name == "TOPIC_ARN"
	})
}
