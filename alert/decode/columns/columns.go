package columns

import "kinesis-alerter/alert/payload"

// What a text is read as.
const (
	AsJSON   = "json"
	AsText   = "text"
	AsCSV    = "csv"
	AsLogfmt = "logfmt"
)

// Config is how a text is read into members.
type Config struct {
	// `json`, `text`, `csv` or `logfmt`.
	As string `yaml:"as"`
	// The member that holds the text; the other members stay beside the columns, which win over members of their name.
	From string `yaml:"from" unset:"the whole record"`
	// What stands between two columns: one character, or `tab`.
	Separator string `yaml:"separator" default:","`
	// The names of the columns.
	Columns []string `yaml:"columns"`
	// Whether the first line names the columns.
	Header bool `yaml:"header" default:"false"`
	// Columns that stay texts; what looks like a number in any other is one.
	Text []string `yaml:"text"`
}

// Reader reads texts as a Config says.
type Reader struct{}

// Compile makes a reader, or says what is wrong, and with which field.
func (c *Config) Compile() (r *Reader, field string, err error) { return &Reader{}, "", nil }

// Header reads the line that names the columns.
func (r *Reader) Header(line []byte) (*payload.Names, *payload.Fault) { return nil, nil }

// Read reads a record, which is a text or JSON in data or, if that is nil, a row. It gives the text, or fills out, whose
// cells it uses again; out is not in. header is nil where the configuration names the columns.
func (r *Reader) Read(data []byte, in *payload.Row, header *payload.Names, out *payload.Row) (
	text []byte, fault *payload.Fault,
) {
	return data, nil
}
