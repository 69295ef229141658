package alert

import (
	"fmt"
	"time"
)

// rateLimit suppresses the alerts of a rule above a rate. Each shard has its own tokens, in the memory of the rule.
type rateLimit struct{ limit Rate }

func (*faults) rateLimit(_ string, _ RuleConfig, r *rule, _ map[string]*rule) []muter {
	if r.limit.IsZero() {
		return nil
	}
	return []muter{&rateLimit{r.limit}}
}

// mutes implements muter. It takes no token.
func (*rateLimit) mutes(c *candidate) bool {
	m := c.life.memory.rules[c.rule.place]
	return m.refilled(c.now) < 1 && (c.key == nil || !c.key.mustNotify(c.now))
}

// spend takes a token for an alert that nothing else suppresses, and reports whether there was one.
func (*rateLimit) spend(c *candidate) bool {
	return c.life.memory.rules[c.rule.place].spend(c.now) || c.key != nil && c.key.mustNotify(c.now)
}

func (*rateLimit) changesAt(*candidate) (never time.Time) { return never }

func (*rateLimit) reason() Reason { return ReasonRateLimit }

func (x *rateLimit) words() string { return "rate limit of " + fmt.Sprint(x.limit) }

func (x *rateLimit) dependency() (Dependency, bool) {
	return Dependency{"rate_limit", fmt.Sprintf("alerts of the rule above %s are suppressed", x.limit)}, true
}

// refilled returns how many tokens there are at a time.
func (m *ruleMemory) refilled(at int64) float64 {
	if at <= m.at {
		return m.tokens
	}
	limit := m.rule.limit
	return min(float64(limit.Events), m.tokens+float64(at-m.at)/1000*limit.PerSecond())
}

// spend takes a token.
func (m *ruleMemory) spend(at int64) bool {
	m.tokens, m.at = m.refilled(at), max(m.at, at)
	if m.tokens < 1 {
		return false
	}
	m.tokens--
	return true
}
