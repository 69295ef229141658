package schema

import (
	"bytes"
	_ "embed" // the schema
)

// FileName is what the schema is called in releases and beside a configuration.
const FileName = "kinesis-alerter.schema.json"

//go:embed kinesis-alerter.schema.json
var file []byte

// JSON is the schema.
func JSON() []byte { return bytes.Clone(file) }
