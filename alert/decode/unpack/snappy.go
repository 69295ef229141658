package unpack

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/klauspost/compress/s2"

	"kinesis-alerter/alert/payload"
)

const (
	// maxSnappy is more than a byte of snappy can become: three bytes copy 64.
	maxSnappy = 22
	// maxSnappyChunk is the most that a chunk of the framed format holds.
	maxSnappyChunk = 64 << 10
)

// snappy reads the framed format, that of the JVM's library (xerial) or, where neither begins, a block.
func snappy(dst []byte, kind Kind, src []byte, limit int) ([]byte, *payload.Fault) {
	switch {
	case kind == Snappy && begins(src, magicSnappy):
		return snappyFrames(dst, src, limit)
	case kind == Snappy && begins(src, magicXerial):
		return xerial(dst, src, limit)
	}
	size, fault := snappySize(kind, src, 0, len(src))
	switch {
	case fault != nil:
		return dst, fault
	case size > limit:
		return dst, beyond(kind)
	}
	return snappyInto(room(dst, size), kind, src, 0, len(src), size)
}

// snappySize is the size that the block at `at` declares, if it can be true.
func snappySize(kind Kind, src []byte, at, end int) (int, *payload.Fault) {
	size, err := s2.DecodedLen(src[at:end])
	if err != nil || size > maxSnappy*(end-at) {
		return 0, broken(kind, "no block of snappy at byte %d of %d", at, len(src))
	}
	return size, nil
}

// snappyInto unpacks a block into out, which has room for it.
func snappyInto(out []byte, kind Kind, src []byte, at, end, size int) ([]byte, *payload.Fault) {
	n := len(out)
	if _, err := s2.Decode(out[n:n+size:n+size], src[at:end]); err != nil {
		return out, broken(kind, "corrupt block at byte %d of %d", at, len(src))
	}
	return out[:n+size], nil
}

// snappyFrames reads the framed format: once for the sizes, and once for the bytes.
func snappyFrames(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	total, left := 0, limit+freeCost
	fault := eachSnappyChunk(src, func(kind byte, at, end int) *payload.Fault {
		size := end - at
		if kind == 0 {
			var fault *payload.Fault
			if size, fault = snappySize(Snappy, src, at, end); fault != nil {
				return fault
			}
		}
		if size > maxSnappyChunk {
			return broken(Snappy, "chunk of more than 64 KiB at byte %d of %d", at, len(src))
		}
		total, left = total+size, left-max(minCost, size)
		if total > limit || left < 0 {
			return beyond(Snappy)
		}
		return nil
	})
	if fault != nil {
		return dst, fault
	}
	out := room(dst, total)
	fault = eachSnappyChunk(src, func(kind byte, at, end int) (fault *payload.Fault) {
		begin := len(out)
		if kind == 1 {
			out = append(out, src[at:end]...)
		} else {
			size, _ := s2.DecodedLen(src[at:end])
			if out, fault = snappyInto(out, Snappy, src, at, end, size); fault != nil {
				return fault
			}
		}
		sum := crc32.Checksum(out[begin:], crc32.MakeTable(crc32.Castagnoli))
		if binary.LittleEndian.Uint32(src[at-4:]) != (sum>>15|sum<<17)+0xa282ead8 {
			return broken(Snappy, "checksum error at byte %d of %d", at-4, len(src))
		}
		return nil
	})
	return out, fault
}

// eachSnappyChunk walks the chunks that hold data: kind is 0 for a block, and 1 for bytes as they are.
func eachSnappyChunk(src []byte, do func(kind byte, at, end int) *payload.Fault) *payload.Fault {
	for at := 0; at < len(src); {
		if len(src)-at < 4 {
			return truncated(Snappy, src)
		}
		kind := src[at]
		begin := at + 4
		end := begin + (int(src[at+1]) | int(src[at+2])<<8 | int(src[at+3])<<16)
		if end > len(src) {
			return truncated(Snappy, src)
		}
		switch {
		case kind <= 1:
			if end-begin < 4 {
				return broken(Snappy, "chunk without a checksum at byte %d of %d", at, len(src))
			}
			if fault := do(kind, begin+4, end); fault != nil {
				return fault
			}
		case kind == 0xff && string(src[at:end]) != magicSnappy:
			return broken(Snappy, "another stream at byte %d of %d", at, len(src))
		case kind < 0x80:
			return broken(Snappy, "unknown chunk at byte %d of %d", at, len(src))
		}
		at = end
	}
	return nil
}

// xerial reads the format of the JVM's library: a header, and blocks with their lengths.
func xerial(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	total, left := 0, limit+freeCost
	fault := eachXerialBlock(src, func(at, end int) *payload.Fault {
		size, fault := snappySize(Snappy, src, at, end)
		if fault != nil {
			return fault
		}
		total, left = total+size, left-max(minCost, size)
		if total > limit || left < 0 {
			return beyond(Snappy)
		}
		return nil
	})
	if fault != nil {
		return dst, fault
	}
	out := room(dst, total)
	fault = eachXerialBlock(src, func(at, end int) (fault *payload.Fault) {
		size, _ := s2.DecodedLen(src[at:end])
		out, fault = snappyInto(out, Snappy, src, at, end, size)
		return fault
	})
	return out, fault
}

// eachXerialBlock walks the blocks. Streams may be joined.
func eachXerialBlock(src []byte, do func(at, end int) *payload.Fault) *payload.Fault {
	for at := 0; at < len(src); {
		if begins(src[at:], magicXerial) {
			if at += 16; at > len(src) { // behind the magic number: two versions
				return truncated(Snappy, src)
			}
			continue
		}
		if len(src)-at < 4 {
			return truncated(Snappy, src)
		}
		begin, size := at+4, uint64(binary.BigEndian.Uint32(src[at:]))
		if size > uint64(len(src)-begin) {
			return truncated(Snappy, src)
		}
		end := begin + int(size)
		if fault := do(begin, end); fault != nil {
			return fault
		}
		at = end
	}
	return nil
}
