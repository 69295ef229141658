package alert

import (
	"fmt"
	"time"
)

// rateLimit suppresses the alerts of a rule beyond so many in a time. Each shard has its own tokens, in the memory of
// the rule.
type rateLimit struct{ limit Rate }

func (*faults) rateLimit(_ string, _ RuleConfig, r *rule, _ map[string]*rule) []muter {
	if r.limit.IsZero() {
		return nil
	}
	return []muter{&rateLimit{r.limit}}
}

// mutes implements muter. It spends nothing.
func (*rateLimit) mutes(c *candidate) bool {
	m := c.life.memory.rules[c.rule.place]
	return m.refilled(c.now) < 1 && (c.key == nil || !c.key.mustNotify(c.now))
}

// spend takes a token for an alert that nothing else suppresses. It answers whether the alert is made.
func (*rateLimit) spend(c *candidate) bool {
	return c.life.memory.rules[c.rule.place].spend(c.now) || c.key != nil && c.key.mustNotify(c.now)
}

func (*rateLimit) changesAt(*candidate) (never time.Time) { return never }

func (*rateLimit) reason() Reason { return ReasonRateLimit }

func (x *rateLimit) words() string { return "rate limit of " + fmt.Sprint(x.limit) }

func (x *rateLimit) dependency() (Dependency, bool) {
	return Dependency{"rate_limit", fmt.Sprintf("what the rule makes beyond %s is swallowed", x.limit)}, true
}

// refilled is how many tokens there are at a time.
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
