package system

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"kinesis-alerter/internal/fakeaws"
)

// hostileChange is one way in which an answer goes wrong. It is data, so that it can be handed to another process.
type hostileChange struct {
	// How is the kind: one of hostileBodies, for the whole answer, or one of those of hostileMember.
	How string `json:"how"`
	// Path names the members that it is about, every place of a list as "*"; empty for the whole answer.
	Path string `json:"path,omitempty"`
	// Value is what the members become, or the whole body.
	Value json.RawMessage `json:"value,omitempty"`
}

func (c hostileChange) String() string {
	s := c.How
	if c.Path != "" {
		s = c.Path + " " + c.How
	}
	if c.Path != "" && len(c.Value) > 0 {
		s += fmt.Sprintf(" %.40s", c.Value)
		if len(c.Value) > 40 {
			s += fmt.Sprintf("… (%d)", len(c.Value))
		}
	}
	return s
}

// The kinds of changes of one member.
const (
	memberMissing = "missing"
	memberNull    = "null"
	memberType    = "of another type"
	memberRange   = "out of range"
	memberBytes   = "not UTF-8"
	memberOther   = "has another value" // of its type
	memberPresent = "present"           // where it is not
	nullAppended  = "has a null at its end"
	nullFirst     = "has a null at its beginning"
	elementGone   = "lacks its first element"
)

// Stand-ins for what no JSON encoder writes.
const (
	rawNaN   = "hostile:NaN"
	rawBytes = "hostile:bytes"
)

const hostilePage = "<html><body><h1>Please sign in</h1></body></html>"

// hostileLength is how much an endless body has: more than any bound, and no more than a machine has that believes it.
const hostileLength = 48 << 20

// errHostileReset cuts a connection.
var errHostileReset = errors.New("read: connection reset by peer")

// hostileBodies are the ways in which a whole answer goes wrong.
func hostileBodies() map[string]func(*fakeaws.Answer) {
	body := func(text string) func(*fakeaws.Answer) { return func(a *fakeaws.Answer) { a.Body = []byte(text) } }
	status := func(status int, text string) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) { a.Status, a.Body = status, []byte(text) }
	}
	page := func(status int) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) {
			a.Status, a.Body = status, []byte(hostilePage)
			a.Header.Set("Content-Type", "text/html")
		}
	}
	endless := func(begin func(*fakeaws.Answer) []byte, on string) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) {
			a.Body, a.Rest = begin(a), &repeatedBody{chunk: []byte(on), left: hostileLength}
		}
	}
	cut := func(err error) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) {
			a.Length, a.Body, a.Rest = int64(len(a.Body)), a.Body[:len(a.Body)/2], failingBody{err}
		}
	}
	redirect := func(status int) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) {
			a.Status = status
			a.Header.Set("Location", "http://"+hostileElsewhere+"/")
		}
	}
	header := func(name, value string) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) {
			if value == "" {
				a.Header.Del(name)
			} else {
				a.Header.Set(name, value)
			}
		}
	}
	return map[string]func(*fakeaws.Answer){
		"empty body":          body(""),
		"an empty object":     body("{}"),
		"null as body":        body("null"),
		"a list as body":      body("[]"),
		"a text as body":      body(`"text"`),
		"bytes as body":       body("\xff\xfe\x00\x80"),
		"an empty element":    body("<a/>"),
		"HTML with 200":       page(http.StatusOK),
		"HTML with 503":       page(http.StatusServiceUnavailable),
		"HTML with 403":       page(http.StatusForbidden),
		"no content with 204": status(http.StatusNoContent, ""),
		"empty body with 400": status(http.StatusBadRequest, ""),
		"empty body with 500": status(http.StatusInternalServerError, ""),
		"object with 400":     status(http.StatusBadRequest, "{}"),
		"null with 400":       status(http.StatusBadRequest, "null"),
		"code of bytes":       status(http.StatusBadRequest, "{\"__type\":\"\xff\xfe\x80\",\"message\":\"\xc3\x28\"}"),
		"XML code of bytes": status(http.StatusBadRequest,
			"<ErrorResponse><Error><Type>Sender</Type><Code>\xff\xfe\x80</Code><Message>\xc3\x28</Message></Error></ErrorResponse>"),
		"code that is a number": status(http.StatusBadRequest, `{"__type":7,"message":{}}`),
		"code in a header of bytes": func(a *fakeaws.Answer) {
			a.Status, a.Body = http.StatusBadRequest, nil
			a.Header.Set("X-Amzn-Errortype", "\xff\xfe\x80:http://")
		},
		"half a body": func(a *fakeaws.Answer) { a.Body = a.Body[:len(a.Body)/2] },
		"body cut":    cut(io.ErrUnexpectedEOF),
		"body reset":  cut(errHostileReset),
		"followed by garbage": func(a *fakeaws.Answer) {
			a.Body = append(slices.Clip(a.Body), "}garbage"...)
		},
		"endless blanks": endless(func(a *fakeaws.Answer) []byte {
			return a.Body[:len(a.Body)-1]
		}, strings.Repeat(" ", 1<<14)),
		"endless text": endless(func(*fakeaws.Answer) []byte {
			return []byte(`{"Records":[{"Data":"`)
		}, strings.Repeat("QUFB", 1<<12)),
		"endless depth": endless(func(*fakeaws.Answer) []byte {
			return []byte(`{"Records":`)
		}, strings.Repeat("[", 1<<14)),
		"endless elements": endless(func(*fakeaws.Answer) []byte {
			return []byte("<PublishBatchResponse><PublishBatchResult><Successful>")
		}, strings.Repeat("<member>", 1<<11)),
		"endless error": func(a *fakeaws.Answer) {
			a.Status, a.Body = http.StatusInternalServerError, []byte(`{"message":"`)
			a.Rest = &repeatedBody{chunk: bytes.Repeat([]byte("x"), 1<<14), left: hostileLength}
		},
		"redirect 307":      redirect(http.StatusTemporaryRedirect),
		"redirect 302":      redirect(http.StatusFound),
		"redirect 308":      redirect(http.StatusPermanentRedirect),
		"packed":            packed(true, true),
		"packed, not said":  packed(true, false),
		"said to be packed": packed(false, true),
		"packed without end": func(a *fakeaws.Answer) {
			a.Header.Set("Content-Encoding", "gzip")
			a.Body, a.Rest = nil, &packedBody{}
		},
		"type of bytes":        header("Content-Type", "\xff\xfe/\x80"),
		"no type":              header("Content-Type", ""),
		"request id of bytes":  header("X-Amzn-Requestid", "\xff\xfe\x80"),
		"date of bytes":        header("Date", "\xff\xfe\x80"),
		"no date":              header("Date", ""),
		"date of the year 1":   header("Date", "Mon, 01 Jan 0001 00:00:00 GMT"),
		"date of 2100":         header("Date", "Fri, 01 Jan 2100 00:00:00 GMT"),
		"header of a megabyte": header("X-Amzn-Long", strings.Repeat("x", 1<<20)),
	}
}

