package fakeaws

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// The values of ReturnValues.
const (
	returnNone       = "NONE"
	returnAllOld     = "ALL_OLD"
	returnAllNew     = "ALL_NEW"
	returnUpdatedOld = "UPDATED_OLD"
	returnUpdatedNew = "UPDATED_NEW"
)

// exprRequest holds the members that requests with expressions share.
type exprRequest struct {
	TableName                 string
	ConditionExpression       *string
	UpdateExpression          *string
	ProjectionExpression      *string
	FilterExpression          *string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues wireItem
	ReturnConsumedCapacity    string

	// The members that expressions replaced.
	Expected, AttributeUpdates, AttributesToGet, ConditionalOperator json.RawMessage
	KeyConditions, QueryFilter, ScanFilter                           json.RawMessage
}

// params checks what does not depend on the table and prepares the parsing of the expressions.
func (r *exprRequest) params() (*exprParams, error) {
	legacy := map[string]json.RawMessage{
		"Expected": r.Expected, "AttributeUpdates": r.AttributeUpdates, "AttributesToGet": r.AttributesToGet,
		"ConditionalOperator": r.ConditionalOperator, "KeyConditions": r.KeyConditions,
		"QueryFilter": r.QueryFilter, "ScanFilter": r.ScanFilter,
	}
	for _, name := range slices.Sorted(maps.Keys(legacy)) {
		if legacy[name] != nil && string(legacy[name]) != "null" {
			return nil, validation("fakeaws: the legacy parameter %s is not emulated, use an expression", name)
		}
	}
	if err := oneOf("returnConsumedCapacity", r.ReturnConsumedCapacity, "INDEXES", "TOTAL", "NONE"); err != nil {
		return nil, err
	}
	expressions := r.ConditionExpression != nil || r.UpdateExpression != nil || r.ProjectionExpression != nil ||
		r.FilterExpression != nil
	return newExprParams(r.ExpressionAttributeNames, r.ExpressionAttributeValues, expressions)
}

// optionalCondition parses a condition that may be absent (then it is nil).
func optionalCondition(what string, src *string, p *exprParams) (exprNode, error) {
	if src == nil {
		return nil, nil
	}
	return parseCondition(what, *src, p)
}

func optionalProjection(src *string, p *exprParams) ([]exprPath, error) {
	if src == nil {
		return nil, nil
	}
	return parseProjection(*src, p)
}

// writeRequest is PutItem, UpdateItem or DeleteItem.
type writeRequest struct {
	exprRequest
	Item, Key                           wireItem
	ReturnValues                        string
	ReturnItemCollectionMetrics         string
	ReturnValuesOnConditionCheckFailure string
}

// ddbWrite is a checked write that waits for its table.
type ddbWrite struct {
	in        *writeRequest
	condition exprNode
	update    *exprUpdate // UpdateItem only
	item      attrMap     // the item of PutItem, otherwise the key
}

// prepare decodes a write and checks what does not need the table.
func prepare(req *Request, returns ...string) (*ddbWrite, error) {
	w := &ddbWrite{in: &writeRequest{}}
	if err := req.decode(w.in); err != nil {
		return nil, err
	}
	params, err := w.in.params()
	if err != nil {
		return nil, err
	}
	if err := oneOf(
		"returnValues", w.in.ReturnValues, returnAllNew, returnUpdatedOld, returnAllOld, returnNone, returnUpdatedNew,
	); err != nil {
		return nil, err
	}
	if rv := cmp.Or(w.in.ReturnValues, returnNone); !slices.Contains(returns, rv) {
		return nil, validation("Return values set to invalid value")
	}
	if err := oneOf(
		"returnValuesOnConditionCheckFailure", w.in.ReturnValuesOnConditionCheckFailure, returnAllOld, returnNone,
	); err != nil {
		return nil, err
	}
	if w.in.UpdateExpression != nil {
		if w.update, err = parseUpdate(*w.in.UpdateExpression, params); err != nil {
			return nil, err
		}
	}
	if w.condition, err = optionalCondition("ConditionExpression", w.in.ConditionExpression, params); err != nil {
		return nil, err
	}
	return w, params.unused()
}

