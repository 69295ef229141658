package config

// Fault notes what is wrong with a value, or with its absence.
func (d *Document) Fault(path, value, rule string) {
	if d.full() {
		return
	}
	n, exact := d.Locate(path)
	value, rule = d.hide(path, value, rule)
	p := &FieldError{File: d.File, Field: path, Value: value, Rule: rule}
	if n != nil && (exact || n != d.Root) {
		p.Line, p.Column = n.Line, n.Column
	}
	d.Problems = append(d.Problems, p)
}
