package payload

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Likely is what a record that cannot be read probably is, judged by its bytes. It is one of a closed set, fit for a
// metric label. Where the bytes say no more than the Defect does, it is the Defect.
type Likely string

// What the bytes of an unreadable record can look like.
const (
	LikelyGzip          Likely = "gzip"
	LikelyZlib          Likely = "zlib"
	LikelyDeflate       Likely = "deflate"
	LikelyZstd          Likely = "zstd"
	LikelyBzip2         Likely = "bzip2"
	LikelyXZ            Likely = "xz"
	LikelyLZ4           Likely = "lz4"
	LikelySnappy        Likely = "snappy"
	LikelyZip           Likely = "zip"
	LikelyAggregate     Likely = "kpl_aggregate"
	LikelyAvro          Likely = "avro"
	LikelyGlue          Likely = "glue"
	LikelyConfluent     Likely = "confluent"
	LikelyParquet       Likely = "parquet"
	LikelyUTF8Mark      Likely = "utf8_mark"
	LikelyUTF16         Likely = "utf16"
	LikelyUTF32         Likely = "utf32"
	LikelyJSONLines     Likely = "json_lines"
	LikelyConcatenated  Likely = "json_concatenated"
	LikelyJSONArray     Likely = "json_array"
	LikelyJSONText      Likely = "json_text"
	LikelyEscapedJSON   Likely = "json_escaped"
	LikelyPython        Likely = "python"
	LikelyBase64        Likely = "base64"
	LikelyXML           Likely = "xml"
	LikelyCSV           Likely = "csv"
	LikelyLogfmt        Likely = "logfmt"
	LikelyText          Likely = "text"
	LikelyOtherEncoding Likely = "other_encoding"
	LikelyBinary        Likely = "binary"
)

// Likelies is the closed set.
func Likelies() []Likely {
	out := []Likely{
		LikelyGzip, LikelyZlib, LikelyDeflate, LikelyZstd, LikelyBzip2, LikelyXZ, LikelyLZ4, LikelySnappy, LikelyZip,
		LikelyAggregate,
		LikelyAvro, LikelyGlue, LikelyConfluent, LikelyParquet, LikelyUTF8Mark, LikelyUTF16, LikelyUTF32,
		LikelyJSONLines,
		LikelyConcatenated, LikelyJSONArray, LikelyJSONText, LikelyEscapedJSON, LikelyPython, LikelyBase64, LikelyXML,
		LikelyCSV,
		LikelyLogfmt, LikelyText, LikelyOtherEncoding, LikelyBinary,
	}
	for _, d := range Defects() {
		if d != BadAggregate {
			out = append(out, Likely(d))
		}
	}
	return out
}

// Words are what a person calls it, after "looks like".
func (l Likely) Words() string {
	switch l {
	case LikelyGzip, LikelyZlib, LikelyZstd, LikelyBzip2, LikelyXZ, LikelySnappy:
		return string(l) + " data"
	case LikelyDeflate:
		return "raw deflate data"
	case LikelyLZ4:
		return "LZ4 data"
	case LikelyZip:
		return "a ZIP archive"
	case LikelyAggregate:
		return "a broken KPL aggregate"
	case LikelyAvro:
		return "an Avro file"
	case LikelyGlue:
		return "a record of the AWS Glue Schema Registry"
	case LikelyConfluent:
		return "a record of the Confluent Schema Registry"
	case LikelyParquet:
		return "a Parquet file"
	case LikelyUTF8Mark:
		return "JSON behind a UTF-8 byte order mark"
	case LikelyUTF16:
		return "UTF-16 text"
	case LikelyUTF32:
		return "UTF-32 text"
	case LikelyJSONLines:
		return "several JSON records joined by newlines"
	case LikelyConcatenated:
		return "concatenated JSON records"
	case LikelyJSONArray:
		return "a JSON array"
	case LikelyJSONText:
		return "JSON inside a JSON text (encoded twice)"
	case LikelyEscapedJSON:
		return "escaped JSON, such as Fluent Bit's log_key makes"
	case LikelyPython:
		return "a Python dict printed as text"
	case LikelyBase64:
		return "base64 text"
	case LikelyXML:
		return "XML"
	case LikelyCSV:
		return "CSV text"
	case LikelyLogfmt:
		return "logfmt text"
	case LikelyText:
		return "plain text"
	case LikelyOtherEncoding:
		return "text in another encoding than UTF-8, such as Latin-1"
	case LikelyBinary:
		return "binary data"
	}
	return Defect(l).words()
}

