// Package cmd is the composition root: the command line, the configuration file, the wiring of the daemon, its admin
// server and the order in which it stops. It is a package, and not a main, because two programs need it: the daemon
// (cmd/kinesis-alerter) and the demo (cmd/demo), which runs the same daemon in its own process against the emulator.
//
// What it guarantees:
//
//   - A configuration is checked completely before anything starts; every fault is reported at once, with file, line,
//     column, field, value and rule, and the process ends with exit code 2.
//   - The daemon ends with exit code 0 only if every record that was read was resolved and committed. A stop is a list
//     of named steps, run last-started-first, each with its share of the stop budget. A step that overruns is
//     abandoned and named in the error, the rest still runs, and the exit code is 1.
//   - An AWS outage, a missing topic or a missing permission never ends the process (unless --fail-fast was given) and
//     never takes readiness away; it is said in the log, once per change, and in the metrics.
//   - The tools around rules (rules test, rules backtest, explain, check --sample) use the pipeline, the renderer and the
//     limits that the daemon uses. They publish nothing and change nothing; explain and rules backtest alone read from AWS,
//     the records that they were asked about.
//   - The status page, its text and /api/v1/status are one snapshot, made from memory. A page view calls nobody and changes
//     nothing, and what is wrong is a function of the snapshot. No payload is on it, and what ${VAR} gave is shown as ${VAR}.
//   - Nothing outside the process decides silently: regions, credentials and endpoints come from the AWS SDK's own
//     environment variables and profiles, everything else from the one configuration file (or the environment variable that
//     stands in for it).
//
// The states of a daemon:
//
//	starting ──table reached──▶ ready ──stop──▶ draining ──drained, committed, released──▶ stopped (exit 0)
//	    └──────────stop──────────────────────▶    └──budget spent──▶ abandoned (exit 1)
//
// What it does not promise: that a second signal loses nothing. It ends the process at once; what was published but
// not yet committed is repeated by the next owner of the shard, with the same alert ids.
package daemon
