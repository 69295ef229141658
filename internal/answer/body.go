package answer

import (
	"bytes"
	"fmt"
	"io"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	// mostError is the bound of an error answer.
	mostError = 64 * kib
	// defaultMost is the bound of the answer to an operation without a check.
	defaultMost = 4 * mib
	// MostRecords is the bound of a GetRecords answer: 10 MiB of payload in base64, and what goes with 10,000 records.
	MostRecords = 24 * mib
)

func tooLong(most int64) *BadError {
	return &BadError{What: fmt.Sprintf("it has more than %d KiB", most/kib)}
}

// boundedBody ends a body that is too long with an error.
type boundedBody struct {
	io.ReadCloser

	left, most int64
	err        error
}

// Read implements io.Reader. After the bound it reads nothing more, also when the SDK drains what an error leaves.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.err = tooLong(b.most)
		return 0, b.err
	}
	return n, err
}

// readAll reads a body of at most most bytes; announced is its Content-Length.
func readAll(body io.Reader, announced, most int64) ([]byte, error) {
	var buf bytes.Buffer
	if announced > 0 {
		buf.Grow(int(min(announced, most)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(body, most+1))
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, tooLong(most)
	}
	return buf.Bytes(), nil
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }
