package unpack

import (
	"encoding/binary"

	"github.com/pierrec/lz4/v4"

	"kinesis-alerter/alert/payload"
)

const (
	// maxLegacyBlock is the most that a block of the legacy format holds.
	maxLegacyBlock = 8 << 20
	// lz4Window is how far a linked block looks back.
	lz4Window = 64 << 10
)

// lz4Block is a block of an LZ4 frame.
type lz4Block struct {
	at, end int
	raw     bool // it is as it is
	first   bool // of its frame
	linked  bool // it refers to the blocks before it
	most    int
	sum     bool // behind it is its checksum
}

// lz4Frames reads frames of LZ4, also of the legacy format: once for the sizes, and once for the bytes.
func lz4Frames(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	total, left := 0, limit+freeCost
	fault := eachLZ4Block(src, func(b lz4Block) *payload.Fault {
		size, ok := b.end-b.at, true
		if !b.raw {
			size, ok = lz4Size(src[b.at:b.end], b.most)
		}
		if !ok || size > b.most {
			return broken(LZ4, "corrupt block at byte %d of %d", b.at, len(src))
		}
		total, left = total+size, left-max(minCost, size)
		if total > limit || left < 0 {
			return beyond(LZ4)
		}
		return nil
	}, func(int, uint64, int) *payload.Fault {
		if left -= minCost; left < 0 {
			return beyond(LZ4)
		}
		return nil
	})
	if fault != nil {
		return dst, fault
	}
	out, frame := room(dst, total), len(dst)
	fault = eachLZ4Block(src, func(b lz4Block) *payload.Fault {
		if b.first {
			frame = len(out)
		}
		if b.sum && xxh32(src[b.at:b.end]) != binary.LittleEndian.Uint32(src[b.end:]) {
			return broken(LZ4, "checksum error at byte %d of %d", b.end, len(src))
		}
		if b.raw {
			out = append(out, src[b.at:b.end]...)
			return nil
		}
		size, _ := lz4Size(src[b.at:b.end], b.most)
		n := len(out)
		var window []byte
		if b.linked {
			window = out[max(frame, n-lz4Window):n:n]
		}
		got, err := lz4.UncompressBlockWithDict(src[b.at:b.end], out[n:n+size:n+size], window)
		if err != nil || got != size {
			return broken(LZ4, "corrupt block at byte %d of %d", b.at, len(src))
		}
		out = out[:n+size]
		return nil
	}, func(at int, declared uint64, sum int) *payload.Fault {
		if declared != unknownSize && declared != uint64(len(out)-frame) {
			return broken(LZ4, "the frame at byte %d of %d declares %d bytes, and holds %d",
				at, len(src), declared, len(out)-frame)
		}
		if sum > 0 && xxh32(out[frame:]) != binary.LittleEndian.Uint32(src[sum:]) {
			return broken(LZ4, "checksum error at byte %d of %d", sum, len(src))
		}
		frame = len(out)
		return nil
	})
	return out, fault
}

// unknownSize is that of a frame that declares none.
const unknownSize = ^uint64(0)

// The flags of a frame.
const (
	lz4Dictionary  = 1 << 0
	lz4ContentSum  = 1 << 2
	lz4ContentSize = 1 << 3
	lz4BlockSums   = 1 << 4
	lz4Independent = 1 << 5
)

// eachLZ4Block walks the blocks. ended is called behind each frame, with where it begins, what size it declares, and
// where the checksum of its content is, 0 for none.
func eachLZ4Block(
	src []byte, do func(b lz4Block) *payload.Fault, ended func(at int, declared uint64, sum int) *payload.Fault,
) *payload.Fault {
	for at := 0; at < len(src); {
		head := src[at:]
		var fault *payload.Fault
		switch {
		case skippable(head):
			end, ok := skip(src, at)
			if !ok {
				return truncated(LZ4, src)
			}
			at = end
		case begins(head, magicLZ4):
			at, fault = lz4Frame(src, at, do, ended)
		case begins(head, magicLZ4Legacy):
			at, fault = lz4Legacy(src, at, do)
		case len(head) < 4 && (string(head) == magicLZ4[:len(head)] || string(head) == magicLZ4Legacy[:len(head)]):
			return truncated(LZ4, src)
		case at > 0:
			return broken(LZ4, "data behind the last frame, at byte %d of %d", at, len(src))
		default:
			return broken(LZ4, "does not begin with 04 22 4d 18")
		}
		if fault != nil {
			return fault
		}
	}
	return nil
}

