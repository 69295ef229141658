package fakeaws

import (
	"context"
	"net/http"
)

// SNS is the emulated service.
type SNS struct{}

func newSNS(Options, *SQS) *SNS { return &SNS{} }
func (s *SNS) name() string     { return ServiceSNS }
func (s *SNS) handle(_ context.Context, op string, _ *Request) (any, error) {
	return nil, errorf("UnknownOperationException", "%s", op)
}

func encodeQuery(h http.Header, _ any, _ *Error) (int, http.Header, []byte, error) {
	return 200, h, nil, nil
}
