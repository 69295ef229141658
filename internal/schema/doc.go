// Package schema holds the JSON Schema of the configuration file, for editors and for checks before a rollout.
//
// The schema and docs/reference/configuration.md are made by this package's tests from the types of the configuration:
// the comment of a field is its description, and its tags have the default, the range and the words that it can have.
// After a change of them, `go test ./internal/schema -update` writes both.
//
// What it guarantees: the schema accepts every configuration that `check` accepts. It refuses unknown keys, wrong types
// and words that are none of those that a value can have. What it does not promise is the reverse: expressions,
// templates, ranges of durations and relations between values are for `check`.
package schema