// hostileElsewhere is where redirects lead. No request may arrive there.
const hostileElsewhere = "elsewhere.example"

// harmless says that an answer changed so means what it meant before.
func harmless(how string) bool {
	return slices.Contains([]string{
		"type of bytes", "no type", "request id of bytes", "date of bytes", "no date", "date of the year 1",
		"date of 2100", "header of a megabyte",
	}, how)
}

// unclear says that an answer changed so may be right for some client: packed bytes that the client unpacks.
func unclear(how string) bool { return how == "packed" || how == "said to be packed" }

func packed(body, said bool) func(*fakeaws.Answer) {
	return func(a *fakeaws.Answer) {
		if said {
			a.Header.Set("Content-Encoding", "gzip")
		}
		if body {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, _ = w.Write(a.Body)
			_ = w.Close()
			a.Body = b.Bytes()
		}
	}
}

// repeatedBody repeats itself.
type repeatedBody struct {
	chunk []byte
	left  int
}

func (b *repeatedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, b.chunk)
	b.left -= n
	return n, nil
}

// packedBody is an endless gzip stream of blanks.
type packedBody struct {
	out  bytes.Buffer
	w    *gzip.Writer
	left int
}

func (b *packedBody) Read(p []byte) (int, error) {
	if b.w == nil {
		b.w, b.left = gzip.NewWriter(&b.out), hostileLength
	}
	for b.out.Len() == 0 && b.left > 0 {
		blanks := make([]byte, 1<<20)
		for i := range blanks {
			blanks[i] = ' '
		}
		_, _ = b.w.Write(blanks)
		_ = b.w.Flush()
		b.left -= len(blanks)
	}
	if b.out.Len() == 0 {
		return 0, io.EOF
	}
	return b.out.Read(p)
}

// failingBody is where a connection ends.
type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }

