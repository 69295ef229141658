package fakeaws

import (
	"context"
	"errors"
	"sync"
	"time"
)

// DynamoDB is the emulated service. It answers CreateTable, DescribeTable, DeleteTable, ListTables, UpdateTimeToLive,
// DescribeTimeToLive, DescribeContinuousBackups, PutItem, GetItem, UpdateItem, DeleteItem, BatchGetItem,
// BatchWriteItem, Scan and Query.
//
// All reads are of the latest write: ConsistentRead changes the capacity that is counted, not the answer. An expired
// time-to-live deletes nothing. There are no secondary indexes, streams, transactions and throttling; a fault rule
// does the last. The parameters that expressions replaced in 2014 (Expected, AttributeUpdates, …) are refused.
type DynamoDB struct {
	region, account string
	activation      time.Duration

	mu       sync.Mutex
	tables   map[string]*ddbTable
	usage    map[string]*ddbUsage // outlives its table
	watchers []func(table string, old, new map[string]any)
	created  int // tables ever created, for their ids
	// batchLimit is how many entries a batch processes; 0 means all.
	batchLimit int
}

func newDynamoDB(o Options) *DynamoDB {
	return &DynamoDB{
		region: o.Region, account: o.Account, activation: o.TableActivation,
		tables: map[string]*ddbTable{}, usage: map[string]*ddbUsage{},
	}
}

func (*DynamoDB) name() string { return ServiceDynamoDB }

func (d *DynamoDB) handle(_ context.Context, op string, req *Request) (any, error) {
	switch op {
	case "CreateTable":
		return d.createTable(req)
	case "DescribeTable":
		return d.describeTable(req)
	case "DeleteTable":
		return d.deleteTable(req)
	case "ListTables":
		return d.listTables(req)
	case "UpdateTimeToLive":
		return d.updateTimeToLive(req)
	case "DescribeTimeToLive":
		return d.describeTimeToLive(req)
	case "DescribeContinuousBackups":
		return d.describeContinuousBackups(req)
	case "PutItem":
		return d.putItem(req)
	case "GetItem":
		return d.getItem(req)
	case "UpdateItem":
		return d.updateItem(req)
	case "DeleteItem":
		return d.deleteItem(req)
	case "BatchGetItem":
		return d.batchGetItem(req)
	case "BatchWriteItem":
		return d.batchWriteItem(req)
	case "Scan":
		return d.scan(req)
	case "Query":
		return d.query(req)
	}
	return nil, errorf("UnknownOperationException", "%s", op)
}

// validation makes the answer to a request that breaks a rule.
func validation(format string, args ...any) error {
	return errorf("ValidationException", format, args...)
}

// messageOf is the message of an answer without its code.
func messageOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	return err.Error()
}
