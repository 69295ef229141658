package cmd

import (
	"time"

	"go.uber.org/zap"
)

// doubt logs what is valid in a configuration that was put into force and cannot be meant, and keeps it for the status page. Values
// stay out of it: they may come from the environment.
func (r *reloader) doubt(loaded *LoadedConfig, inForce Config) {
	if loaded == nil || loaded.doc == nil {
		loaded = &LoadedConfig{doc: &document{}}
	}
	all := []StatusDoubt{}
	for _, d := range (&LoadedConfig{inForce, loaded.doc}).doubts(time.Now()) {
		all = append(all, StatusDoubt{Field: d.Field, Line: d.Line, Text: d.Rule, Never: d.never})
		r.log.Warn("configuration is valid, but cannot be meant", zap.String("field", d.Field), zap.Int("line", d.Line), zap.String("doubt", d.Rule))
	}
	r.doubted.Store(&all)
}
