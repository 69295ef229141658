package fakeaws

import (
	"cmp"
	"math/bits"
	"slices"
)

// maxPage is how many bytes of items Scan looks at for one answer, before the filter.
const maxPage = 1 << 20

const (
	selectAll       = "ALL_ATTRIBUTES"
	selectSpecific  = "SPECIFIC_ATTRIBUTES"
	selectCount     = "COUNT"
	selectProjected = "ALL_PROJECTED_ATTRIBUTES"
)

// pageRequest is a request of Scan for one page.
type pageRequest struct {
	exprRequest
	ExclusiveStartKey wireItem
	Limit             *int
	Select            string
	IndexName         string
	ConsistentRead    bool
}

// ddbPage is a checked pageRequest.
type ddbPage struct {
	in     *pageRequest
	filter exprNode
	paths  []exprPath
	start  attrMap
	count  bool
}

// page checks the shared part. The caller parses its own expressions before, and then asks params.unused.
func (r *pageRequest) page(params *exprParams) (*ddbPage, error) {
	p := &ddbPage{in: r}
	var err error
	switch {
	case r.IndexName != "":
		return nil, validation("The table does not have the specified index: %s", r.IndexName)
	case r.Limit != nil && *r.Limit < 1:
		return nil, validation(
			"1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have "+
				"value greater than or equal to 1",
			*r.Limit,
		)
	case r.Select == selectProjected:
		return nil, validation(
			"One or more parameter values were invalid: ALL_PROJECTED_ATTRIBUTES can be used only when Querying " +
				"using an IndexName",
		)
	case r.Select == selectSpecific && r.ProjectionExpression == nil:
		return nil, validation(
			"One or more parameter values were invalid: Must specify the AttributesToGet or ProjectionExpression " +
				"when choosing to get SPECIFIC_ATTRIBUTES",
		)
	case (r.Select == selectAll || r.Select == selectCount) && r.ProjectionExpression != nil:
		return nil, validation(
			"One or more parameter values were invalid: Cannot specify the ProjectionExpression when choosing to "+
				"get %s",
			r.Select,
		)
	}
	if err := oneOf("select", r.Select, selectSpecific, selectCount, selectAll, selectProjected); err != nil {
		return nil, err
	}
	if p.paths, err = optionalProjection(r.ProjectionExpression, params); err != nil {
		return nil, err
	}
	if p.filter, err = optionalCondition("FilterExpression", r.FilterExpression, params); err != nil {
		return nil, err
	}
	if p.start, err = r.ExclusiveStartKey.item(); err != nil {
		return nil, err
	}
	p.count = r.Select == selectCount
	return p, nil
}

// answer reads one page from rows, which start behind ExclusiveStartKey.
func (d *DynamoDB) answer(t *ddbTable, p *ddbPage, rows []*ddbRow) any {
	items, scanned, count, size := []attrMap{}, 0, 0, 0
	var last *ddbRow
	for _, r := range rows {
		scanned++
		size += r.size
		if p.filter == nil || holds(p.filter, r.item) {
			count++
			items = append(items, shown(r.item, p.paths))
		}
		if p.in.Limit != nil && scanned == *p.in.Limit || size >= maxPage && scanned < len(rows) {
			last = r
			break
		}
	}
	units := readUnits(size, p.in.ConsistentRead)
	d.spend(t, units, 0)
	out := map[string]any{"Count": count, "ScannedCount": scanned}
	if !p.count {
		out["Items"] = items
	}
	if last != nil {
		out["LastEvaluatedKey"] = t.keyOf(last)
	}
	if c := consumed(t, p.in.ReturnConsumedCapacity, units); c != nil {
		out["ConsumedCapacity"] = c
	}
	return out
}

// scanRequest is Scan.
type scanRequest struct {
	pageRequest
	Segment, TotalSegments *uint64
}

// maxSegments is the largest TotalSegments.
const maxSegments = 1_000_000

func (d *DynamoDB) scan(req *Request) (any, error) {
	var in scanRequest
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	params, err := in.params()
	if err != nil {
		return nil, err
	}
	p, err := in.page(params)
	if err != nil {
		return nil, err
	}
	if err := params.unused(); err != nil {
		return nil, err
	}
	if err := in.checkSegments(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.usable(in.TableName)
	if err != nil {
		return nil, err
	}
	rows := t.rows
	if in.TotalSegments != nil {
		rows = segment(rows, *in.Segment, *in.TotalSegments)
	}
	if p.start != nil {
		at, err := t.rowAt(p.start)
		if err != nil {
			return nil, validation("The provided starting key is invalid: %s", messageOf(err))
		}
		if in.TotalSegments != nil && segmentOf(at, *in.TotalSegments) != *in.Segment {
			return nil, validation("The provided starting key is invalid: Invalid ExclusiveStartKey. Please use "+
				"ExclusiveStartKey with correct Segment. "+
				"TotalSegments: %d Segment: %d", *in.TotalSegments, *in.Segment)
		}
		rows = rows[after(rows, at):]
	}
	return d.answer(t, p, rows), nil
}

func (in *scanRequest) checkSegments() error {
	switch {
	case in.Segment == nil && in.TotalSegments == nil:
		return nil
	case in.TotalSegments == nil:
		return validation(
			"The TotalSegments parameter is required but was not present in the request when Segment parameter is " +
				"present",
		)
	case in.Segment == nil:
		return validation(
			"The Segment parameter is required but was not present in the request when parameter TotalSegments is " +
				"present",
		)
	case *in.TotalSegments < 1 || *in.TotalSegments > maxSegments:
		return validation(
			"1 validation error detected: Value '%d' at 'totalSegments' failed to satisfy constraint: Member must "+
				"be between 1 and %d",
			*in.TotalSegments, maxSegments,
		)
	case *in.Segment >= *in.TotalSegments:
		return validation("The Segment parameter is zero-based and must be less than parameter TotalSegments: "+
			"Segment: %d is not less than TotalSegments: %d",
			*in.Segment, *in.TotalSegments)
	}
	return nil
}

// segmentOf cuts the ring of points into equal arcs.
func segmentOf(r *ddbRow, total uint64) uint64 {
	seg, _ := bits.Mul64(r.point, total)
	return seg
}

// segment returns the rows of one arc.
func segment(rows []*ddbRow, seg, total uint64) []*ddbRow {
	bound := func(s uint64) int {
		i, _ := slices.BinarySearchFunc(
			rows, s, func(r *ddbRow, s uint64) int { return cmp.Compare(segmentOf(r, total), s) },
		)
		return i
	}
	return rows[bound(seg):bound(seg+1)]
}

// after returns the index of the first row behind a key, which need not exist any more.
func after(rows []*ddbRow, at *ddbRow) int {
	i, found := slices.BinarySearchFunc(rows, at, compareRows)
	if found {
		i++
	}
	return i
}