// words are the words for a defect that the bytes say no more about.
func (d Defect) words() string {
	switch d { //nolint:exhaustive // the others are not about the bytes
	case Empty:
		return "an empty record"
	case Truncated:
		return "JSON that was cut off"
	case TrailingData:
		return "JSON with something behind it"
	case NotObject:
		return "a JSON value that is no object"
	case InvalidUTF8:
		return "bytes that are no UTF-8"
	case LoneSurrogate:
		return "JSON with half a surrogate pair"
	case DuplicateKey:
		return "JSON with a name twice"
	case NonFinite:
		return "JSON with NaN or Infinity"
	case NumberRange:
		return "JSON with a number that is out of range"
	case TooDeep:
		return "JSON that is nested too deep"
	case TooLarge:
		return "a record that is too large"
	case BadCompression:
		return "data that cannot be unpacked as input says"
	case BadEncoding:
		return "data that is not encoded as input says"
	case BadEnvelope:
		return "a record that does not have the envelope or the array of input"
	case BadColumns:
		return "text that does not have the columns of input"
	case UnpackLimit:
		return "a record that unpacks to more than input_limits allow"
	}
	return "broken JSON"
}

// Remedy is what to do about records that look like it: without having tried it, see Hint.
func (l Likely) Remedy() string {
	switch l { //nolint:exhaustive // the others have the remedy below
	case LikelyText, LikelyXML:
		return "format: text lets conditions look at such records as data; " +
			"or let the producer write one JSON object a record"
	case LikelyCSV:
		return "`input: [{parse: {as: csv, columns: [...]}}]` reads it once it names the columns; " +
			"format: text lets conditions look at such records as data"
	case LikelyLogfmt:
		return "`input: [{parse: {as: logfmt}}]` reads one line a record"
	case LikelyAggregate:
		return "look at the producer: KPL aggregates that arrive whole are taken apart by themselves"
	case LikelyGzip, LikelyZlib, LikelyZstd, LikelyLZ4:
		return "`input: [{decompress: auto}]` unpacks it; add steps for what is inside"
	case LikelySnappy:
		return "`input: [{decompress: snappy}]` unpacks it with a frame, and {decompress: snappy_block} without one; " +
			"add steps for what is inside"
	case LikelyDeflate:
		return "`input: [{decompress: deflate}]` unpacks it; add steps for what is inside"
	case LikelyBzip2, LikelyXZ, LikelyZip:
		return "no input reads it: let the producer compress with gzip or zstd, or not at all"
	case LikelyAvro, LikelyGlue, LikelyConfluent, LikelyParquet:
		return "no input reads it: let the producer write JSON without a schema registry, " +
			"or convert the records on the way, such as with a Lambda function"
	case LikelyJSONLines:
		return "`input: [{split: lines}]` makes a record of each line"
	case LikelyConcatenated:
		return "`input: [{split: concatenated}]` makes a record of each object"
	case LikelyJSONArray:
		return "`input: [{split: array}]` makes a record of each element"
	case LikelyJSONText, LikelyEscapedJSON:
		return "`input: [{decode: json_string}]` takes the text off"
	case LikelyBase64:
		return "`input: [{decode: base64}]` decodes it; add steps for what is inside"
	case LikelyUTF16:
		return "`input: [{decode: utf-16}]` decodes it; without a byte order mark, utf-16le or utf-16be does"
	case LikelyOtherEncoding, Likely(InvalidUTF8):
		return "let the producer write UTF-8, or name its character set, such as `input: [{decode: windows-1252}]`"
	case LikelyUTF8Mark:
		return "the mark is taken off; look at what is behind it"
	case LikelyUTF32:
		return "let the producer write UTF-8"
	case LikelyPython:
		return "let the producer write json.dumps(record) in place of str(record)"
	case Likely(BadCompression), Likely(BadEncoding), Likely(BadEnvelope), Likely(BadColumns), Likely(UnpackLimit):
		return "kinesis-alerter explain says which step of input fails on which byte; " +
			"dead_letter.invalid keeps such records to look at"
	case Likely(NonFinite):
		return "`input: [{tolerate: [non_finite]}]` reads such numbers as null"
	case Likely(DuplicateKey):
		return "`input: [{tolerate: [duplicate_names]}]` takes the last of the members with one name"
	}
	return "let the producer write one JSON object a record; dead_letter.invalid keeps such records to look at"
}

