// Package condition evaluates the expressions of rules on one record.
//
// # What it does
//
// [Compile] turns the text of a condition into terms. A [Schema] gives every field that an expression names a slot. A
// [Decoder] reads a payload once and fills the slots. A [Formula] judges the slots in a [Frame], within a budget. An
// [Index] finds the conditions that a record can meet, so that the others cost nothing.
//
// # Verdicts
//
// A verdict is yes, no, or undefined with a cause: a field is missing, null, of another type, or the rule is too
// costly. An undefined condition does not match. "and" and "or" follow Kleene: one false term decides a conjunction,
// one true term a disjunction, whatever else is undefined. Values of different types are neither equal nor unequal.
//
// # What it guarantees
//
// The same record and the same text give the same verdict, on every worker and after every restart. Integers compare
// exactly, beyond 2^53 too. The decoder accepts exactly the JSON that RFC 8259 and UTF-8 allow, and no name twice.
// What is compiled does not change and is safe for concurrent use. A Frame and a Decoder belong to one goroutine.
//
// # What it does not do
//
// It knows no clock, no other record and no configuration file. It does not remember, alert or log.
package condition
