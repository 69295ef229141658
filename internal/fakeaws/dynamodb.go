package fakeaws

import (
	"errors"
	"sync"
	"time"
)

// DynamoDB is the emulated service. It answers CreateTable, DescribeTable, DeleteTable, ListTables, UpdateTimeToLive,
// DescribeTimeToLive, DescribeContinuousBackups, UpdateContinuousBackups, TagResource, ListTagsOfResource, PutItem,
// GetItem, UpdateItem, DeleteItem and Scan.
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
}

func newDynamoDB(o Options) *DynamoDB {
	return &DynamoDB{
		region: o.Region, account: o.Account, activation: o.TableActivation,
		tables: map[string]*ddbTable{}, usage: map[string]*ddbUsage{},
	}
}

func (*DynamoDB) name() string { return ServiceDynamoDB }

func (d *DynamoDB) operations() map[string]operation {
	return map[string]operation{
		"CreateTable":               plain(d.createTable),
		"DescribeTable":             plain(d.describeTable),
		"DeleteTable":               plain(d.deleteTable),
		"ListTables":                plain(d.listTables),
		"UpdateTimeToLive":          plain(d.updateTimeToLive),
		"DescribeTimeToLive":        plain(d.describeTimeToLive),
		"DescribeContinuousBackups": plain(d.describeContinuousBackups),
		"UpdateContinuousBackups":   plain(d.updateContinuousBackups),
		"TagResource":               plain(d.tagResource),
		"ListTagsOfResource":        plain(d.listTagsOfResource),
		"PutItem":                   plain(d.putItem),
		"GetItem":                   plain(d.getItem),
		"UpdateItem":                plain(d.updateItem),
		"DeleteItem":                plain(d.deleteItem),
		"Scan":                      plain(d.scan),
	}
}

func (*DynamoDB) unknown(op string) *Error { return errorf("UnknownOperationException", "%s", op) }

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
