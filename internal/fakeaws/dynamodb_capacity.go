package fakeaws

import "slices"

// Bytes that one capacity unit pays for.
const (
	readUnit  = 4 << 10
	writeUnit = 1 << 10
)

// ddbUsage is what one table's requests have consumed.
type ddbUsage struct{ read, write float64 }

// readUnits is the price of reading so many bytes at once: at least one unit, half of it when eventually consistent.
func readUnits(bytes int, consistent bool) float64 {
	units := float64(max(1, (bytes+readUnit-1)/readUnit))
	if !consistent {
		units /= 2
	}
	return units
}

// writeUnits is the price of a write by the larger of the item before and after it; nil rows count nothing.
func writeUnits(rows ...*ddbRow) float64 {
	size := 0
	for _, r := range rows {
		if r != nil {
			size = max(size, r.size)
		}
	}
	return float64(max(1, (size+writeUnit-1)/writeUnit))
}

// spend adds to a table's running totals.
func (d *DynamoDB) spend(t *ddbTable, read, write float64) {
	u, ok := d.usage[t.name]
	if !ok {
		u = &ddbUsage{}
		d.usage[t.name] = u
	}
	u.read += read
	u.write += write
}

// consumed is a ConsumedCapacity member, or nil when it was not asked for.
func consumed(t *ddbTable, asked string, units float64) map[string]any {
	switch asked {
	case "TOTAL":
		return map[string]any{"TableName": t.name, "CapacityUnits": units}
	case "INDEXES":
		return map[string]any{
			"TableName": t.name, "CapacityUnits": units, "Table": map[string]any{"CapacityUnits": units},
		}
	}
	return nil
}

// oneOf refuses a value that is neither empty nor listed.
func oneOf(member, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return validation(
		"1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy enum "+
			"value set: %v",
		value, member, allowed,
	)
}
