// Package daemon runs the daemon: it builds the parts from a configuration, serves the admin pages, reloads rules, and
// stops everything in order.
//
// What it guarantees:
//
//   - Run returns nil only if every record that was read has its outcome and its progress is stored. A stop is a list
//     of named steps. The step that started last runs first, each within its share of the stop budget. A step that
//     overruns is abandoned and named in the error; the rest still runs.
//   - An outage of AWS, a missing topic or a missing permission never ends the process, unless Options.FailFast is set.
//     It does not take readiness away. The log names it once per change; metrics and the status page name it while it
//     lasts.
//   - A reload changes everything or nothing. While it fails, the active configuration stays.
//   - Regions, credentials and endpoints come from the AWS SDK's environment variables and profiles. Everything else
//     comes from the configuration.
//
// The states of a daemon:
//
//	starting ──table reached──▶ ready ──stop──▶ draining ──drained, committed, released──▶ stopped
//	    └──────────stop──────────────────────▶    └──budget spent──▶ abandoned
//
// What it does not promise: that a second signal loses nothing. It ends the process at once. What was published but not
// yet committed is repeated by the next owner of the shard, with the same alert ids.
package daemon
