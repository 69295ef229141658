package unpack

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/zstd"

	"kinesis-alerter/alert/payload"
)

const (
	// maxWindow is what the command declares at its highest levels. It costs nothing, as nothing is allocated for it.
	maxWindow = 128 << 20
	// maxZstdBlock is the most that a block of zstd holds.
	maxZstdBlock = 128 << 10
	// zstdSlack is what the library's fast paths want behind the end.
	zstdSlack = 16
	// emptySum is the checksum of an empty frame.
	emptySum = 0x51d8e999
)

// zstdFrame is a frame of zstd. Its sizes are known without unpacking it.
type zstdFrame struct {
	end         int
	window      int
	least, most int // bytes that it holds
	cost        int // of its blocks
	empty       bool
}

// zstandard reads frames of zstd.
func (u *Unpacker) zstandard(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	least, most, window, left := 0, 0, 0, limit+freeCost
	for at := 0; at < len(src); {
		f, fault := readZstdFrame(src, at)
		if fault != nil {
			return dst, fault
		}
		least, most, window, left = least+f.least, most+f.most, max(window, f.window), left-f.cost
		if least > limit || left < 0 {
			return dst, beyond(Zstd)
		}
		at = f.end
	}
	if most == 0 {
		return dst, nil
	}
	decoder, err := u.zstdDecoder()
	if err != nil {
		return dst, broken(Zstd, "%v", err)
	}
	space := most + zstdSlack
	if most > limit {
		// The library stops behind the block that breaks the limit, and must have room for that.
		if space = limit + maxZstdBlock + zstdSlack; window > limit && limit > 16<<20 {
			return dst, beyond(Zstd)
		}
		if window <= limit {
			if decoder, err = u.tightZstdDecoder(max(limit, 1)); err != nil {
				return dst, broken(Zstd, "%v", err)
			}
		}
	}
	out := room(dst, space)
	for at := 0; at < len(src); {
		f, fault := readZstdFrame(src, at)
		if fault != nil {
			return dst, fault
		}
		if !f.empty {
			n := len(out)
			part, err := decoder.DecodeAll(src[at:f.end], out[n:n:cap(out)])
			switch {
			case errors.Is(err, zstd.ErrDecoderSizeExceeded), n+len(part)-len(dst) > limit:
				return dst, beyond(Zstd)
			case errors.Is(err, zstd.ErrCRCMismatch):
				return dst, broken(Zstd, "checksum error at byte %d of %d", f.end-4, len(src))
			case err != nil:
				return dst, broken(Zstd, "%v, in the frame at byte %d of %d", err, at, len(src))
			case len(part) > 0 && &part[0] == &out[:n+1][n]:
				out = out[:n+len(part)]
			default:
				out = append(out, part...)
			}
		}
		at = f.end
	}
	return out, nil
}

func (u *Unpacker) zstdDecoder() (*zstd.Decoder, error) {
	if u.zstd == nil {
		var err error
		if u.zstd, err = newZstdDecoder(); err != nil {
			return nil, err
		}
	}
	return u.zstd, nil
}

// tightZstdDecoder is a decoder that stops behind the block that breaks the limit. The library's bound is of windows,
// too.
func (u *Unpacker) tightZstdDecoder(limit int) (*zstd.Decoder, error) {
	if u.tight == nil || u.tightLimit != limit {
		var err error
		if u.tight, err = newZstdDecoder(zstd.WithDecoderMaxMemory(uint64(limit))); err != nil {
			return nil, err
		}
		u.tightLimit = limit
	}
	return u.tight, nil
}

// newZstdDecoder makes a decoder that starts no goroutine, and allocates nothing for what it unpacks to.
func newZstdDecoder(more ...zstd.DOption) (*zstd.Decoder, error) {
	return zstd.NewReader(nil, append([]zstd.DOption{
		zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxWindow(maxWindow),
	}, more...)...)
}

// skip returns the end of a skippable frame.
func skip(src []byte, at int) (end int, ok bool) {
	if len(src)-at < 8 {
		return 0, false
	}
	size := uint64(binary.LittleEndian.Uint32(src[at+4:]))
	if size > uint64(len(src)-at-8) {
		return 0, false
	}
	return at + 8 + int(size), true
}

