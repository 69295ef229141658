package fakeaws

import "context"

// DynamoDB is the emulated service.
type DynamoDB struct{}

func newDynamoDB(Options) *DynamoDB { return &DynamoDB{} }
func (d *DynamoDB) name() string    { return ServiceDynamoDB }
func (d *DynamoDB) handle(_ context.Context, op string, _ *Request) (any, error) {
	return nil, errorf("UnknownOperationException", "%s", op)
}
