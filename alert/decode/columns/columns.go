package columns

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"kinesis-alerter/alert/payload"
)

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
	// The member that holds the text. The columns take its place; the other members stay beside them, but for those
	// with the name of a column.
	From string `yaml:"from" unset:"the whole record"`
	// What stands between two columns: one character, or `tab`.
	Separator string `yaml:"separator" default:","`
	// The names of the columns. Hyphens become underscores.
	Columns []string `yaml:"columns"`
	// Whether the first line names the columns.
	Header bool `yaml:"header" default:"false"`
	// Columns that stay texts; what looks like a number in any other is one.
	Text []string `yaml:"text"`
}

// tab is how a configuration writes that separator.
const tab = "tab"

// SeparatorText is what stands between two columns.
func (c *Config) SeparatorText() string {
	switch c.Separator {
	case "":
		return ","
	case tab:
		return "\t"
	}
	return c.Separator
}

// maxColumns is how many columns a text may have. Each takes tens of bytes, whatever is in it.
const maxColumns = 10_000

// Compile makes a reader, or says what is wrong, and with which field.
func (c *Config) Compile() (r *Reader, field string, err error) {
	r = &Reader{as: c.As, from: c.From, separator: []byte(c.SeparatorText())}
	csv, logfmt := c.As == AsCSV, c.As == AsLogfmt
	separator, size := utf8.DecodeRuneInString(c.SeparatorText())
	switch {
	case c.From != "" && c.As == AsJSON:
		return nil, ".from", errors.New("cannot be given for json: `nested` reads the JSON text of a member")
	case c.Separator != "" && !csv:
		return nil, ".separator", errors.New("can be given for csv only")
	case size != len(r.separator) || separator == utf8.RuneError || strings.ContainsRune("\"\r\n", separator):
		return nil, ".separator", errors.New("must be one character, but no quote or newline, or tab")
	case len(c.Columns) > 0 && !csv:
		return nil, ".columns", errors.New("can be given for csv only")
	case c.Header && !csv:
		return nil, ".header", errors.New("can be given for csv only")
	case c.Header && c.From != "":
		return nil, ".header", errors.New("cannot be given with from: name the columns")
	case c.Header && len(c.Columns) > 0:
		return nil, ".columns", errors.New("cannot be given with header: true, where the first line names them")
	case csv && !c.Header && len(c.Columns) == 0:
		return nil, ".columns", errors.New("must name the columns, or header: true must say that the first line does")
	case len(c.Text) > 0 && !csv && !logfmt:
		return nil, ".text", errors.New("can be given for csv and logfmt only")
	}
	names := make([]string, len(c.Columns))
	for i, name := range c.Columns {
		names[i] = underscored(name)
	}
	if problem := wrongNames(names); problem != "" {
		return nil, ".columns", errors.New(problem)
	}
	for _, name := range c.Text {
		name = underscored(name)
		if len(names) > 0 && !slices.Contains(names, name) {
			return nil, ".text", fmt.Errorf("names %q, which is none of the columns", name)
		}
		r.texts = append(r.texts, name)
	}
	if len(names) > 0 {
		r.columns = payload.NewNames(names...)
	}
	return r, "", nil
}

// underscored is a name as rules have it: a hyphen would be a minus.
func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

// wrongNames says why names cannot be those of columns; it is empty where they can.
func wrongNames(names []string) string {
	if len(names) > maxColumns {
		return fmt.Sprintf("%d names, and %d is the most", len(names), maxColumns)
	}
	if i := slices.Index(names, ""); i >= 0 {
		return fmt.Sprintf("column %d has no name", i+1)
	}
	if name, ok := repeated(names); ok {
		return fmt.Sprintf("%q names two columns", name)
	}
	return ""
}

// repeated finds a name that is there twice.
func repeated(names []string) (name string, ok bool) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return name, true
		}
		seen[name] = true
	}
	return "", false
}
