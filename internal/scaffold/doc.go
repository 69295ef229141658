// Package scaffold makes a first configuration from a few records: it looks at their fields and proposes one rule with
// a key, a message and a test.
//
// The steps, each pure: Fields of records (fields.go), ideas for a rule in the order in which they are likely to be
// meant (ideas.go), the two files (files.go). Make takes the first idea whose files hold: the configuration is valid
// and the tests pass (make.go).
//
// What it does not promise: that the limit is the right one. It is above what was seen, and a person has to set it.
package scaffold
