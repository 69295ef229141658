// Package cli holds the commands: their flags, what they print, and their exit codes. A file for each
// command, with the function that makes it and all of its flags; tree.go puts them together and finds the one that a
// command line names.
//
// What it guarantees:
//
//   - Exit codes: 0 for success, 1 for a failure, 2 for wrong usage or a wrong configuration.
//   - Every error names what is wrong, where, and what to do. Text from outside cannot steer the terminal.
//   - A command that changes something shows the change first and asks, unless --yes is given.
//
// What it does not promise: the layout of text output. Programs use --json.
package cli
