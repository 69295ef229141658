package payload

// Defect is why a payload is no readable record. It is one of a closed set, fit for a metric label.
type Defect string

// The defects. A payload has the first one that is found.
const (
	// Empty is a payload of no bytes or only white space, where an object was expected.
	Empty Defect = "empty"
	// NotJSON is a payload that breaks JSON's grammar in a way that no other reason names.
	NotJSON Defect = "not_json"
	// Truncated is a payload that ends in the middle of a document.
	Truncated Defect = "truncated"
	// TrailingData is a second value, or anything but white space, behind the object.
	TrailingData Defect = "trailing_data"
	// NotObject is valid JSON whose top level is an array, a string, a number, a boolean or null.
	NotObject Defect = "not_object"
	// InvalidUTF8 is a payload with bytes that are no UTF-8.
	InvalidUTF8 Defect = "invalid_utf8"
	// LoneSurrogate is a string with half of a surrogate pair, which stands for no character.
	LoneSurrogate Defect = "lone_surrogate"
	// DuplicateKey is an object with one name twice, where decoders disagree on which value counts.
	DuplicateKey Defect = "duplicate_key"
	// NonFinite is NaN or an infinity, which JSON cannot express.
	NonFinite Defect = "non_finite"
	// NumberRange is a referenced number beyond float64, like 1e400.
	NumberRange Defect = "number_range"
	// TooDeep is a document nested below 10,000 levels.
	TooDeep Defect = "too_deep"
	// TooLarge is a payload above MaxRecordBytes.
	TooLarge Defect = "too_large"
	// BadAggregate is a KPL aggregate that could not be taken apart; see Poison.
	BadAggregate Defect = "bad_aggregate"
	// BadCompression is a payload that cannot be unpacked as `input` says.
	BadCompression Defect = "bad_compression"
	// BadEncoding is a payload that is not in the encoding that `input` says.
	BadEncoding Defect = "bad_encoding"
	// BadEnvelope is a payload that is not the envelope that `input` says, or has no array where `input` splits one.
	BadEnvelope Defect = "bad_envelope"
	// BadColumns is text that does not have the columns that `input` says.
	BadColumns Defect = "bad_columns"
	// UnpackLimit is a record that is more than `input_limits` allow once it is unpacked.
	UnpackLimit Defect = "unpack_limit"
)

// MaxRecordBytes is the largest payload that is evaluated: 10 MiB, which is the largest record that Kinesis accepts.
const MaxRecordBytes = 10 << 20

// Defects are the closed set, in the order of the documentation.
func Defects() []Defect {
	return []Defect{
		Empty, NotJSON, Truncated, TrailingData, NotObject, InvalidUTF8,
		LoneSurrogate, DuplicateKey, NonFinite, NumberRange, TooDeep, TooLarge, BadAggregate,
		BadCompression, BadEncoding, BadEnvelope, BadColumns, UnpackLimit,
	}
}
