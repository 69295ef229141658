package fakeaws

import "context"

// SQS is the emulated service.
type SQS struct{}

func newSQS(Options) *SQS   { return &SQS{} }
func (s *SQS) name() string { return ServiceSQS }
func (s *SQS) handle(_ context.Context, op string, _ *Request) (any, error) {
	return nil, errorf("UnknownOperationException", "%s", op)
}
