package config

import (
	"context"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ListenIn is the server.listen of a configuration that has faults elsewhere; empty if it cannot be read from it.
func ListenIn(ctx context.Context, file string, lookup func(string) (string, bool)) string {
	var text []byte
	if variable, ok := strings.CutPrefix(file, EnvSource); ok {
		value, _ := lookup(variable)
		text = []byte(value)
	} else {
		text, _ = ReadFile(ctx, file, MaxDocument)
	}
	var c struct{ Server struct{ Listen string } }
	if yaml.Unmarshal(text, &c) != nil || !Listenable(c.Server.Listen) {
		return ""
	}
	return c.Server.Listen
}