// apply changes an answer and reports whether it is another one now.
func (c hostileChange) apply(a *fakeaws.Answer) bool {
	if c.Path == "" {
		if len(c.Value) > 0 { // of another operation
			var text string
			if err := json.Unmarshal(c.Value, &text); err != nil {
				panic(err)
			}
			a.Body = []byte(text)
			return true
		}
		before := bytes.Clone(a.Body)
		status, header := a.Status, a.Header.Clone()
		hostileBodies()[c.How](a)
		return a.Status != status || a.Rest != nil || !bytes.Equal(before, a.Body) ||
			!maps.EqualFunc(header, a.Header, slices.Equal)
	}
	if a.Status != http.StatusOK {
		return false
	}
	doc := readHostileDocument(a.Body)
	if doc == nil {
		return false
	}
	changed := false
	doc = editHostile(doc, strings.Split(c.Path, "."), c.How == memberPresent, func(v any, there bool) (any, bool) {
		if there == (c.How == memberPresent) {
			return v, there
		}
		changed = true
		switch c.How {
		case memberMissing:
			return nil, false
		case memberNull:
			return nil, true
		case nullAppended:
			return append(slices.Clip(v.([]any)), nil), true
		case nullFirst:
			return append([]any{nil}, v.([]any)...), true
		case elementGone:
			if len(v.([]any)) == 0 {
				changed = false
				return v, true
			}
			return v.([]any)[1:], true
		}
		return readHostileDocument(c.Value), true
	})
	if changed {
		a.Body = writeHostileDocument(doc)
	}
	return changed
}

// readHostileDocument reads JSON, or XML as an element; nil if it is neither.
func readHostileDocument(body []byte) any {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		if e, err := readElement(xml.NewDecoder(bytes.NewReader(body))); err == nil {
			return e
		}
		return nil
	}
	in := json.NewDecoder(bytes.NewReader(body))
	in.UseNumber()
	var doc any
	if in.Decode(&doc) != nil {
		return nil
	}
	return doc
}

func writeHostileDocument(doc any) []byte {
	if e, ok := doc.(*element); ok {
		var b bytes.Buffer
		e.Write(&b)
		return bytes.ReplaceAll(b.Bytes(), []byte(rawBytes), []byte("\xff\xfe\x80"))
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	text = bytes.ReplaceAll(text, []byte(`"`+rawNaN+`"`), []byte("NaN"))
	return bytes.ReplaceAll(text, []byte(rawBytes), []byte("\xff\xfe\x80"))
}

// editHostile changes the places that a path names: do gets the value and whether there is one, and answers with the
// same. With absent, it is asked for members that are not there.
func editHostile(doc any, path []string, absent bool, do func(v any, there bool) (any, bool)) any {
	if len(path) == 0 {
		v, _ := do(doc, true)
		return v
	}
	step, rest := path[0], path[1:]
	child := func(v any, there bool) (any, bool) {
		if len(rest) == 0 {
			return do(v, there)
		}
		if !there {
			return nil, false
		}
		return editHostile(v, rest, absent, do), true
	}
	switch d := doc.(type) {
	case map[string]any:
		v, there := d[step]
		if !there && !absent {
			return d
		}
		if v, there = child(v, there); there {
			d[step] = v
		} else {
			delete(d, step)
		}
		return d
	case []any:
		if step != "*" {
			return d
		}
		kept := d[:0:0]
		for _, v := range d {
			if v, there := child(v, true); there {
				kept = append(kept, v)
			}
		}
		return kept
	case *element:
		kept, found := d.children[:0:0], false
		for _, c := range d.children {
			if c.name != step {
				kept = append(kept, c)
				continue
			}
			found = true
			if v, there := child(c, true); there {
				kept = append(kept, asElement(step, v))
			}
		}
		if !found && absent {
			if v, there := child(nil, false); there {
				kept = append(kept, asElement(step, v))
			}
		}
		d.children = kept
		return d
	}
	return doc
}

// element is an XML element.
type element struct {
	name     string
	attrs    []xml.Attr
	children []*element
	text     string
}

// asElement is a value as an element: null is one without content.
func asElement(name string, v any) *element {
	switch v := v.(type) {
	case *element:
		return v
	case string:
		return &element{name: name, text: v}
	case json.Number:
		return &element{name: name, text: v.String()}
	case map[string]any, []any:
		return &element{name: name, children: []*element{{name: "nested", text: "x"}}}
	}
	return &element{name: name}
}

func readElement(in *xml.Decoder) (*element, error) {
	var open []*element
	for {
		token, err := in.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, attrs: t.Copy().Attr}
			if len(open) > 0 {
				top := open[len(open)-1]
				top.children = append(top.children, e)
			}
			open = append(open, e)
		case xml.EndElement:
			e := open[len(open)-1]
			if open = open[:len(open)-1]; len(open) == 0 {
				return e, nil
			}
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += strings.TrimSpace(string(t))
			}
		}
	}
}