// lz4Frame walks the blocks of the frame at `at`, and returns where it ends.
func lz4Frame(
	src []byte, at int, do func(b lz4Block) *payload.Fault, ended func(at int, declared uint64, sum int) *payload.Fault,
) (int, *payload.Fault) {
	begin := at
	if len(src)-at < 7 {
		return 0, truncated(LZ4, src)
	}
	flags, sizes := src[at+4], src[at+5]
	n := at + 6
	switch {
	case flags>>6 != 1 || flags&2 != 0 || sizes&0x8f != 0 || sizes>>4 < 4:
		return 0, broken(LZ4, "unknown flags at byte %d of %d", at+4, len(src))
	case flags&lz4Dictionary != 0:
		return 0, broken(LZ4, "needs a dictionary, at byte %d of %d", at+4, len(src))
	}
	most := 1 << (2*(sizes>>4) + 8)
	declared := unknownSize
	if flags&lz4ContentSize != 0 {
		if len(src)-n < 9 {
			return 0, truncated(LZ4, src)
		}
		declared = binary.LittleEndian.Uint64(src[n:])
		n += 8
	}
	if byte(xxh32(src[at+4:n])>>8) != src[n] {
		return 0, broken(LZ4, "checksum error at byte %d of %d", n, len(src))
	}
	n++
	b := lz4Block{first: true, most: most, sum: flags&lz4BlockSums != 0, linked: flags&lz4Independent == 0}
	for {
		if len(src)-n < 4 {
			return 0, truncated(LZ4, src)
		}
		size := binary.LittleEndian.Uint32(src[n:])
		n += 4
		if size == 0 {
			break
		}
		b.raw = size>>31 != 0
		b.at, b.end = n, n+int(size&0x7fffffff)
		n = b.end
		if b.sum {
			n += 4
		}
		if n > len(src) {
			return 0, truncated(LZ4, src)
		}
		if fault := do(b); fault != nil {
			return 0, fault
		}
		b.first = false
	}
	sum := 0
	if flags&lz4ContentSum != 0 {
		if len(src)-n < 4 {
			return 0, truncated(LZ4, src)
		}
		sum, n = n, n+4
	}
	return n, ended(begin, declared, sum)
}

// lz4Legacy walks the blocks of a frame in the legacy format, which ends where another begins.
func lz4Legacy(src []byte, at int, do func(b lz4Block) *payload.Fault) (int, *payload.Fault) {
	for at += 4; at < len(src); {
		head := src[at:]
		if begins(head, magicLZ4) || begins(head, magicLZ4Legacy) || skippable(head) {
			break
		}
		if len(head) < 4 {
			return 0, truncated(LZ4, src)
		}
		size := uint64(binary.LittleEndian.Uint32(head))
		if size > uint64(len(head)-4) {
			return 0, truncated(LZ4, src)
		}
		b := lz4Block{at: at + 4, end: at + 4 + int(size), first: true, most: maxLegacyBlock}
		if fault := do(b); fault != nil {
			return 0, fault
		}
		at = b.end
	}
	return at, nil
}

// lz4Size is the size of a block when it is unpacked. It stops above most.
func lz4Size(block []byte, most int) (size int, ok bool) {
	// more reads the bytes that lengthen a length of 15.
	more := func(i, n int) (int, int) {
		if n != 15 {
			return i, n
		}
		for i < len(block) {
			b := block[i]
			i, n = i+1, n+int(b)
			if b != 255 {
				break
			}
		}
		return i, n
	}
	for i := 0; i < len(block) && size <= most; {
		token := int(block[i])
		var literals, match int
		i, literals = more(i+1, token>>4)
		i, size = i+literals, size+literals
		if i >= len(block) {
			return size, i == len(block)
		}
		i, match = more(i+2, token&15)
		size += match + 4
	}
	return size, size > most || len(block) == 0
}
