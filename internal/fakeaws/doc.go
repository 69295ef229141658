// Package fakeaws emulates the Kinesis, DynamoDB, SNS, SQS and S3 calls that the daemon makes, on the wire.
//
// It has two doors. AWS is an http.RoundTripper, so that SDK clients inside a testing/synctest bubble talk to it
// without a socket and in virtual time; and it is an http.Handler, so that the demo and tests with real processes
// reach it on loopback. Both doors run the same code.
//
// What it promises: the semantics, limits and validation rules of AWS' documentation for the operations listed in
// each service's file, so that one conformance suite passes here and on the npm emulators (a difference is listed
// with its reason in the suite). Faults are injected per operation, before or after the effect.
//
// What it does not promise: performance of AWS, IAM, signatures (they are not checked), or any operation that is not
// listed; an unknown operation is answered with UnknownOperationException.
//
// Locks: each service has one mutex, never held while waiting. Time is time.Now, so it is the bubble's inside one.
package fakeaws
