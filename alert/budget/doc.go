// Package budget meters what a rule or a message may cost with one record.
//
// A [Meter] counts work, text and lists. Code pays before it acts: [Meter.Spend] is false once a limit is exceeded, and
// the caller then does nothing more. The part that was exceeded stays in the meter, for people.
//
// A price depends on the text of the rule and the bytes of the record alone. So the daemon, explain, tests of rules,
// backtests and a replay agree on it. It is no measure of time: a slow machine judges the same records.
//
// The package knows no rules, no expressions and no templates. They say what things cost.
package budget
