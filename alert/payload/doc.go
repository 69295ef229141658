// Package payload names what is wrong with the bytes of a record.
//
// A [Defect] is why a payload cannot be read. [Likely] is what the bytes look like: gzip, Avro, several documents in
// one record. Both are closed sets, fit for metric labels. [LikelyCause] looks at the first few KiB, and only of bad
// records. It is a guess for people, and decides nothing.
package payload
