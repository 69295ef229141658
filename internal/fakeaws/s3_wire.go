package fakeaws

import (
	"encoding/xml"
	"maps"
	"net/http"
)

// restResult is the answer to an operation of the REST protocol.
type restResult struct {
	header http.Header
	body   []byte
}

// encodeREST writes an answer of the REST protocol. Headers carry the result; a HEAD call has no body, not even that of
// an error.
func encodeREST(h http.Header, head bool, result any, apiErr *Error) (int, http.Header, []byte, error) {
	if apiErr != nil {
		doc := struct {
			XMLName   xml.Name `xml:"Error"`
			Code      string
			Message   string
			RequestID string `xml:"RequestId"`
		}{Code: apiErr.Code, Message: apiErr.Message, RequestID: h.Get("X-Amzn-Requestid")}
		h.Set("Content-Type", "application/xml")
		if head {
			return apiErr.status(), h, nil, nil
		}
		body, err := xml.Marshal(doc)
		return apiErr.status(), h, append([]byte(xml.Header), body...), err
	}
	res, _ := result.(restResult)
	maps.Copy(h, res.header)
	return http.StatusOK, h, res.body, nil
}
