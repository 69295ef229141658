// Package npm starts the emulators that fakeaws is qualified against: kinesis-local (Kinesis), dynalite (DynamoDB) and
// fauxqs (SNS, SQS and S3). It is test infrastructure for the conformance suite and the end-to-end test.
//
// What it promises: a server is a child process that listens on 127.0.0.1 only, on a port that the kernel chose; it has
// answered before the caller sees it; it is killed, with its process group, when the test ends, or by the kernel when
// the test process dies; what it printed is in the test's output when the test failed. The versions are those of
// internal/tools/package-lock.json.
//
// What it does not promise: an installation. `make emulators` runs npm ci; without it a test fails and says so, because
// a skipped test would look like a passed one.
package npm
