// Package template compiles and runs the templates of messages.
//
// A [Template] is text/template with functions of its own, which know no clock, no environment and no I/O. [Compile]
// finds faults that text/template finds only when it runs. They are names that no message has, labels that the rule
// lacks, and time zones that do not exist. [Template.Execute] makes the text for one message.
//
// # What it guarantees
//
// The same data give the same text. A template pays for its work from the budget of its message, and ends when that is
// exceeded: no template stalls a topic. A panic becomes an error. A null is an error or prints nothing. It never prints
// "<no value>". A Template is safe for concurrent use.
//
// # What it does not do
//
// It does not know which text replaces a template that fails, what SNS accepts, or what a rule is. The pipeline decides
// that.
package template