// readZstdFrame reads the headers of the frame at `at` and of its blocks.
func readZstdFrame(src []byte, at int) (f zstdFrame, fault *payload.Fault) {
	head := src[at:]
	if skippable(head) {
		end, ok := skip(src, at)
		if !ok {
			return f, truncated(Zstd, src)
		}
		return zstdFrame{end: end, empty: true}, nil
	}
	switch {
	case begins(head, magicZstd):
	case len(head) < len(magicZstd) && string(head) == magicZstd[:len(head)],
		len(head) < 4 && head[0]&0xf0 == 0x50 && string(head[1:]) == magicSkippable[:len(head)-1]:
		return f, truncated(Zstd, src)
	case at > 0:
		return f, broken(Zstd, "data behind the last frame, at byte %d of %d", at, len(src))
	default:
		return f, broken(Zstd, "does not begin with 28 b5 2f fd")
	}
	if len(head) < 5 {
		return f, truncated(Zstd, src)
	}
	flags, n := head[4], 5
	single, sum := flags&(1<<5) != 0, flags&(1<<2) != 0
	dictionary := []int{0, 1, 2, 4}[flags&3]
	sizes := []int{0, 2, 4, 8}[flags>>6]
	if single && sizes == 0 {
		sizes = 1
	}
	windows := 1
	if single {
		windows = 0
	}
	switch {
	case flags&(1<<3) != 0:
		return f, broken(Zstd, "unknown flags at byte %d of %d", at+4, len(src))
	case len(head) < n+windows+dictionary+sizes:
		return f, truncated(Zstd, src)
	}
	if !single {
		exponent, mantissa := head[n]>>3, uint64(head[n]&7)
		window := uint64(1) << (10 + exponent)
		window += window / 8 * mantissa
		if window > maxWindow {
			return f, broken(Zstd, "window of %d MiB declared, above %d, at byte %d of %d",
				window>>20, maxWindow>>20, at+n, len(src))
		}
		f.window = int(window)
	}
	for _, b := range head[n+windows : n+windows+dictionary] {
		if b != 0 {
			return f, broken(Zstd, "needs a dictionary, at byte %d of %d", at+n+windows, len(src))
		}
	}
	n += windows + dictionary
	declared, known := uint64(0), sizes > 0
	switch sizes {
	case 1:
		declared = uint64(head[n])
	case 2:
		declared = uint64(binary.LittleEndian.Uint16(head[n:])) + 256
	case 4:
		declared = uint64(binary.LittleEndian.Uint32(head[n:]))
	case 8:
		declared = binary.LittleEndian.Uint64(head[n:])
	}
	n += sizes
	f.empty, f.cost = true, minCost
	for last := false; !last; {
		if len(head) < n+3 {
			return f, truncated(Zstd, src)
		}
		block := int(head[n]) | int(head[n+1])<<8 | int(head[n+2])<<16
		last = block&1 != 0
		size, kind := block>>3, block>>1&3
		if size > maxZstdBlock {
			return f, broken(Zstd, "block of %d bytes, above %d, at byte %d of %d", size, maxZstdBlock, at+n, len(src))
		}
		f.cost += minCost
		held := size
		switch kind {
		case 0: // as it is
			f.least, f.most = f.least+size, f.most+size
			f.empty = f.empty && size == 0
		case 1: // one byte many times
			f.least, f.most = f.least+size, f.most+size
			f.empty, held = false, 1
		case 2:
			f.most += maxZstdBlock
			f.empty = false
		default:
			return f, broken(Zstd, "unknown block at byte %d of %d", at+n, len(src))
		}
		if n += 3 + held; len(head) < n {
			return f, truncated(Zstd, src)
		}
	}
	if sum {
		if n += 4; len(head) < n {
			return f, truncated(Zstd, src)
		}
		if f.empty && binary.LittleEndian.Uint32(head[n-4:]) != emptySum {
			return f, broken(Zstd, "checksum error at byte %d of %d", at+n-4, len(src))
		}
	}
	if known {
		if declared < uint64(f.least) || declared > uint64(f.most) {
			return f, broken(
				Zstd, "the frame at byte %d of %d declares %d bytes, and holds others", at, len(src), declared,
			)
		}
		f.least, f.most = int(declared), int(declared)
		if single {
			f.window = f.least
		}
	}
	f.end = at + n
	return f, nil
}
