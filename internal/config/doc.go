// Package config turns a file into a Config.
//
// What it guarantees:
//
//   - A configuration is checked completely before anything starts. Every fault is reported at once, with file, line,
//     column, field, value and rule.
//   - A file costs what its size allows. It is read up to a limit, measured before it is decoded, and aliases count as
//     often as they are used.
//   - The value of ${VAR} is in no error and in nothing that is shown.
//   - A Config that is printed is a configuration with the same meaning.
//
// The path of a value: Load reads and decodes the file, WithDefaults fills in what is missing, Validate checks each
// part, Parts hands each package the configuration of its own. Changes says what differs between two of them, and what
// needs a restart.
//
// What it does not promise: that a rule can match, or that a topic exists. Doubts names what is valid and cannot be
// meant; AWS is asked by the daemon.
package config
