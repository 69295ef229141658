// Package emf writes lines in CloudWatch's embedded metric format: log lines from which CloudWatch Logs makes metrics.
//
// It guarantees of each line that CloudWatch takes it, that it is one line, and that it is no longer than MaxLine,
// however many topics there are. Which topics have a metric of their own depends on their names alone, so that no
// metric comes and goes; the others are summed up. Every alert is in exactly one of these.
//
// Counters are the difference to the line before. CloudWatch adds up those of all workers and minutes with the
// statistic Sum. What is a state has Maximum.
//
// It was built from AWS' page "Specification: Embedded metric format" and was not run on AWS. It knows no clock, makes
// no call and starts no goroutine.
package emf
