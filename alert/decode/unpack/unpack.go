package unpack

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"

	"kinesis-alerter/alert/payload"
)

// Kind is a compression.
type Kind string

// The compressions.
const (
	// Auto is the compression that the magic number names.
	Auto Kind = "auto"
	// Gzip may have several members.
	Gzip Kind = "gzip"
	// Zlib is deflate with a header of two bytes, which text can begin with.
	Zlib Kind = "zlib"
	// Deflate is without any header.
	Deflate Kind = "deflate"
	// Zstd may have several frames.
	Zstd Kind = "zstd"
	// Snappy is framed, or as the JVM's library frames it, or else a block.
	Snappy Kind = "snappy"
	// SnappyBlock is a block without frames.
	SnappyBlock Kind = "snappy_block"
	// LZ4 may have several frames.
	LZ4 Kind = "lz4"
)

// Kinds are the compressions, in the order of the documentation.
func Kinds() []string {
	return []string{
		string(Auto), string(Gzip), string(Zlib), string(Deflate), string(Zstd), string(Snappy), string(SnappyBlock),
		string(LZ4),
	}
}

// Known reports whether there is such a compression.
func Known(kind Kind) bool { return slices.Contains(Kinds(), string(kind)) }

const (
	// minCost is what a member, frame or block counts for at least. There are many of those which make nothing.
	minCost = 64
	// freeCost is how much of that is beyond the limit: 1,024 members that make nothing are always read.
	freeCost = 64 << 10
	// minRoom is the least that is allocated.
	minRoom = 4 << 10
)

// Unpacker unpacks compressed bytes. The zero value is ready.
type Unpacker struct {
	source  bytes.Reader
	metered metered
	inflate io.ReadCloser
	flow    flow
	scratch []byte
	zstd    *zstd.Decoder
	// tight is a decoder with a limit of its own, for frames that do not say how large they are.
	tight      *zstd.Decoder
	tightLimit int
}

// Append unpacks src behind dst, into at most limit bytes more. packed is false, and dst as it was, for nothing at all,
// and under Auto for bytes without a magic number. The fault of a breach of the limit has payload.UnpackLimit.
func (u *Unpacker) Append(dst []byte, kind Kind, src []byte, limit int) (
	out []byte, packed bool, fault *payload.Fault,
) {
	auto := kind == Auto
	if auto {
		kind = detect(src)
	}
	switch {
	case len(src) == 0 || kind == "":
		return dst, false, nil
	case limit < 0:
		return dst, true, beyond(kind)
	}
	switch kind { //nolint:exhaustive // auto is one of the others by now
	case Gzip:
		out, fault = u.gzip(dst, src, limit)
	case Zlib:
		var text bool
		if out, text, fault = u.zlib(dst, src, limit); text && auto {
			return dst, false, nil
		}
	case Deflate:
		out, fault = u.deflate(dst, src, limit)
	case Zstd:
		out, fault = u.zstandard(dst, src, limit)
	case Snappy, SnappyBlock:
		out, fault = snappy(dst, kind, src, limit)
	case LZ4:
		out, fault = lz4Frames(dst, src, limit)
	default:
		return dst, false, broken(kind, "is unknown")
	}
	if fault != nil {
		return dst, true, fault
	}
	return out, true, nil
}

// Release drops what was unpacked last, and keeps the memory.
func (u *Unpacker) Release() {
	u.source.Reset(nil)
	u.flow = flow{}
}

// The magic numbers.
const (
	magicGzip      = "\x1f\x8b\x08"
	magicZstd      = "\x28\xb5\x2f\xfd"
	magicSkippable = "\x2a\x4d\x18" // behind one of 0x50 to 0x5f; both zstd and lz4 have such frames
	magicLZ4       = "\x04\x22\x4d\x18"
	magicLZ4Legacy = "\x02\x21\x4c\x18"
	magicSnappy    = "\xff\x06\x00\x00sNaPpY"
	magicXerial    = "\x82SNAPPY\x00"
)

// detect goes by the magic number; it is empty for bytes without one. Compressions without one are never guessed.
func detect(src []byte) Kind {
	switch {
	case begins(src, magicGzip):
		return Gzip
	case begins(src, magicLZ4), begins(src, magicLZ4Legacy):
		return LZ4
	case begins(src, magicSnappy), begins(src, magicXerial):
		return Snappy
	case len(src) > 2 && src[0] == 0x78 && (src[1] == 0x01 || src[1] == 0x5e || src[1] == 0x9c || src[1] == 0xda):
		return Zlib
	case begins(src, magicZstd):
		return Zstd
	}
	for at := 0; skippable(src[at:]); {
		end, ok := skip(src, at)
		switch {
		case !ok || end == len(src) || begins(src[end:], magicZstd):
			return Zstd
		case begins(src[end:], magicLZ4):
			return LZ4
		}
		at = end
	}
	return ""
}

func begins(src []byte, magic string) bool {
	return len(src) >= len(magic) && string(src[:len(magic)]) == magic
}

// skippable reports whether a frame begins here that holds nothing to read.
func skippable(src []byte) bool {
	return len(src) >= 4 && src[0]&0xf0 == 0x50 && string(src[1:4]) == magicSkippable
}

// broken is what is wrong with compressed bytes.
func broken(kind Kind, format string, args ...any) *payload.Fault {
	return &payload.Fault{
		Defect: payload.BadCompression, Detail: string(kind) + ": " + fmt.Sprintf(format, args...),
	}
}

func truncated(kind Kind, src []byte) *payload.Fault {
	return broken(kind, "truncated at byte %d", len(src))
}

func beyond(kind Kind) *payload.Fault {
	return &payload.Fault{
		Defect: payload.UnpackLimit, Detail: string(kind) + ": it unpacks to more than input_limits allow",
	}
}

// room is out with space for n bytes more.
func room(out []byte, n int) []byte {
	if cap(out)-len(out) >= n {
		return out
	}
	grown := make([]byte, len(out), len(out)+max(n, minRoom))
	copy(grown, out)
	return grown
}
