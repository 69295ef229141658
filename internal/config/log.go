package config

// LogConfig is the section "log".
type LogConfig struct {
	// The least severe level that is logged. It can be changed at run time, at `/-/log-level`.
	Level string `yaml:"level" default:"info" enum:"debug|info|warn|error"`
	// One JSON object a line, or lines for a person at a console.
	Format string `yaml:"format" default:"json" enum:"json|console"`
}