// lookAt is how much of a payload is looked at to find its format.
const lookAt = 4 << 10

// signature is how a format begins.
type signature struct {
	begins string
	is     Likely
}

// signatures are tried in this order.
func signatures() []signature {
	return []signature{
		{"\x1f\x8b", LikelyGzip},
		{"\x28\xb5\x2f\xfd", LikelyZstd},
		{"BZh", LikelyBzip2},
		{"\xfd7zXZ\x00", LikelyXZ},
		{"\x04\x22\x4d\x18", LikelyLZ4},
		{"\x02\x21\x4c\x18", LikelyLZ4},
		{"\xff\x06\x00\x00sNaPpY", LikelySnappy},
		{"\x82SNAPPY\x00", LikelySnappy},
		{"PK\x03\x04", LikelyZip},
		{aggregateMagic, LikelyAggregate},
		{"Obj\x01", LikelyAvro},
		{"PAR1", LikelyParquet},
		{"\xff\xfe\x00\x00", LikelyUTF32},
		{"\x00\x00\xfe\xff", LikelyUTF32},
		{"\xff\xfe", LikelyUTF16},
		{"\xfe\xff", LikelyUTF16},
		{"\xef\xbb\xbf", LikelyUTF8Mark},
	}
}

// aggregateMagic is how a KPL aggregate begins.
const aggregateMagic = "\xf3\x89\x9a\xc2"

// LikelyCause says what a record probably is that cannot be read for that reason. It looks at the first few KiB, and
// runs for bad records only. Without deep it leaves out what costs more than a look.
func LikelyCause(data []byte, defect Defect, deep bool) Likely {
	switch defect { //nolint:exhaustive // the bytes say more about the others
	case BadAggregate:
		return LikelyAggregate
	case TooLarge, Empty, BadCompression, BadEncoding, BadEnvelope, BadColumns, UnpackLimit:
		return Likely(defect)
	}
	head := data[:min(len(data), lookAt)]
	if l := byHeader(head); l != "" {
		return l
	}
	plain, valid := readableText(head)
	if !plain {
		return byBinary(head, defect, valid, deep)
	}
	return byText(head, data, defect)
}

// SureCause is LikelyCause for one record that is looked at by itself: it does without the kinds that have no beginning
// of their own, which many records together may show, and one does not.
func SureCause(data []byte, defect Defect) Likely {
	l := LikelyCause(data, defect, true)
	if l == LikelyDeflate || l == LikelySnappy && byHeader(data) != l {
		return LikelyBinary
	}
	return l
}

// byHeader recognises formats that begin with bytes of their own. It returns nothing where there are none.
func byHeader(head []byte) Likely {
	for _, s := range signatures() {
		if bytes.HasPrefix(head, []byte(s.begins)) &&
			(s.is != LikelyBzip2 || len(head) > 3 && head[3] >= '1' && head[3] <= '9') {
			return s.is
		}
	}
	const uuid, schema = 16, 4
	switch {
	case len(head) < 4:
		return ""
	case binary.LittleEndian.Uint32(head)&^0xf == 0x184d2a50: // a skippable frame
		return LikelyZstd
	case ascii(head[0]) && head[1] == 0 && ascii(head[2]) && head[3] == 0, head[0] == 0 && ascii(head[1]) &&
		head[2] == 0 && ascii(head[3]):
		return LikelyUTF16
	case head[0] == 3 && (head[1] == 0 || head[1] == 5) && len(head) >= 2+uuid:
		return LikelyGlue
	case head[0] == 0 && head[1] == 0 && len(head) > 1+schema: // ids count up from 1
		return LikelyConfluent
	}
	return ""
}

