package unpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/adler32"
	"hash/crc32"
	"io"
	"unicode/utf8"

	"github.com/klauspost/compress/flate"

	"kinesis-alerter/alert/payload"
)

// maxDeflate is the most that a byte of deflate can become.
const maxDeflate = 1032

// errBeyond is the breach of the limit.
var errBeyond = errors.New("beyond the limit")

// flow is what comes out of deflate: stored while there is room, and counted behind that. So a bomb takes no memory.
type flow struct {
	out   []byte // its capacity is within the limit
	start int
	more  int // bytes that were not stored
	limit int
	crc   uint32
	adler bool
}

func (f *flow) size() int { return len(f.out) - f.start + f.more }

// maxBarren is how many bytes of deflate may make nothing. A block that makes nothing can cost more than most that
// make something, and the reader returns only with what was made: at the latest when its window of 32 KiB is full,
// which takes 60 KiB in the worst code.
const maxBarren = 256 << 10

// metered gives the bytes of a stream that is long, and ends one that makes nothing for too long. It is slower than
// bytes.Reader, for which the library has code of its own.
type metered struct {
	src       []byte
	at, since int
}

func (m *metered) ReadByte() (byte, error) {
	switch {
	case m.at == len(m.src):
		return 0, io.EOF
	case m.at-m.since > maxBarren:
		return 0, errBeyond
	}
	m.at++
	return m.src[m.at-1], nil
}

// Read is for the bytes of blocks that are not compressed, which are as many as they make.
func (m *metered) Read(p []byte) (int, error) {
	if m.at == len(m.src) {
		return 0, io.EOF
	}
	n := copy(p, m.src[m.at:])
	m.at += n
	return n, nil
}

// inflateInto unpacks the deflate stream at the beginning of src, and returns how long it is.
func (u *Unpacker) inflateInto(f *flow, src []byte) (int, error) {
	u.source.Reset(src)
	var from flate.Reader = &u.source
	long := len(src) > maxBarren
	if long {
		u.metered = metered{src: src}
		from = &u.metered
		defer func() { u.metered = metered{} }()
	}
	if u.inflate == nil {
		u.inflate = flate.NewReader(from)
	} else if err := u.inflate.(flate.Resetter).Reset(from, nil); err != nil {
		return 0, err
	}
	for {
		space := f.out[len(f.out):cap(f.out)]
		stored := len(space) > 0 && f.more == 0
		if !stored {
			if u.scratch == nil {
				u.scratch = make([]byte, 32<<10)
			}
			space = u.scratch
		}
		n, err := u.inflate.Read(space)
		if n > 0 {
			u.metered.since = u.metered.at
		}
		if f.adler {
			f.crc = updateAdler(f.crc, space[:n])
		} else {
			f.crc = crc32.Update(f.crc, crc32.IEEETable, space[:n])
		}
		if stored {
			f.out = f.out[:len(f.out)+n]
		} else {
			f.more += n
		}
		switch {
		case f.size() > f.limit:
			return 0, errBeyond
		case err == io.EOF:
			if long {
				return u.metered.at, nil
			}
			return len(src) - u.source.Len(), nil
		case err != nil:
			return 0, err
		}
	}
}

// maxGuess is how much is allocated before it is known what comes: every bomb may say that it is small enough.
const maxGuess = 4 << 20

// inflated runs a reader of one of the formats around deflate. What outgrows its memory is counted first, and then
// unpacked once more into exactly that.
func (u *Unpacker) inflated(dst []byte, limit, guess int, read func(f *flow) *payload.Fault) (
	[]byte, *payload.Fault,
) {
	out := room(dst, min(limit, guess, maxGuess))
	for {
		f := &u.flow
		*f = flow{out: out[:len(dst):min(cap(out), len(dst)+limit)], start: len(dst), limit: limit}
		fault := read(f)
		unpacked, size, more := f.out, f.size(), f.more
		f.out = nil
		if fault != nil || more == 0 {
			return unpacked, fault
		}
		out = room(dst, size)
	}
}

// inflateFault is what is wrong with a deflate stream that begins at `at`.
func inflateFault(kind Kind, err error, at int, src []byte) *payload.Fault {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, errBeyond):
		return beyond(kind)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return truncated(kind, src)
	case errors.As(err, &corrupt):
		return broken(kind, "corrupt at byte %d of %d", min(at+int(corrupt), len(src)), len(src))
	}
	return broken(kind, "%v, in the data at byte %d of %d", err, at, len(src))
}

// gzip reads the members of a gzip file, and the zeros that may pad it.
func (u *Unpacker) gzip(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	guess := 0
	if len(src) > 4 { // the size of the last member: a guess, as there may be others, and it may be a lie
		guess = int(min(uint64(binary.LittleEndian.Uint32(src[len(src)-4:])), maxDeflate*uint64(len(src))))
	}
	return u.inflated(dst, limit, guess, func(f *flow) *payload.Fault {
		left := limit + freeCost
		for at := 0; ; {
			before := f.size()
			begin, fault := gzipHeader(src, at)
			if fault != nil {
				return fault
			}
			f.crc = 0
			n, err := u.inflateInto(f, src[begin:])
			if err != nil {
				return inflateFault(Gzip, err, begin, src)
			}
			end := begin + n
			if len(src)-end < 8 {
				return truncated(Gzip, src)
			}
			size := f.size() - before
			if binary.LittleEndian.Uint32(src[end:]) != f.crc ||
				binary.LittleEndian.Uint32(src[end+4:]) != uint32(size) {
				return broken(Gzip, "checksum error at byte %d of %d", end, len(src))
			}
			at = end + 8
			if left -= max(minCost, size); left < 0 {
				return beyond(Gzip)
			}
			if len(bytes.TrimLeft(src[at:], "\x00")) == 0 {
				return nil
			}
		}
	})
}

