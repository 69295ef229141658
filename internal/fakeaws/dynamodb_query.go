package fakeaws

func (d *DynamoDB) query(*Request) (any, error) {
	return nil, errorf("UnknownOperationException", "Query")
}
