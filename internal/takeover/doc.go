// Package takeover turns a Lambda event source mapping into a configuration, and names each setting that has no
// equivalent.
//
// What it guarantees: no field of a mapping is dropped silently. What it writes is a configuration that config loads.
//
// What it does not promise: to read the function's code. Rules are the operator's to write.
package takeover