// The flags in a member's header.
const (
	gzipHeaderSum = 1 << 1
	gzipExtra     = 1 << 2
	gzipName      = 1 << 3
	gzipComment   = 1 << 4
	gzipReserved  = 7 << 5
)

// gzipHeader returns where the deflate stream of the member at `at` begins.
func gzipHeader(src []byte, at int) (int, *payload.Fault) {
	head := src[at:]
	switch {
	case begins(head, magicGzip):
	case len(head) < len(magicGzip) && string(head) == magicGzip[:len(head)]:
		return 0, truncated(Gzip, src)
	case at > 0:
		return 0, broken(Gzip, "data behind the last member, at byte %d of %d", at, len(src))
	default:
		return 0, broken(Gzip, "does not begin with 1f 8b 08")
	}
	if len(head) < 10 {
		return 0, truncated(Gzip, src)
	}
	flags, n := head[3], 10
	if flags&gzipReserved != 0 {
		return 0, broken(Gzip, "unknown flags at byte %d of %d", at+3, len(src))
	}
	if flags&gzipExtra != 0 {
		if len(head) < n+2 {
			return 0, truncated(Gzip, src)
		}
		n += 2 + int(binary.LittleEndian.Uint16(head[n:]))
	}
	for _, flag := range []byte{gzipName, gzipComment} {
		if flags&flag == 0 {
			continue
		}
		length := -1
		if n < len(head) {
			length = bytes.IndexByte(head[n:], 0)
		}
		if length < 0 {
			return 0, truncated(Gzip, src)
		}
		n += length + 1
	}
	if flags&gzipHeaderSum != 0 {
		if len(head) < n+2 {
			return 0, truncated(Gzip, src)
		}
		if binary.LittleEndian.Uint16(head[n:]) != uint16(crc32.ChecksumIEEE(head[:n])) {
			return 0, broken(Gzip, "checksum error at byte %d of %d", at+n, len(src))
		}
		n += 2
	}
	if n > len(head) {
		return 0, truncated(Gzip, src)
	}
	return at + n, nil
}

// maxTextRead is how far deflate gets in text at most: in all likelihood its first block is already impossible.
const maxTextRead = 64

// zlib reads a zlib stream. text reports that this may as well be text that happens to begin so.
func (u *Unpacker) zlib(dst, src []byte, limit int) (out []byte, text bool, fault *payload.Fault) {
	switch {
	case len(src) < 2:
		return dst, false, truncated(Zlib, src)
	case src[0]&0x0f != 8 || src[0]>>4 > 7 || binary.BigEndian.Uint16(src)%31 != 0:
		return dst, false, broken(Zlib, "does not begin with a header of zlib, such as 78 9c")
	case src[1]&0x20 != 0:
		return dst, false, broken(Zlib, "needs a preset dictionary, at byte 2 of %d", len(src))
	}
	out, fault = u.inflated(dst, limit, 4*len(src), func(f *flow) *payload.Fault {
		f.crc, f.adler = 1, true
		n, err := u.inflateInto(f, src[2:])
		if err != nil {
			var corrupt flate.CorruptInputError
			text = f.more == 0 && err != errBeyond && //nolint:errorlint // our own, never wrapped
				(utf8.Valid(src) || errors.As(err, &corrupt) && corrupt <= maxTextRead)
			return inflateFault(Zlib, err, 2, src)
		}
		switch end := 2 + n; {
		case len(src)-end < 4:
			text = utf8.Valid(src)
			return truncated(Zlib, src)
		case binary.BigEndian.Uint32(src[end:]) != f.crc:
			text = utf8.Valid(src)
			return broken(Zlib, "checksum error at byte %d of %d", end, len(src))
		case len(src)-end > 4:
			return broken(Zlib, "data behind the end, at byte %d of %d", end+4, len(src))
		}
		return nil
	})
	return out, text, fault
}

// deflate reads a deflate stream without anything around it.
func (u *Unpacker) deflate(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	return u.inflated(dst, limit, 4*len(src), func(f *flow) *payload.Fault {
		n, err := u.inflateInto(f, src)
		switch {
		case err != nil:
			return inflateFault(Deflate, err, 0, src)
		case n < len(src):
			return broken(Deflate, "data behind the end, at byte %d of %d", n, len(src))
		}
		return nil
	})
}

// updateAdler adds bytes to an Adler-32 sum.
func updateAdler(sum uint32, p []byte) uint32 {
	const mod = 65521
	// The sum of p alone begins with 1; what came before counts into the second half once for each byte.
	own := adler32.Checksum(p)
	a, b := sum&0xffff, sum>>16
	ownA, ownB := own&0xffff, own>>16
	n := uint32(len(p) % mod)
	return (b+ownB+(a+mod-1)%mod*n%mod)%mod<<16 | (a+ownA+mod-1)%mod
}
