package fakeaws

import (
	"bytes"
	"io"
	"net/http"
)

// HTTPClient returns a client that reaches this account without a socket, for an SDK client's HTTPClient option. It
// works inside a synctest bubble, where timeouts and faults take virtual time.
func (a *AWS) HTTPClient() *http.Client { return &http.Client{Transport: a} }

// LoopbackClient returns a client for an account that is served on loopback. The SDK closes a request's body as soon as
// the answer is there; an answer that arrives within microseconds can overtake net/http's own last look at the body,
// which then takes the request for broken and drops the connection. With a body that net/http can see is complete, it
// does not look.
func LoopbackClient() *http.Client {
	const connections = 64 // kept, so that many shards are read without a handshake each
	return &http.Client{Transport: wholeBody{&http.Transport{MaxIdleConnsPerHost: connections}}}
}

type wholeBody struct{ next *http.Transport }

// CloseIdleConnections is what http.Client.CloseIdleConnections looks for.
func (t wholeBody) CloseIdleConnections() { t.next.CloseIdleConnections() }

// RoundTrip implements http.RoundTripper.
func (t wholeBody) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return t.next.RoundTrip(r)
}
