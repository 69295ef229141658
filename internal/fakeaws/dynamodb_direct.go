package fakeaws

import (
	"cmp"
	"slices"
)

// The methods in this file are for tests: they bypass the wire, cost no capacity and see no faults.

// Item returns the item whose partition key is key (a number in plain decimals, a binary key as raw bytes), or nil. In
// a table with a range key it is the partition's first item.
//
// Values are plain Go: string, int64 (a number that is one) or json.Number, []byte, bool, nil, []any, map[string]any,
// and for sets []string, []any of numbers and [][]byte. The map is the caller's.
func (d *DynamoDB) Item(table, key string) map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.tables[table]
	if !ok {
		return nil
	}
	return plainItem(itemOf(t.first(key)))
}

// first returns the first row of the partition of key, or nil.
func (t *ddbTable) first(key string) *ddbRow {
	var hash attr
	switch t.hash.code {
	case "S":
		hash = attrString(key)
	case "B":
		hash = attrBinary(key)
	default:
		n, err := parseNumber(key)
		if err != nil {
			return nil
		}
		hash = n
	}
	at := &ddbRow{point: point(hash), hash: hash}
	if i, ok := slices.BinarySearchFunc(t.rows, at, comparePartitions); ok {
		return t.rows[i]
	}
	return nil
}

// comparePartitions orders rows by partition only.
func comparePartitions(a, b *ddbRow) int {
	order, _ := attrCompare(a.hash, b.hash)
	return cmp.Or(cmp.Compare(a.point, b.point), order)
}

// Items returns all items of a table by ascending primary key, in the form of Item; nil if there is no such table.
func (d *DynamoDB) Items(table string) []map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.tables[table]
	if !ok {
		return nil
	}
	rows := slices.SortedFunc(slices.Values(t.rows), func(a, b *ddbRow) int {
		hash, _ := attrCompare(a.hash, b.hash)
		rng, _ := attrCompare(a.rng, b.rng)
		return cmp.Or(hash, rng)
	})
	out := make([]map[string]any, len(rows))
	for i, r := range rows {
		out[i] = plainItem(r.item)
	}
	return out
}

// Delete removes the item that Item returns and reports whether there was one.
func (d *DynamoDB) Delete(table, key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.tables[table]
	if !ok {
		return false
	}
	row := t.first(key)
	if row == nil {
		return false
	}
	d.store(t, row, nil)
	return true
}

// DropTable makes a table vanish at once, with everything in it.
func (d *DynamoDB) DropTable(table string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, ok := d.tables[table]; ok {
		d.drain(t)
		delete(d.tables, table)
	}
}

// Watch has fn called for every write from now on, also those of this file: old is nil for a new item, new for one
// that is gone. The maps have the form of Item and must not be changed. fn runs under the service's lock, so the calls
// are in the order of the writes; it must not call the service.
func (d *DynamoDB) Watch(fn func(table string, old, new map[string]any)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watchers = append(d.watchers, fn)
}

func (d *DynamoDB) notify(t *ddbTable, old, item attrMap) {
	if len(d.watchers) == 0 {
		return
	}
	before, after := plainItem(old), plainItem(item)
	for _, fn := range d.watchers {
		fn(t.name, before, after)
	}
}

// Consumed returns the capacity units that all requests on a table of this name have consumed so far.
func (d *DynamoDB) Consumed(table string) (readUnits, writeUnits float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u := d.usage[table]; u != nil {
		return u.read, u.write
	}
	return 0, 0
}
