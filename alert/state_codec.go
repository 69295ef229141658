package alert

import (
	"encoding/binary"
	"math"
)

// writer appends the parts of a snapshot.
type writer struct {
	buf    []byte
	format byte // of entries
	// audiences maps a rule's audiences to their indexes in the snapshot.
	audiences []uint64
}

func (w *writer) uint(n uint64) { w.buf = binary.AppendUvarint(w.buf, n) }

func (w *writer) int(n int64) { w.buf = binary.AppendVarint(w.buf, n) }

func (w *writer) blob(b []byte) { w.uint(uint64(len(b))); w.buf = append(w.buf, b...) }

func (w *writer) text(s string) { w.uint(uint64(len(s))); w.buf = append(w.buf, s...) }

func (w *writer) float(f float64) {
	w.buf = binary.BigEndian.AppendUint64(w.buf, math.Float64bits(f))
}

// reader reads the parts of a snapshot. After the first part that is missing or malformed, it has failed and returns
// zeros.
type reader struct {
	buf    []byte
	failed bool
}

func (r *reader) fail() { r.failed, r.buf = true, nil }

func (r *reader) uint() uint64 {
	n, size := binary.Uvarint(r.buf)
	r.skip(size)
	return n
}

// small reads a number of at most most.
func (r *reader) small(most uint32) uint32 {
	return uint32(min(r.uint(), uint64(most))) //nolint:gosec // bounded in the same line
}

func (r *reader) int() int64 {
	n, size := binary.Varint(r.buf)
	r.skip(size)
	return n
}

// time reads a time in milliseconds, clamped to the valid range.
func (r *reader) time() int64 { return min(max(r.int(), 0), maxMillis) }

// severity reads an index of severities.
func (r *reader) severity() uint8 { return uint8(r.small(2)) } //nolint:gosec // at most 2

func (r *reader) skip(size int) {
	if size <= 0 {
		r.fail()
		return
	}
	r.buf = r.buf[size:]
}

// count reads a number of things that each take at least one byte. It is for loops that stop at the first failure.
func (r *reader) count() uint64 {
	n := r.uint()
	if n > uint64(len(r.buf)) {
		r.fail()
		return 0
	}
	return n
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.buf)) {
		r.fail()
		return nil
	}
	out := r.buf[:n]
	r.buf = r.buf[n:]
	return out
}

func (r *reader) text() string { return string(r.take(r.uint())) }

func (r *reader) float() float64 {
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}
