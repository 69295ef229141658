package config

// LogConfig is the section "log".
type LogConfig struct {
	// Level is debug, info, warn or error. Defaults to info. It can be changed at run time through /-/log-level.
	Level string `yaml:"level"`
	// Format is json or console. Defaults to json.
	Format string `yaml:"format"`
}
