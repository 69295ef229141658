package checkpoint

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/position"
)

// callTimeout bounds one call with all attempts that the client makes of it. A lease has room for three of them.
const callTimeout = time.Second

// table makes single calls on the lease table, each with a deadline.
type table struct {
	db   DynamoDB
	name string
}

// expr gathers one write: what it sets and removes, and under which condition. Every attribute goes by a placeholder,
// because DynamoDB reserves several hundred words, counter and load among them.
type expr struct {
	set, remove, add, cond []string
	names                  map[string]string
	values                 item
	blind                  bool // do not answer the row
}

func (e *expr) name(attr string) string {
	if e.names == nil {
		e.names = map[string]string{}
	}
	e.names["#"+attr] = attr
	return "#" + attr
}

func (e *expr) value(av types.AttributeValue) string {
	if e.values == nil {
		e.values = item{}
	}
	p := ":v" + strconv.Itoa(len(e.values))
	e.values[p] = av
	return p
}

func (e *expr) setAttr(attr string, av types.AttributeValue) {
	e.set = append(e.set, e.name(attr)+" = "+e.value(av))
}

func (e *expr) removeAttr(attr string) { e.remove = append(e.remove, e.name(attr)) }

func (e *expr) ifEqual(attr string, av types.AttributeValue) {
	e.cond = append(e.cond, e.name(attr)+" = "+e.value(av))
}

func (e *expr) ifAbsent(attr string) {
	e.cond = append(e.cond, "attribute_not_exists("+e.name(attr)+")")
}

func (e *expr) ifPresent(attr string) {
	e.cond = append(e.cond, "attribute_exists("+e.name(attr)+")")
}

// ifNotBeyond holds where the stored position is at most p. Text order decides between sequence numbers of one length
// only, so the length is compared first (Position.Compare says the same).
// It holds, too, where that is replaces, unless that is empty.
func (e *expr) ifNotBeyond(p position.Position, replaces string) {
	seq, sub := e.name(attrPosition), e.name(attrSub)
	s, n, length := e.value(str(p.Sequence)), e.value(num(int64(p.Sub))), e.value(num(int64(len(p.Sequence))))
	within := sub + " <= " + n
	if p.Sub == position.WholeRecord {
		within = "(attribute_not_exists(" + sub + ") OR " + within + ")" // a row without it has passed the whole record
	}
	or := ""
	if replaces != "" {
		or = " OR " + seq + " = " + e.value(str(replaces))
	}
	e.cond = append(e.cond, fmt.Sprintf(
		"(attribute_not_exists(%[1]s) OR size(%[1]s) < %[3]s OR (size(%[1]s) = %[3]s AND %[1]s < %[2]s) OR (%[1]s = %[2]s AND %[4]s)%[5]s)",
		seq, s, length, within, or))
}

// ifBefore holds where no write of progress with this number, or a later one, took effect. A row that was written by a
// version without numbers has none.
func (e *expr) ifBefore(number int64) {
	n := e.name(attrOffers)
	e.cond = append(e.cond, fmt.Sprintf("(attribute_not_exists(%[1]s) OR %[1]s < %[2]s)", n, e.value(num(number))))
}

// ifAtMost holds where a number is absent, or this at most.
func (e *expr) ifAtMost(attr string, most int64) {
	n := e.name(attr)
	e.cond = append(e.cond, fmt.Sprintf("(attribute_not_exists(%[1]s) OR %[1]s <= %[2]s)", n, e.value(num(most))))
}

// increment adds one to a number.
func (e *expr) increment(attr string) { e.add = append(e.add, e.name(attr)+" "+e.value(num(1))) }

// projection are the attributes to answer, as a call wants them.
func projection(attributes ...string) (list *string, names map[string]string) {
	e := &expr{}
	placeholders := make([]string, 0, len(attributes))
	for _, attr := range attributes {
		placeholders = append(placeholders, e.name(attr))
	}
	return aws.String(strings.Join(placeholders, ", ")), e.names
}

func (e *expr) condition() *string {
	if len(e.cond) == 0 {
		return nil
	}
	return aws.String(strings.Join(e.cond, " AND "))
}

func (e *expr) updates() *string {
	var parts []string
	for _, c := range []struct {
		verb  string
		terms []string
	}{{"SET", e.set}, {"REMOVE", e.remove}, {"ADD", e.add}} {
		if len(c.terms) > 0 {
			parts = append(parts, c.verb+" "+strings.Join(c.terms, ", "))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return aws.String(strings.Join(parts, " "))
}

func keyOf(key string) item { return item{attrKey: str(key)} }

// get reads one row; a nil item means that there is none.
func (t *table) get(ctx context.Context, key string, consistent bool) (item, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	out, err := t.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: keyOf(key), ConsistentRead: &consistent})
	if err != nil {
		return nil, t.fault("GetItem", err)
	}
	return out.Item, nil
}

// update makes one conditional write and returns the row as it is then, unless the write is blind.
func (t *table) update(ctx context.Context, key string, e *expr) (item, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	returns := types.ReturnValueAllNew
	if e.blind {
		returns = types.ReturnValueNone
	}
	out, err := t.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: keyOf(key), UpdateExpression: e.updates(), ConditionExpression: e.condition(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValues: returns,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return nil, t.fault("UpdateItem", err)
	}
	return out.Attributes, nil
}

// putNew writes a row where none is.
func (t *table) putNew(ctx context.Context, it item) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	e := &expr{}
	e.ifAbsent(attrKey)
	_, err := t.db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.name, Item: it, ConditionExpression: e.condition(), ExpressionAttributeNames: e.names,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return t.fault("PutItem", err)
	}
	return nil
}

func (t *table) remove(ctx context.Context, key string, e *expr) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := t.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &t.name, Key: keyOf(key), ConditionExpression: e.condition(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	})
	if err != nil {
		return t.fault("DeleteItem", err)
	}
	return nil
}

// scan reads every row, eventually consistent, page by page. key is the key of the table, where that is known.
func (t *table) scan(ctx context.Context, key string, each func(item) error) error {
	var from item
	for expect := (&answer.Expect{Key: key}); ; expect.Page++ {
		page, err := t.page(answer.With(ctx, expect), from)
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

func (t *table) page(ctx context.Context, from item) (*dynamodb.ScanOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*callTimeout) // a page is up to 1 MB
	defer cancel()
	out, err := t.db.Scan(ctx, &dynamodb.ScanInput{TableName: &t.name, ExclusiveStartKey: from})
	if err != nil {
		return nil, t.fault("Scan", err)
	}
	return out, nil
}

func (t *table) fault(operation string, err error) error {
	if _, ok := refused(err); ok {
		return err
	}
	return fault("dynamodb:"+operation, "table "+t.name, err)
}

// settle finds out whether a conditional write took effect. An answer that was lost, by us or by a retry inside the
// client that then ran into its own effect, is resolved by reading the row, never by assuming: landed tells from the
// row whether it carries the write. It returns the row as it is (nil when there is none) unless the write was
// confirmed at once, and an error when nothing could be found out.
func (t *table) settle(ctx context.Context, key string, err error, landed func(item) bool) (ok bool, now item, unknown error) {
	if err == nil {
		return true, nil, nil
	}
	now, wasRefused := refused(err)
	if !wasRefused && isNotFound(err) {
		return false, nil, err
	}
	if len(now) == 0 {
		var readErr error
		if now, readErr = t.get(ctx, key, true); readErr != nil {
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