func ascii(c byte) bool {
	return c >= ' ' && c < utf8.RuneSelf-1 || c == '\n' || c == '\r' || c == '\t'
}

// readableText says whether the beginning of a payload is text that a person can read, and whether it is UTF-8.
func readableText(head []byte) (plain, valid bool) {
	plain, valid = true, true
	for i := 0; i < len(head); {
		r, size := utf8.DecodeRune(head[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			if len(head) == lookAt && len(head)-i < utf8.UTFMax { // cut by us
				return plain, valid
			}
			return false, false
		case r < ' ' && !strings.ContainsRune("\t\n\v\f\r\x1b\x1e", r), r == 0x7f:
			plain = false
		}
		i += size
	}
	return plain, valid
}

// byBinary judges what is no readable text.
func byBinary(head []byte, defect Defect, valid, deep bool) Likely {
	if len(head) > 2 && head[0]&0xf == 8 && head[0]>>4 <= 7 && binary.BigEndian.Uint16(head)%31 == 0 {
		return LikelyZlib
	}
	if deep && snappyBlock(head) {
		return LikelySnappy
	}
	first := firstByte(head)
	if first == '{' || first == '[' || first == '"' || mostlyText(head) {
		if !valid {
			return LikelyOtherEncoding
		}
		return Likely(defect)
	}
	if deep && inflates(head) {
		return LikelyDeflate
	}
	return LikelyBinary
}

// firstByte is the first byte that is no white space; 0 if there is none.
func firstByte(data []byte) byte {
	if data = bytes.TrimLeft(data, " \t\r\n"); len(data) > 0 {
		return data[0]
	}
	return 0
}

// mostlyText says that nine bytes in ten are printable ASCII, and none is a control character.
func mostlyText(head []byte) bool {
	n := 0
	for _, c := range head {
		if c < ' ' && !ascii(c) {
			return false
		}
		if ascii(c) {
			n++
		}
	}
	return n*10 >= len(head)*9
}

// snappyBlock recognises snappy without a frame: the length, and a first literal that begins JSON.
func snappyBlock(head []byte) bool {
	const most = 10 << 20
	length, n := binary.Uvarint(head)
	if n <= 0 || length < 2 || length > most || len(head) < n+4 || head[n]&3 != 0 {
		return false
	}
	size, at := int(head[n]>>2)+1, n+1
	switch size { // of a longer literal the tag has the number of bytes that hold its length
	case 61: //nolint:mnd // of the format
		size, at = int(head[at])+1, at+1
	case 62: //nolint:mnd // of the format
		size, at = int(binary.LittleEndian.Uint16(head[at:]))+1, at+2
	}
	return uint64(size) <= length && jsonBegins(head[at:])
}

// jsonBegins says that data looks like the beginning of a JSON object or list.
func jsonBegins(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	if len(data) == 0 || data[0] != '{' && data[0] != '[' {
		return false
	}
	first := firstByte(data[1:])
	return data[0] == '{' && (first == '"' || first == '}') ||
		data[0] == '[' && strings.IndexByte(`"{[]-0123456789tfn`, first) >= 0 && first != 0
}

// inflates recognises deflate without a header: it unpacks to JSON or other text.
func inflates(head []byte) bool {
	r := flate.NewReader(bytes.NewReader(head))
	out := make([]byte, 64)
	n, err := io.ReadFull(r, out)
	if n < 8 || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	if n < len(out) { // short: it has to end well, and chance rarely makes that
		if _, err := r.Read(out[n:]); !errors.Is(err, io.EOF) {
			return false
		}
	}
	plain, _ := readableText(out[:n])
	return plain
}

// byText judges readable text.
func byText(head, data []byte, defect Defect) Likely {
	trimmed := bytes.TrimLeft(head, " \t\r\n\x1e")
	if len(trimmed) == 0 {
		return Likely(defect)
	}
	switch trimmed[0] {
	case '{':
		return byBrace(trimmed, data, defect)
	case '[':
		switch {
		case defect == NotObject:
			return LikelyJSONArray
		case !jsonBegins(trimmed) || logBrackets.Match(trimmed): // [2026-11-30] ERROR ...
			return LikelyText
		case defect == TrailingData:
			return joined(data)
		}
		return Likely(defect)
	case '"':
		if defect == NotObject {
			if inner, err := jsontext.AppendUnquote(nil, bytes.TrimSpace(data)); err == nil && jsonBegins(inner) {
				return LikelyJSONText
			}
			return Likely(defect)
		}
		if defect != TrailingData {
			return Likely(defect)
		}
	case '<': // syslog begins with a priority, as <134>
		if len(trimmed) > 1 && (trimmed[1] == '?' || trimmed[1] == '!' || trimmed[1]|0x20-'a' < 26) {
			return LikelyXML
		}
	}
	if defect == NotObject { // a number, true, false or null
		return Likely(defect)
	}
	return textFormat(trimmed)
}

// byBrace judges text that begins as an object does.
func byBrace(trimmed, data []byte, defect Defect) Likely {
	second := firstByte(trimmed[1:])
	switch {
	case defect == TrailingData:
		return joined(data)
	case second == '\'':
		return LikelyPython
	case bytes.HasPrefix(bytes.TrimLeft(trimmed[1:], " \t\r\n"), []byte(`\"`)):
		return LikelyEscapedJSON
	}
	return Likely(defect)
}

// joined says how several values follow each other.
func joined(data []byte) Likely {
	d := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	if _, err := d.ReadValue(); err != nil {
		return Likely(TrailingData)
	}
	rest := data[d.InputOffset():]
	next := bytes.TrimLeft(rest, " \t\r\n\x1e\x00")
	if len(next) == 0 || next[0] != '{' && next[0] != '[' {
		return Likely(TrailingData)
	}
	first := bytes.TrimSpace(data[:d.InputOffset()])
	if bytes.IndexByte(rest[:len(rest)-len(next)], '\n') >= 0 && bytes.IndexByte(first, '\n') < 0 {
		return LikelyJSONLines
	}
	return LikelyConcatenated
}

// textFormat judges text that does not begin as JSON does.
func textFormat(text []byte) Likely {
	if base64Text(text) {
		return LikelyBase64
	}
	line, rest, more := bytes.Cut(text, []byte("\n"))
	if pairs := logfmtPair.FindAll(line, -1); len(pairs) > 1 ||
		len(pairs) == 1 && more && logfmtPair.Match(firstLine(rest)) {
		if logfmtPair.FindIndex(line)[0] == 0 {
			return LikelyLogfmt
		}
	}
	for _, separator := range []byte(",;\t|") {
		n := bytes.Count(line, []byte{separator})
		if n >= 2 && !bytes.Contains(line, []byte{separator, ' '}) ||
			n >= 1 && more && bytes.IndexByte(firstLine(rest), separator) > 0 && separator != '|' &&
				!bytes.Contains(line, []byte{' '}) {
			return LikelyCSV
		}
	}
	return LikelyText
}

func firstLine(text []byte) []byte {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return line
}

var (
	// logfmtPair is key=value.
	logfmtPair = regexp.MustCompile(`(?:^|\s)[A-Za-z_][\w.\-/@]*=(?:"|[^\s"=]*(?:\s|$))`)
	// logBrackets is a time or a word in brackets at the beginning of a line of a log.
	logBrackets = regexp.MustCompile(`^\[\s*(?:\d{2,4}[-/:.]\d|[a-z]{2,}\s*\])`)
)

// base64Text says that text is the base64 of something that begins in a way that is known.
func base64Text(text []byte) bool {
	text = bytes.TrimSpace(text)
	const least, look = 16, 64
	if len(text) < least || slices.ContainsFunc(text, func(c byte) bool { return c == ' ' || c == '{' || c == ',' }) {
		return false
	}
	head := text[:min(len(text), look)&^3]
	encoding := base64.StdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.URLEncoding
	}
	if i := bytes.IndexByte(head, '='); i >= 0 {
		head, encoding = head[:i], encoding.WithPadding(base64.NoPadding)
	}
	out := make([]byte, encoding.DecodedLen(len(head)))
	n, err := encoding.Decode(out, head)
	if err != nil {
		return false
	}
	out = out[:n]
	return jsonBegins(out) || byHeader(out) != ""
}
