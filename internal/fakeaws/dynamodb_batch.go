package fakeaws

import (
	"maps"
	"slices"
)

// The limits of a batch: entries, and bytes of the items that BatchGetItem answers.
const (
	maxBatchGets   = 100
	maxBatchWrites = 25
	maxBatchAnswer = 16 << 20
)

// BatchLimit makes batches process at most n of their entries and hand the rest back as unprocessed, as a throttled
// table does; 0 lifts it.
func (d *DynamoDB) BatchLimit(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.batchLimit = n
}

// batch counts what one batch has processed.
type batch struct{ limit, done, bytes int }

// full says whether the next entry, with so many bytes to answer, is left unprocessed.
func (b *batch) full(bytes int) bool {
	if b.limit > 0 && b.done >= b.limit || b.bytes+bytes > maxBatchAnswer {
		return true
	}
	b.done++
	b.bytes += bytes
	return false
}

// batchGet is what BatchGetItem asks of one table.
type batchGet struct {
	exprRequest
	Keys           []wireItem
	ConsistentRead bool

	rows  []*ddbRow
	paths []exprPath
	table *ddbTable
}

func (d *DynamoDB) batchGetItem(req *Request) (any, error) {
	var in struct {
		RequestItems           map[string]*batchGet
		ReturnConsumedCapacity string
	}
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	total := 0
	for _, g := range in.RequestItems {
		if g == nil || len(g.Keys) == 0 {
			return nil, validation("1 validation error detected: Value at 'requestItems.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1")
		}
		total += len(g.Keys)
	}
	if err := checkBatch(total, maxBatchGets, "BatchGetItem", in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	names := slices.Sorted(maps.Keys(in.RequestItems))
	for _, name := range names {
		if err := d.prepareGet(name, in.RequestItems[name]); err != nil {
			return nil, err
		}
	}
	responses, unprocessed, capacity := map[string][]attrMap{}, map[string]any{}, []any{}
	progress := &batch{limit: d.batchLimit}
	for _, name := range names {
		g := in.RequestItems[name]
		items, left, units := g.read(progress)
		responses[name] = items
		if len(left) > 0 {
			unprocessed[name] = g.again(left)
		}
		d.spend(g.table, units, 0)
		if c := consumed(g.table, in.ReturnConsumedCapacity, units); c != nil {
			capacity = append(capacity, c)
		}
	}
	out := map[string]any{"Responses": responses, "UnprocessedKeys": unprocessed}
	if len(capacity) > 0 {
		out["ConsumedCapacity"] = capacity
	}
	return out, nil
}

// checkBatch checks the size of a batch and the member that both kinds share.
func checkBatch(entries, limit int, op, capacity string) error {
	switch {
	case entries == 0:
		return validation("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case entries > limit:
		return validation("Too many items requested for the %s call", op)
	}
	return oneOf("returnConsumedCapacity", capacity, "INDEXES", "TOTAL", "NONE")
}

// prepareGet checks one table's part of a BatchGetItem.
func (d *DynamoDB) prepareGet(name string, g *batchGet) error {
	params, err := g.params()
	if err != nil {
		return err
	}
	if g.paths, err = optionalProjection(g.ProjectionExpression, params); err != nil {
		return err
	}
	if err := params.unused(); err != nil {
		return err
	}
	if g.table, err = d.usable(name); err != nil {
		return err
	}
	for _, wire := range g.Keys {
		key, err := wire.item()
		if err != nil {
			return err
		}
		at, err := g.table.rowAt(key)
		if err != nil {
			return err
		}
		g.rows = append(g.rows, at)
	}
	return checkDistinct(g.rows)
}

func checkDistinct(rows []*ddbRow) error {
	sorted := slices.SortedFunc(slices.Values(rows), compareRows)
	if len(slices.CompactFunc(sorted, func(a, b *ddbRow) bool { return compareRows(a, b) == 0 })) != len(rows) {
		return validation("Provided list of item keys contains duplicates")
	}
	return nil
}

// read answers one table's part. Capacity is counted for each item by itself.
func (g *batchGet) read(progress *batch) (items, left []attrMap, units float64) {
	items = []attrMap{}
	for _, at := range g.rows {
		size, row := 0, g.table.get(at)
		if row != nil {
			size = row.size
		}
		if progress.full(size) {
			left = append(left, at.item)
			continue
		}
		units += readUnits(size, g.ConsistentRead)
		if row != nil {
			items = append(items, shown(row.item, g.paths))
		}
	}
	return items, left, units
}

// again is the UnprocessedKeys entry: the same request for the keys that are left.
func (g *batchGet) again(left []attrMap) map[string]any {
	out := map[string]any{"Keys": left, "ConsistentRead": g.ConsistentRead}
	if g.ProjectionExpression != nil {
		out["ProjectionExpression"] = *g.ProjectionExpression
	}
	if g.ExpressionAttributeNames != nil {
		out["ExpressionAttributeNames"] = g.ExpressionAttributeNames
	}
	return out
}

// batchWrite is one entry of a BatchWriteItem.
type batchWrite struct {
	PutRequest    *struct{ Item wireItem }
	DeleteRequest *struct{ Key wireItem }
}

// ddbBatchRow is a checked entry: the row to put, or only the place to delete at.
type ddbBatchRow struct{ at, row *ddbRow }

func (d *DynamoDB) batchWriteItem(req *Request) (any, error) {
	var in struct {
		RequestItems           map[string][]batchWrite
		ReturnConsumedCapacity string
	}
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	total := 0
	for _, entries := range in.RequestItems {
		total += len(entries)
	}
	if err := checkBatch(total, maxBatchWrites, "BatchWriteItem", in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	names := slices.Sorted(maps.Keys(in.RequestItems))
	tables, rows := map[string]*ddbTable{}, map[string][]ddbBatchRow{}
	for _, name := range names {
		t, err := d.usable(name)
		if err != nil {
			return nil, err
		}
		if rows[name], err = t.batchRows(in.RequestItems[name]); err != nil {
			return nil, err
		}
		tables[name] = t
	}
	unprocessed, capacity, progress := map[string][]any{}, []any{}, &batch{limit: d.batchLimit}
	for _, name := range names {
		t, units := tables[name], 0.0
		for _, e := range rows[name] {
			if progress.full(0) {
				unprocessed[name] = append(unprocessed[name], e.again())
				continue
			}
			units += writeUnits(t.get(e.at), e.row)
			d.store(t, e.at, e.row)
		}
		d.spend(t, 0, units)
		if c := consumed(t, in.ReturnConsumedCapacity, units); c != nil {
			capacity = append(capacity, c)
		}
	}
	out := map[string]any{"UnprocessedItems": unprocessed}
	if len(capacity) > 0 {
		out["ConsumedCapacity"] = capacity
	}
	return out, nil
}

// batchRows checks one table's entries.
func (t *ddbTable) batchRows(entries []batchWrite) ([]ddbBatchRow, error) {
	out, places := make([]ddbBatchRow, 0, len(entries)), make([]*ddbRow, 0, len(entries))
	for _, e := range entries {
		r, err := t.batchRow(e)
		if err != nil {
			return nil, err
		}
		out, places = append(out, r), append(places, r.at)
	}
	return out, checkDistinct(places)
}

func (t *ddbTable) batchRow(e batchWrite) (ddbBatchRow, error) {
	switch {
	case (e.PutRequest == nil) == (e.DeleteRequest == nil):
		return ddbBatchRow{}, validation("Supplied AttributeValue has to have exactly one of PutRequest and DeleteRequest")
	case e.DeleteRequest != nil:
		key, err := e.DeleteRequest.Key.item()
		if err != nil {
			return ddbBatchRow{}, err
		}
		at, err := t.rowAt(key)
		return ddbBatchRow{at: at}, err
	}
	item, err := e.PutRequest.Item.item()
	if err != nil {
		return ddbBatchRow{}, err
	}
	row, err := t.rowToPut(item)
	return ddbBatchRow{at: row, row: row}, err
}

// again is the UnprocessedItems entry.
func (e ddbBatchRow) again() any {
	if e.row == nil {
		return map[string]any{"DeleteRequest": map[string]any{"Key": e.at.item}}
	}
	return map[string]any{"PutRequest": map[string]any{"Item": e.row.item}}
}
