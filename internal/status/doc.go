// Package status is the model of what a worker knows about itself, its shards and the other workers, and its three
// renderings: a page for people, text for terminals, JSON for programs.
//
// What it guarantees:
//
//   - A Status is one snapshot, made from memory. Rendering it calls no service and changes nothing.
//   - What is wrong is a function of the snapshot: Problems. Each problem is one entry of the catalog, in the file of
//     its subject. The entry has its code, thresholds and remedy, what explains it, and how to find it. Every code is
//     also a metric, a log line and a section of deploy/runbooks/problems.md.
//   - No record's payload is in it. Text from outside is escaped in each rendering.
//   - JSON names are stable.
//
// What it does not promise: that peers are as their last heartbeat said. How long ago that was is in the model.
package status
