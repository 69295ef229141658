package daemon

import (
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/status"
)

// doubt logs what is valid but cannot be meant in a configuration that became active, and keeps it for the status page.
// Values stay out of it: they may come from the environment.
func (r *reloader) doubt(loaded *config.LoadedConfig, active config.Config) {
	if loaded == nil || loaded.Doc == nil {
		loaded = &config.LoadedConfig{Doc: &config.Document{}}
	}
	all := []status.Doubt{}
	for _, d := range (&config.LoadedConfig{Config: active, Doc: loaded.Doc}).Doubts(time.Now()) {
		all = append(all, status.Doubt{Field: d.Field, Line: d.Line, Text: d.Rule, Never: d.Never})
		r.log.Warn("configuration is valid, but probably not what was meant", zap.String("field", d.Field),
			zap.Int("line", d.Line),
			zap.String("doubt", d.Rule))
	}
	r.doubts.Store(&all)
}
