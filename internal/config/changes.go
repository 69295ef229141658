package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// RestartNeeded says of a part of the configuration that a reload does not take it over.
const RestartNeeded = " differs, which needs a restart: the old value stays active"

// WithRulesOf is the configuration with what can be changed while running taken from next.
func (c Config) WithRulesOf(next Config) Config {
	c.Format, c.Filter, c.FilterFile, c.DeadLetter.Invalid = next.Format, next.Filter, next.FilterFile,
		next.DeadLetter.Invalid
	c.Score, c.Rules, c.Silences, c.Watchdog, c.State, c.Topics, c.Outputs = next.Score, next.Rules, next.Silences,
		next.Watchdog, next.State, next.Topics, next.Outputs
	return c
}

// Changes says in words what differs.
func Changes(old, next Config) []string {
	var out []string
	rules := func(c Config) map[string]any {
		m := map[string]any{}
		for _, r := range c.Rules {
			m[r.Name] = r
		}
		return m
	}
	silences := func(c Config) map[string]any {
		m := map[string]any{}
		for _, s := range c.Silences {
			m[s.Name] = s
		}
		return m
	}
	topics := func(c Config) map[string]any {
		m := map[string]any{}
		for name, t := range c.Topics {
			m[name] = t
		}
		return m
	}
	outputs := func(c Config) map[string]any {
		m := map[string]any{}
		for name, o := range c.Outputs {
			m[name] = o
		}
		return m
	}
	out = append(out, mapChanges("rule", rules(old), rules(next))...)
	out = append(out, mapChanges("silence", silences(old), silences(next))...)
	out = append(out, mapChanges("topic", topics(old), topics(next))...)
	out = append(out, mapChanges("output", outputs(old), outputs(next))...)
	note := func(what string, a, b any) {
		if !reflect.DeepEqual(a, b) {
			out = append(out, what+" changed")
		}
	}
	note("score", old.Score, next.Score)
	note("filter", old.Filter, next.Filter)
	note("watchdog", old.Watchdog, next.Watchdog)
	note("state", old.State, next.State)
	note("format", old.Format, next.Format)
	note("dead_letter.invalid", old.DeadLetter.Invalid, next.DeadLetter.Invalid)
	rest := old.WithRulesOf(next)
	for i := range reflect.TypeFor[Config]().NumField() {
		field := reflect.TypeFor[Config]().Field(i)
		a, b := reflect.ValueOf(rest).Field(i).Interface(), reflect.ValueOf(next).Field(i).Interface()
		if !reflect.DeepEqual(a, b) {
			name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			out = append(out, name+RestartNeeded)
		}
	}
	return out
}

func mapChanges(what string, old, next map[string]any) []string {
	names := maps.Clone(old)
	maps.Copy(names, next)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		a, had := old[name]
		b, has := next[name]
		switch {
		case !had:
			out = append(out, fmt.Sprintf("%s %s added", what, name))
		case !has:
			out = append(out, fmt.Sprintf("%s %s removed", what, name))
		case !reflect.DeepEqual(a, b):
			out = append(out, fmt.Sprintf("%s %s changed", what, name))
		}
	}
	return out
}
