// Package fakeaws emulates the Kinesis, DynamoDB, SNS, SQS and S3 calls that the daemon makes, on the wire, and
// those that people make to try it.
//
// It has two doors. AWS is an http.RoundTripper: SDK clients inside a testing/synctest bubble talk to it without a
// socket and in virtual time. It is also an http.Handler: the demo and tests with real processes reach it on loopback.
// Both doors run the same code.
//
// # What it guarantees
//
// The operations listed in each service's file have the semantics, limits and validation rules of AWS' documentation.
// One conformance suite passes here and on the npm emulators; it lists each difference with its reason. Faults are
// injected per operation, before or after the effect.
//
// Each service has one mutex, never held while waiting. Time is time.Now, so it is the bubble's inside one.
//
// # What it does not promise
//
// It has no IAM, checks no signatures, and is not as fast as AWS. An operation that is not listed is answered with
// UnknownOperationException.
package fakeaws
