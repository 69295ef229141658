package cmd

// fault notes what is wrong with a value, or with its absence.
func (d *document) fault(path, value, rule string) {
	if d.full() {
		return
	}
	n, exact := d.locate(path)
	value, rule = d.hide(path, value, rule)
	p := &ConfigError{File: d.file, Field: path, Value: value, Rule: rule}
	if n != nil && (exact || n != d.root) {
		p.Line, p.Column = n.Line, n.Column
	}
	d.problems = append(d.problems, p)
}
