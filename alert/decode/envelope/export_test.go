package envelope

import "kinesis-alerter/alert/payload"

// ReadShort reads by the short way alone.
func (b *Batch) ReadShort(data []byte, pieces int) (fault *payload.Fault, sure bool) {
	_ = b.Read(nil, 0) // for the names
	b.begin(data)
	return b.readShort(pieces)
}

// ReadStrictly reads without the short way.
func (b *Batch) ReadStrictly(data []byte, pieces int) *payload.Fault {
	_ = b.Read(nil, 0)
	b.begin(data)
	return b.readStrictly(pieces)
}
