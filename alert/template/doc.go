// Package template compiles and runs the templates of messages.
//
// A [Template] is text/template with functions of its own, which know no clock, no environment and no I/O. [Compile]
// finds what text/template leaves to the moment of execution: names that no message has, labels that the rule lacks,
// time zones that do not exist. [Template.Execute] makes the text for one message.
//
// # What it guarantees
//
// The same data give the same text. A template pays for what it does from the budget of its message, and ends when that
// is exceeded: no template stalls a topic. A panic becomes an error. null prints as an error or as nothing, never as
// "<no value>". A Template is safe for concurrent use.
//
// # What it does not do
//
// It does not know which words stand in for a template that fails, what SNS accepts, or what a rule is. The pipeline
// decides that.
package template
