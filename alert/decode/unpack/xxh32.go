package unpack

import (
	"encoding/binary"
	"math/bits"
)

const (
	xxPrime1 = 2654435761
	xxPrime2 = 2246822519
	xxPrime3 = 3266489917
	xxPrime4 = 668265263
	xxPrime5 = 374761393
)

// xxh32 is xxHash with 32 bits, the checksum of LZ4 frames. The LZ4 library keeps its own to itself.
func xxh32(p []byte) uint32 {
	size := uint32(len(p))
	var h uint32 = xxPrime5
	if len(p) >= 16 {
		var seed uint32
		a, b, c, d := seed+xxPrime1, seed+xxPrime2, seed, seed-xxPrime1
		a += xxPrime2
		for ; len(p) >= 16; p = p[16:] {
			a = bits.RotateLeft32(a+binary.LittleEndian.Uint32(p)*xxPrime2, 13) * xxPrime1
			b = bits.RotateLeft32(b+binary.LittleEndian.Uint32(p[4:])*xxPrime2, 13) * xxPrime1
			c = bits.RotateLeft32(c+binary.LittleEndian.Uint32(p[8:])*xxPrime2, 13) * xxPrime1
			d = bits.RotateLeft32(d+binary.LittleEndian.Uint32(p[12:])*xxPrime2, 13) * xxPrime1
		}
		h = bits.RotateLeft32(a, 1) + bits.RotateLeft32(b, 7) + bits.RotateLeft32(c, 12) + bits.RotateLeft32(d, 18)
	}
	h += size
	for ; len(p) >= 4; p = p[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(p)*xxPrime3, 17) * xxPrime4
	}
	for _, b := range p {
		h = bits.RotateLeft32(h+uint32(b)*xxPrime5, 11) * xxPrime1
	}
	h ^= h >> 15
	h *= xxPrime2
	h ^= h >> 13
	h *= xxPrime3
	return h ^ h>>16
}
