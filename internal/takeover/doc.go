// Package takeover turns Lambda event source mappings and EventBridge pipes into configurations, and names each setting
// that has no equivalent. It reads the answers of AWS, templates of CloudFormation and SAM, and Terraform's JSON.
//
// What it guarantees: no field of a mapping is dropped silently. What it writes is a configuration that config
// loads, but for values that the file does not have: they have placeholders, which check refuses.
//
// What it does not promise: to read the function's code. Rules are the operator's to write.
package takeover
