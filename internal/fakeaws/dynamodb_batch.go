package fakeaws

func (d *DynamoDB) batchGetItem(*Request) (any, error) {
	return nil, errorf("UnknownOperationException", "BatchGetItem")
}

func (d *DynamoDB) batchWriteItem(*Request) (any, error) {
	return nil, errorf("UnknownOperationException", "BatchWriteItem")
}
