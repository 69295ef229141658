package alert

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-alerter/alert/condition"
)

// wantMoment is what a silence's from and until are.
const wantMoment = "want a point in time in UTC such as 2026-11-22T17:00:00Z, not a duration; " +
	"date -u -d '+2 hours' +%FT%TZ prints one"

// silence mutes rules from one event time to another.
type silence struct {
	name  string
	rules []string // empty means all
	// bit is that of its condition in compiled.covers; 0 if it covers every record.
	bit         uint32
	from, until time.Time
	// muted counts the alerts that it suppressed.
	muted *atomic.Uint64
}

// cover is the condition of one or more silences. Its verdict on a record is kept with the record's key, for alerts
// that time causes.
type cover struct {
	when *condition.Condition
	// hash is of the condition's text. A snapshot names conditions by it, so that silences may be edited.
	hash uint32
	// over are its silences' counters of records for which the condition exceeds its budget.
	over []prometheus.Counter
}

// maxCovers is how many different conditions silences can have: every key has a bit for each.
const maxCovers = 32

// mutes implements muter. See window_silence.go for silences with a condition and alerts that time causes.
func (s *silence) mutes(c *candidate) bool { return s.applies(c.at, c.covered(c.rule, c.key)) }

func (s *silence) changesAt(*candidate) time.Time { return s.until }

func (*silence) reason() Reason { return ReasonSilenced }

func (s *silence) words() string {
	return "silence " + s.name + ", until " + s.until.UTC().Format(time.RFC3339)
}

func (*silence) dependency() (d Dependency, ok bool) { return d, false }

// applies reports whether the silence is active at a time and covers something that meets these conditions.
func (s *silence) applies(at time.Time, covered uint32) bool {
	return !at.Before(s.from) && at.Before(s.until) && (s.bit == 0 || covered&s.bit != 0)
}

// covers evaluates the condition within its own budget. Beyond the budget it silences nothing, which is counted, so it
// never costs a rule its alert.
func (c *cover) covers(f *condition.Frame) bool {
	holds, over := f.Apart(c.when)
	if over {
		for _, silence := range c.over {
			silence.Inc()
		}
	}
	return holds
}

// silences compiles the silences of a configuration, and adds them to their rules.
func (f *faults) silences(configs []SilenceConfig, out *compiled) {
	named := make(map[string]*rule, len(out.rules))
	for _, r := range out.rules {
		named[r.name] = r
	}
	known := make(map[string]int)
	for i, c := range configs {
		if f.full() {
			break
		}
		field := fmt.Sprintf("silences[%d]", i)
		f.name(field+".name", c.Name, "_-.")
		x := &silence{name: c.Name, rules: c.Rules, muted: new(atomic.Uint64)}
		muted := out.rules
		if len(c.Rules) > 0 {
			muted = nil
		}
		for j, name := range c.Rules {
			if r := named[name]; r != nil {
				muted = append(muted, r)
			} else {
				f.add(fmt.Sprintf("%s.rules[%d]", field, j), name, "is not the name of a rule")
			}
		}
		f.cover(field+".when", c.When, x, known, out)
		var err error
		if c.From != "" {
			if x.from, err = time.Parse(time.RFC3339, c.From); err != nil {
				f.add(field+".from", c.From, "%s", wantMoment)
			}
		}
		if x.until, err = time.Parse(time.RFC3339, c.Until); err != nil {
			rule := wantMoment
			if c.Until == "" {
				rule = "is missing: a silence without an end hides trouble for good; " + rule
			}
			f.add(field+".until", c.Until, "%s", rule)
		} else if !x.until.After(x.from) {
			f.add(field+".until", c.Until, "must be after from")
		}
		out.silences = append(out.silences, x)
		for _, r := range muted {
			r.silences = append(r.silences, x)
			r.mutedBy(x)
			r.covers |= x.bit
		}
	}
}

// cover compiles the condition of a silence, unless another silence has the same one. known are the indexes of those
// compiled so far.
func (f *faults) cover(field, when string, x *silence, known map[string]int, out *compiled) {
	source := strings.TrimSpace(when)
	if source == "" {
		return
	}
	i, ok := known[source]
	if !ok {
		c := f.condition(field, when, out.schema)
		if c != nil && c.IsTrue() {
			return
		}
		if i = len(out.covers); i == maxCovers {
			f.add(field, when,
				"is a different condition from the %d before it, and there can be %d: cover several keys with one, "+
					"such as "+
					`host in ["a", "b"], and remove silences that have ended`, maxCovers, maxCovers)
			return
		}
		format := FormatJSON
		if out.schema.Text {
			format = FormatText
		}
		sum := sha256.Sum256([]byte(format + "\x00" + source))
		known[source] = i
		out.covers = append(out.covers, &cover{when: c, hash: binary.BigEndian.Uint32(sum[:])})
	}
	x.bit = 1 << i
}

// countOn continues the counts of silences that existed before.
func (c *compiled) countOn(old *compiled) {
	for _, x := range c.silences {
		for _, was := range old.silences {
			if was.name == x.name {
				x.muted = was.muted
			}
		}
	}
}
