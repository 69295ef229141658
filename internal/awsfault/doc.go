// Package awsfault is the dictionary of AWS error codes: what a code means, and what an operator does about it.
//
// # What it guarantees
//
// [Of] gives every code one [Kind], from any service, with and without "Exception" at its end. [Kind.Remedy] has one
// remedy for each Kind, in words that fit the [Resource]. So the log, the page and a command agree on a fault. The
// resources of the program, such as [Topic], are here too.
//
// # What it does not promise
//
// It does not say whether to retry: a caller knows its message and its destination. Codes that mean something else
// from each service have the Kind Other. InvalidParameter of SNS is often a message's fault; ValidationException of
// DynamoDB is the table's.
//
// # Sources
//
// The common errors and the error lists of the Kinesis, DynamoDB, SNS and SQS API references. "Error responses" of the
// S3 API reference. The throttling codes of the SDK's aws/retry.
package awsfault