func (e *element) Write(b *bytes.Buffer) {
	fmt.Fprintf(b, "<%s", e.name)
	for _, a := range e.attrs {
		fmt.Fprintf(b, " %s=%q", a.Name.Local, a.Value)
	}
	b.WriteString(">")
	_ = xml.EscapeText(b, []byte(e.text))
	for _, c := range e.children {
		c.Write(b)
	}
	fmt.Fprintf(b, "</%s>", e.name)
}

// hostileMembers are the members of answers, each with an example.
func hostileMembers(bodies [][]byte) map[string]any {
	members := map[string]any{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		if e, ok := v.(*element); ok {
			if path != "" {
				members[path] = v
				path += "."
			}
			for _, c := range e.children {
				walk(path+c.name, c)
			}
			return
		}
		if path != "" {
			if was, ok := members[path]; !ok || was == nil {
				members[path] = v
			}
			path += "."
		}
		switch v := v.(type) {
		case map[string]any:
			for name, child := range v {
				walk(path+name, child)
			}
		case []any:
			for _, child := range v {
				walk(path+"*", child)
			}
		}
	}
	for _, body := range bodies {
		if doc := readHostileDocument(body); doc != nil {
			walk("", doc)
		}
	}
	return members
}

var (
	digits      = regexp.MustCompile(`^\d+$`)
	timeMember  = regexp.MustCompile(`(Timestamp|DateTime|Date)$`)
	years       = []string{"4102444800", "-62135596800"} // 2100 and 1
	attributeOf = map[string]string{
		"S": `{"N":"7"}`, "N": `{"S":"seven"}`, "BOOL": `{"S":"yes"}`, "B": `{"S":"text"}`, "M": `{"S":"text"}`,
		"L": `{"S":"text"}`,
	}
)

// hostileMemberChanges are all changes of single members of these answers of one operation.
func hostileMemberChanges(bodies [][]byte) []hostileChange {
	var list []hostileChange
	turn := 0
	add := func(path, how string, values ...string) {
		if len(values) == 0 {
			list = append(list, hostileChange{How: how, Path: path})
		}
		if how == memberType { // the members take turns at the types that each could have
			turn++
			values = values[turn%len(values):][:1]
		}
		for _, v := range values {
			list = append(list, hostileChange{How: how, Path: path, Value: json.RawMessage(v)})
		}
	}
	members := hostileMembers(bodies)
	for _, path := range slices.Sorted(maps.Keys(members)) {
		last := path[strings.LastIndex(path, ".")+1:]
		if last == "*" { // the list's own changes are about it
			add(path, memberType, `"text"`, `[]`)
			continue
		}
		add(path, memberMissing)
		add(path, memberNull)
		switch v := members[path].(type) {
		case *element:
			if len(v.children) > 0 {
				add(path, memberType, `"text"`)
				break
			}
			add(path, memberType, `{}`)
			add(path, memberBytes, `"`+rawBytes+`"`)
			add(path, memberOther, `"AAAA"`)
		case string:
			add(path, memberType, `7`, `{}`, `[]`)
			add(path, memberOther, `""`, `"AAAA"`, `"`+rawBytes+`"`)
			if digits.MatchString(v) {
				add(path, memberRange, `"-1"`, `"1e308"`, `"NaN"`, `"`+strings.Repeat("9", len(v))+`"`,
					`"`+strings.Repeat("9", 200)+`"`)
			}
		case json.Number:
			add(path, memberType, `"seven"`, `{}`)
			add(path, memberRange, `-1`, `1e308`, `-1e308`, `"`+rawNaN+`"`, `"NaN"`)
			if timeMember.MatchString(last) {
				add(path, memberRange, years...)
			}
		case bool:
			add(path, memberType, `"yes"`)
			add(path, memberOther, fmt.Sprint(!v))
		case []any:
			add(path, memberType, `"text"`, `{}`)
			add(path, nullAppended)
			add(path, nullFirst)
			add(path, elementGone)
			add(path, memberOther, `[]`)
		case map[string]any:
			add(path, memberType, `"text"`, `[]`)
			add(path, memberOther, `{}`)
			if len(v) == 1 {
				for kind := range v {
					if other := attributeOf[kind]; other != "" {
						add(path, memberType, other, `{"NULL":true}`)
					}
				}
			}
		}
		if strings.HasSuffix(last, "Iterator") { // a real one would be of another shard
			add(path, memberPresent, `"AAAA"`)
		} else if _, xml := members[path].(*element); !xml {
			if value, err := json.Marshal(members[path]); err == nil {
				add(path, memberPresent, string(value))
			}
		}
	}
	return slices.DeleteFunc(list, func(c hostileChange) bool {
		return !slices.ContainsFunc(bodies, func(body []byte) bool {
			return c.apply(&fakeaws.Answer{Status: http.StatusOK, Header: http.Header{}, Body: bytes.Clone(body)})
		})
	})
}
