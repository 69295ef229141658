package unpack

import "kinesis-alerter/alert/payload"

// Kind is a compression.
type Kind string

// Auto is the compression that the magic number names.
const Auto Kind = "auto"

// Unpacker unpacks compressed bytes.
type Unpacker struct{}

// Append unpacks src behind dst, into at most limit bytes more. packed is false under Auto for bytes without a magic
// number; dst is then as it was. The fault of a breach of the limit has payload.UnpackLimit.
func (u *Unpacker) Append(dst []byte, kind Kind, src []byte, limit int) (out []byte, packed bool, fault *payload.Fault) {
	return dst, false, nil
}

// Known reports whether there is such a compression.
func Known(kind Kind) bool { return kind == Auto }

// Kinds are the compressions, in the order of the documentation.
func Kinds() []string { return []string{string(Auto)} }

// Encoding is how text was made into bytes: base64 or a character set.
type Encoding struct{}

// FindEncoding finds an encoding by its name.
func FindEncoding(name string) (e *Encoding, ok bool) { return nil, false }

// Append decodes src behind dst, into at most limit bytes more.
func (e *Encoding) Append(dst, src []byte, limit int) ([]byte, *payload.Fault) { return dst, nil }
