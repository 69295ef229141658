package daemon

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logLevel answers /-/log-level: GET says the level, PUT sets it. zap's own handler takes JSON only with the right
// Content-Type, which curl does not send, and does not say what it wants. Nobody should have to find that out at night.
type logLevel struct{ level zap.AtomicLevel }

// ServeHTTP implements http.Handler.
func (l logLevel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	answer := func(code int, name, value string) {
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]string{name: value})
	}
	if r.Method == http.MethodPut {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			answer(http.StatusBadRequest, "error", err.Error())
			return
		}
		level, err := parseLevel(string(body))
		if err != nil {
			answer(http.StatusBadRequest, "error", err.Error())
			return
		}
		l.level.SetLevel(level)
	}
	answer(http.StatusOK, "level", l.level.Level().String())
}

// parseLevel reads a level as JSON, as a form, or as the bare word.
func parseLevel(body string) (zapcore.Level, error) {
	word := strings.TrimSpace(body)
	var object struct{ Level string }
	if json.Unmarshal([]byte(body), &object) == nil {
		word = object.Level
	} else if form, err := url.ParseQuery(word); err == nil && form.Has("level") {
		word = form.Get("level")
	}
	for _, level := range []zapcore.Level{zap.DebugLevel, zap.InfoLevel, zap.WarnLevel, zap.ErrorLevel} {
		if word == level.String() {
			return level, nil
		}
	}
	return 0, fmt.Errorf("level %.20q: want debug, info, warn or error, as in curl -X PUT -d level=debug", word)
}
