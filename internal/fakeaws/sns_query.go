package fakeaws

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
)

const snsNamespace = "http://sns.amazonaws.com/doc/2010-03-31/"

// queryResult is the answer to an operation of the query protocol. A nil body makes an answer without a result element.
type queryResult struct {
	op   string
	body any
}

// queryEntries is a map as the query protocol writes it.
type queryEntries map[string]string

// MarshalXML writes <entry><key>…</key><value>…</value></entry> for each key, in the order of the keys.
func (m queryEntries) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	type entry struct {
		Key   string `xml:"key"`
		Value string `xml:"value"`
	}
	entries := make([]entry, 0, len(m))
	for _, key := range sortedKeys(m) {
		entries = append(entries, entry{key, m[key]})
	}
	return e.EncodeElement(struct {
		Entries []entry `xml:"entry"`
	}{entries}, start)
}

// encodeQuery writes an answer of the query protocol: XML, with the operation's name in the elements.
func encodeQuery(h http.Header, result any, apiErr *Error) (int, http.Header, []byte, error) {
	h.Set("Content-Type", "text/xml")
	var b bytes.Buffer
	enc := xml.NewEncoder(&b)
	requestID := h.Get("X-Amzn-Requestid")
	if apiErr != nil {
		type detail struct{ Type, Code, Message string }
		doc := struct {
			XMLName   xml.Name `xml:"ErrorResponse"`
			NS        string   `xml:"xmlns,attr"`
			Error     detail
			RequestID string `xml:"RequestId"`
		}{NS: snsNamespace, Error: detail{"Sender", apiErr.Code, apiErr.Message}, RequestID: requestID}
		if apiErr.status() >= http.StatusInternalServerError {
			doc.Error.Type = "Receiver"
		}
		err := enc.Encode(doc)
		return apiErr.status(), h, b.Bytes(), err
	}
	res, _ := result.(queryResult)
	element := func(name string) xml.StartElement { return xml.StartElement{Name: xml.Name{Local: name}} }
	root := element(res.op + "Response")
	root.Attr = []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: snsNamespace}}
	err := enc.EncodeToken(root)
	if err == nil && res.body != nil {
		err = enc.EncodeElement(res.body, element(res.op+"Result"))
	}
	if err == nil {
		err = enc.EncodeElement(struct {
			RequestID string `xml:"RequestId"`
		}{requestID}, element("ResponseMetadata"))
	}
	if err == nil {
		err = enc.EncodeToken(root.End())
	}
	if err == nil {
		err = enc.Close()
	}
	return http.StatusOK, h, b.Bytes(), err
}

// formMap reads prefix.entry.N.key and prefix.entry.N.value, N counting from 1.
func formMap(form url.Values, prefix string) map[string]string {
	var m map[string]string
	for n := 1; ; n++ {
		entry := prefix + ".entry." + strconv.Itoa(n)
		if !form.Has(entry + ".key") {
			return m
		}
		if m == nil {
			m = map[string]string{}
		}
		m[form.Get(entry+".key")] = form.Get(entry + ".value")
	}
}

// formAttributes reads the message attributes below a prefix. A name that occurs twice is answered as AWS does.
func formAttributes(form url.Values, prefix string) (map[string]MessageAttribute, *Error) {
	var m map[string]MessageAttribute
	for n := 1; ; n++ {
		entry := prefix + "MessageAttributes.entry." + strconv.Itoa(n)
		if !form.Has(entry + ".Name") {
			return m, nil
		}
		if m == nil {
			m = map[string]MessageAttribute{}
		}
		name := form.Get(entry + ".Name")
		if _, twice := m[name]; twice {
			return nil, errorf("ParameterValueInvalid", "Message attribute '%s' is specified more than once.", name)
		}
		a := MessageAttribute{
			DataType: form.Get(entry + ".Value.DataType"), StringValue: form.Get(entry + ".Value.StringValue"),
		}
		if encoded := form.Get(entry + ".Value.BinaryValue"); encoded != "" {
			var err error
			if a.BinaryValue, err = base64.StdEncoding.DecodeString(encoded); err != nil {
				return nil, invalidParameter("%s.Value.BinaryValue", entry)
			}
		}
		m[name] = a
	}
}
