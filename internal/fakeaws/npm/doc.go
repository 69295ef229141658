// Package npm starts the emulators against which fakeaws is qualified: kinesis-local (Kinesis), dynalite (DynamoDB) and
// fauxqs (SNS, SQS and S3), and moto for calls of several accounts. It is test infrastructure for the conformance suite
// and the end-to-end test.
//
// # What it guarantees
//
// A server is a child process that listens on 127.0.0.1 only, on a port that the kernel chose. It has answered before
// the caller sees it. It is killed, with its process group, when the test ends. If the test process dies, the kernel
// kills it. If the test failed, its output is in the test's output. The versions are those of
// internal/tools/package-lock.json and internal/tools/moto.txt.
//
// # What it does not promise
//
// An installation. `make npm-emulators` runs npm ci, and `make moto` pip. Without it a test fails and says so, because
// a skipped test would look like a passed one.
package npm
