package table

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/credentials"
)

// CallTimeout bounds one call with all attempts that the client makes of it. A lease has room for three of them.
const CallTimeout = time.Second

// Client makes single calls on the lease table, each with a deadline.
type Client struct {
	DB   DynamoDB
	Name string
}

// KeyOf is a key as a call wants it.
func KeyOf(key string) Item { return Item{AttrKey: Str(key)} }

// Get reads one row; a nil item means that there is none.
func (t *Client) Get(ctx context.Context, key string, consistent bool) (Item, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	out, err := t.DB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.Name, Key: KeyOf(key),
		ConsistentRead: &consistent,
	})
	if err != nil {
		return nil, t.fault("GetItem", err)
	}
	return out.Item, nil
}

// Update makes one conditional write and returns the row as it is then, unless the write is blind.
func (t *Client) Update(ctx context.Context, key string, e *Write) (Item, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	returns := types.ReturnValueAllNew
	if e.Blind {
		returns = types.ReturnValueNone
	}
	out, err := t.DB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.Name, Key: KeyOf(key), UpdateExpression: e.updates(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names, ExpressionAttributeValues: e.Values, ReturnValues: returns,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return nil, t.fault("UpdateItem", err)
	}
	return out.Attributes, nil
}

// PutNew writes a row where none is.
func (t *Client) PutNew(ctx context.Context, it Item) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	e := &Write{}
	e.IfAbsent(AttrKey)
	_, err := t.DB.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.Name, Item: it, ConditionExpression: e.Condition(), ExpressionAttributeNames: e.Names,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return t.fault("PutItem", err)
	}
	return nil
}

// Remove deletes a row on the conditions of a write.
func (t *Client) Remove(ctx context.Context, key string, e *Write) error {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	_, err := t.DB.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &t.Name, Key: KeyOf(key), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names, ExpressionAttributeValues: e.Values,
	})
	if err != nil {
		return t.fault("DeleteItem", err)
	}
	return nil
}

// Scan reads every row, eventually consistent, page by page. key is the key of the table, where that is known.
func (t *Client) Scan(ctx context.Context, key string, each func(Item) error) error {
	var from Item
	for expect := (&answer.Expect{Key: key}); ; expect.Page++ {
		page, err := t.Page(answer.With(ctx, expect), from)
		if err != nil {
			return err
		}
		for _, it := range page.Items {
			if err := each(it); err != nil {
				return err
			}
		}
		if from = page.LastEvaluatedKey; len(from) == 0 {
			return nil
		}
	}
}

// Page reads one page of all rows.
func (t *Client) Page(ctx context.Context, from Item) (*dynamodb.ScanOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*CallTimeout) // a page is up to 1 MB
	defer cancel()
	out, err := t.DB.Scan(ctx, &dynamodb.ScanInput{TableName: &t.Name, ExclusiveStartKey: from})
	if err != nil {
		return nil, t.fault("Scan", err)
	}
	return out, nil
}

func (t *Client) fault(operation string, err error) error {
	if _, ok := Refused(err); ok {
		return err
	}
	return Fault("dynamodb:"+operation, "table "+t.Name, err)
}

// Settle finds out whether a conditional write took effect. An answer that was lost, by us or by a retry inside the
// client that then ran into its own effect, is settled by reading the row, never by assuming: landed reports whether
// the row carries the write. It returns the row as it is (nil when there is none) unless the write was confirmed at
// once, and an error when nothing could be found out.
func (t *Client) Settle(ctx context.Context, key string, err error, landed func(Item) bool) (ok bool, now Item,
	unknown error,
) {
	if err == nil {
		return true, nil, nil
	}
	now, wasRefused := Refused(err)
	if !wasRefused && IsNotFound(err) {
		return false, nil, err
	}
	if len(now) == 0 {
		var readErr error
		if now, readErr = t.Get(ctx, key, true); readErr != nil {
			return false, nil, fmt.Errorf("%w (and reading the row back: %w)", err, readErr)
		}
	}
	if len(now) > 0 && landed(now) {
		return true, now, nil
	}
	if !wasRefused {
		// Without a refusal the write may still be under way, so "not there" is not "did not happen".
		return false, now, err
	}
	return false, now, nil
}

// ReadApplication reads the #application row of a table that must have one.
func ReadApplication(ctx context.Context, t *Client) (*Application, error) {
	it, err := t.Get(ctx, KeyApplication, true)
	switch {
	case err != nil:
		return nil, err
	case it == nil:
		return nil, fmt.Errorf("%w: table %s has no row %s: name the lease table of an application that has run",
			ErrForeignTable, t.Name, KeyApplication)
	}
	return DecodeApplication(it, time.Now())
}

// NamesFault reports whether an answer of AWS names a fault that an operator has to fix before a call can work: what is
// missing, denied or impossible.
func NamesFault(err error) bool {
	if _, blamed := credentials.Blames(err); blamed {
		return false // the fault is the credentials, or there was no answer
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return errors.Is(err, ErrGone)
	}
	kind := awsfault.Of(api.ErrorCode())
	return kind == awsfault.Denied || kind == awsfault.Missing ||
		api.ErrorCode() == "ValidationException" || api.ErrorCode() == "InvalidArgumentException"
}

// DynamoDB is what the lease table needs of the service; *dynamodb.Client has it. The client should make two or three
// attempts with short timeouts: a call is given up within a second anyhow.
type DynamoDB interface {
	CreateTable(context.Context, *dynamodb.CreateTableInput, ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput,
		error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput,
		...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput,
		error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput,
		error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	TagResource(context.Context, *dynamodb.TagResourceInput, ...func(*dynamodb.Options)) (*dynamodb.TagResourceOutput,
		error)
	UpdateContinuousBackups(context.Context, *dynamodb.UpdateContinuousBackupsInput,
		...func(*dynamodb.Options)) (*dynamodb.UpdateContinuousBackupsOutput, error)
}
