package config

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// LenientJSON reads what encoding/json takes for valid.
func LenientJSON(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true))
}
