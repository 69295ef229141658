package fakeaws

import "context"

// Kinesis is the emulated service.
type Kinesis struct{}

func newKinesis(Options) *Kinesis { return &Kinesis{} }
func (k *Kinesis) name() string   { return ServiceKinesis }
func (k *Kinesis) handle(_ context.Context, op string, _ *Request) (any, error) {
	return nil, errorf("UnknownOperationException", "%s", op)
}