func (d *DynamoDB) putItem(req *Request) (any, error) {
	w, err := prepare(req, returnNone, returnAllOld)
	if err != nil {
		return nil, err
	}
	if w.item, err = w.in.Item.item(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.usable(w.in.TableName)
	if err != nil {
		return nil, err
	}
	row, err := t.rowToPut(w.item)
	if err != nil {
		return nil, err
	}
	return d.commit(t, w, row, func(*ddbRow) (*ddbRow, error) { return row, nil })
}

func (d *DynamoDB) deleteItem(req *Request) (any, error) {
	w, err := prepare(req, returnNone, returnAllOld)
	if err != nil {
		return nil, err
	}
	if w.item, err = w.in.Key.item(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.usable(w.in.TableName)
	if err != nil {
		return nil, err
	}
	row, err := t.rowAt(w.item)
	if err != nil {
		return nil, err
	}
	return d.commit(t, w, row, func(*ddbRow) (*ddbRow, error) { return nil, nil })
}

func (d *DynamoDB) updateItem(req *Request) (any, error) {
	w, err := prepare(req, returnNone, returnAllOld, returnAllNew, returnUpdatedOld, returnUpdatedNew)
	if err != nil {
		return nil, err
	}
	if w.item, err = w.in.Key.item(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.usable(w.in.TableName)
	if err != nil {
		return nil, err
	}
	row, err := t.rowAt(w.item)
	if err != nil {
		return nil, err
	}
	if w.update == nil {
		w.update = &exprUpdate{}
	}
	for _, path := range w.update.paths() {
		if t.isKey(path[0].name) {
			return nil, validation(
				"One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of "+
					"the key",
				path[0].name,
			)
		}
	}
	return d.commit(t, w, row, func(old *ddbRow) (*ddbRow, error) {
		base := row.item
		if old != nil {
			base = old.item
		}
		item, err := w.update.apply(base)
		if err != nil {
			return nil, err
		}
		next := &ddbRow{point: row.point, hash: row.hash, rng: row.rng, item: item, size: itemSize(item)}
		if next.size > maxItem {
			return nil, validation("Item size to update has exceeded the maximum allowed size")
		}
		return next, nil
	})
}

// commit checks the condition at a row's place, makes the new row from the old one (either may be nil), stores it and
// answers.
func (d *DynamoDB) commit(
	t *ddbTable, w *ddbWrite, at *ddbRow, change func(old *ddbRow) (*ddbRow, error),
) (any, error) {
	old := t.get(at)
	if w.condition != nil && !holds(w.condition, itemOf(old)) {
		d.spend(t, 0, writeUnits(old))
		failed := errorf("ConditionalCheckFailedException", "The conditional request failed")
		if old != nil && w.in.ReturnValuesOnConditionCheckFailure == returnAllOld {
			failed.Fields = map[string]any{"Item": old.item}
		}
		return nil, failed
	}
	row, err := change(old)
	if err != nil {
		return nil, err
	}
	d.store(t, at, row)
	units := writeUnits(old, row)
	d.spend(t, 0, units)

	out := map[string]any{}
	if attrs := w.returned(itemOf(old), itemOf(row)); attrs != nil {
		out["Attributes"] = attrs
	}
	if c := consumed(t, w.in.ReturnConsumedCapacity, units); c != nil {
		out["ConsumedCapacity"] = c
	}
	return out, nil
}

func itemOf(r *ddbRow) attrMap {
	if r == nil {
		return nil
	}
	return r.item
}

// returned picks the Attributes that ReturnValues asks for.
func (w *ddbWrite) returned(old, item attrMap) attrMap {
	switch w.in.ReturnValues {
	case returnAllOld:
		return old
	case returnAllNew:
		return item
	case returnUpdatedOld:
		return project(old, w.update.paths())
	case returnUpdatedNew:
		return project(item, w.update.paths())
	}
	return nil
}

// store puts row at its place, or removes what is there when row is nil, and calls the watchers.
func (d *DynamoDB) store(t *ddbTable, at, row *ddbRow) {
	i, found := t.find(at)
	var old attrMap
	if found {
		old = t.rows[i].item
	}
	switch {
	case row == nil && !found:
		return
	case row == nil:
		t.rows = slices.Delete(t.rows, i, i+1)
	case found:
		t.rows[i] = row
	default:
		t.rows = slices.Insert(t.rows, i, row)
	}
	d.notify(t, old, itemOf(row))
}

// getRequest is GetItem.
type getRequest struct {
	exprRequest
	Key            wireItem
	ConsistentRead bool
}

func (d *DynamoDB) getItem(req *Request) (any, error) {
	var in getRequest
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	params, err := in.params()
	if err != nil {
		return nil, err
	}
	paths, err := optionalProjection(in.ProjectionExpression, params)
	if err != nil {
		return nil, err
	}
	if err := params.unused(); err != nil {
		return nil, err
	}
	key, err := in.Key.item()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.usable(in.TableName)
	if err != nil {
		return nil, err
	}
	at, err := t.rowAt(key)
	if err != nil {
		return nil, err
	}
	out, size := map[string]any{}, 0
	if row := t.get(at); row != nil {
		size = row.size
		out["Item"] = shown(row.item, paths)
	}
	units := readUnits(size, in.ConsistentRead)
	d.spend(t, units, 0)
	if c := consumed(t, in.ReturnConsumedCapacity, units); c != nil {
		out["ConsumedCapacity"] = c
	}
	return out, nil
}

// shown is an item as a read answers it: projected if there is a projection, and then possibly empty.
func shown(item attrMap, paths []exprPath) attrMap {
	if paths == nil {
		return item
	}
	if part := project(item, paths); part != nil {
		return part
	}
	return attrMap{}
}
