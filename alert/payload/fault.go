package payload

// Fault is why a record, or a piece of one, cannot be decoded: the defect, which is counted, and what a person wants to
// know of it, such as "gzip: truncated at byte 1204 of 3000".
type Fault struct { //nolint:errname // records have faults, which are no errors of ours
	Defect Defect
	Detail string
}

func (f *Fault) Error() string { return f.Detail }
