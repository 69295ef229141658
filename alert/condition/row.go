package condition

import (
	"bytes"

	"kinesis-alerter/alert/payload"
)

// wantedCell is a cell that the schema looks at.
type wantedCell struct {
	cell int
	node *fieldNode
}

// rowShape are the cells to look at in rows with certain names.
type rowShape struct {
	names *payload.Names
	cells []wantedCell
}

// look finds the cells to look at. Rows of one shape follow each other, so that it is rare.
func (x *rowShape) look(names *payload.Names, root *fieldNode) {
	x.names, x.cells = names, x.cells[:0]
	for i := range names.Len() {
		if node := root.find([]byte(names.At(i))); node != nil {
			x.cells = append(x.cells, wantedCell{i, node})
		}
	}
}

// TakesRows reports whether DecodeRow finds all that the schema looks at: there are no members that are wanted as the
// document has them, as a row has no document.
func (s *Schema) TakesRows() bool { return !s.Text && s.raws == 0 }

// DecodeRow is Decode for a record that is a row: it fills the slots as Decode does from the row's JSON text, see
// Schema.TakesRows.
func (d *Decoder) DecodeRow(row *payload.Row, slots []Value) payload.Defect {
	d.reset()
	if d.rows.names != row.Names {
		d.rows.look(row.Names, &d.schema.root)
	}
	for _, w := range d.rows.cells {
		cell := &row.Cells[w.cell]
		switch cell.Kind {
		case payload.Absent:
			continue
		case payload.Text:
			if w.node.slot >= 0 && !w.node.shadowed {
				d.Touched = append(d.Touched, w.node.slot)
				slots[w.node.slot] = Value{Kind: Text, Raw: cell.Raw}
			}
		case payload.JSON, payload.Object:
			if cell.Kind == payload.Object && !payload.MayBeObject(cell.Raw) {
				continue
			}
			present, defect := d.cell(w.node, cell, slots)
			if defect != "" {
				return defect
			}
			if !present {
				continue
			}
		}
		if w.node.shadowed {
			d.Shadowed[w.node.slot] = true
		}
	}
	return ""
}

// cell reads a value in JSON. It is not present if it is no object, where it has to be one.
func (d *Decoder) cell(node *fieldNode, cell *payload.Cell, slots []Value) (present bool, defect payload.Defect) {
	mark := len(d.Touched)
	if d.scanCell(node, cell.Raw, slots) {
		return true, ""
	}
	for _, slot := range d.Touched[mark:] {
		slots[slot] = Value{}
	}
	d.Touched = d.Touched[:mark]
	if cell.Kind == payload.Object && !payload.IsObject(cell.Raw) {
		return false, ""
	}
	if node.shadowed {
		return true, ""
	}
	d.input = *bytes.NewBuffer(cell.Raw)
	d.json.Reset(&d.input)
	return true, d.member(node, cell.Raw, slots)
}

// scanCell is scan for the value of a member.
func (d *Decoder) scanCell(node *fieldNode, data []byte, slots []Value) bool {
	s := &d.short
	s.data, s.slots, s.d = data, slots, d
	s.names.reset()
	below := node
	if node.shadowed {
		below = nil
	}
	from := s.space(0)
	end := s.value(from, below, 0)
	ok := end >= 0 && s.space(end) == len(data)
	if ok && node.slot >= 0 && !node.shadowed {
		var v Value
		if v, ok = s.wanted(data[from:end]); ok {
			d.Touched = append(d.Touched, node.slot)
			slots[node.slot] = v
		}
	}
	s.data, s.slots = nil, nil
	return ok
}

// reset forgets the document before.
func (d *Decoder) reset() {
	d.scratch = d.scratch[:0]
	d.Touched = d.Touched[:0]
	clear(d.Shadowed[:])
	clear(d.Raw)
}
