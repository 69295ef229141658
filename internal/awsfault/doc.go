// Package awsfault is the dictionary of AWS error codes: what a code means, and what an operator does about it.
//
// # What it guarantees
//
// [Of] gives every code one [Kind], whichever service sent it and whether it ends in "Exception" or not. [Kind.Remedy]
// has one remedy for each Kind, in words that fit the resource. So the log, the page and a command agree on a fault.
//
// # What it does not promise
//
// It does not say whether to retry: a caller knows its message and its destination. Codes that mean something else
// from each service (InvalidParameter of SNS is often a message's fault, ValidationException of DynamoDB is the
// table's) have the Kind Other.
//
// Sources: the common errors and the error lists of the Kinesis, DynamoDB, SNS and SQS API references, "Error
// responses" of the S3 API reference, and the throttling codes of the SDK's aws/retry.
package awsfault
