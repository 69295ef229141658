package getrecords

import (
	"encoding/base64"
	"encoding/binary"
)

// alphabet has a table for each place of four characters: their 24 bits are those of four look-ups together. The bit
// none says that a character is not one of base64. It takes 4 KiB, which stay in the first cache of a processor.
type alphabet [4][256]uint32

const none = 1 << 31

func newAlphabet() *alphabet {
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	a := new(alphabet)
	for place := range a {
		for c := range a[place] {
			a[place][c] = none
		}
		for value, c := range []byte(characters) {
			a[place][c] = uint32(value) << (18 - 6*place)
		}
	}
	return a
}

// slack is how many bytes more than the payload decode may write.
const slack = 8

// decode writes the bytes that src stands for to dst, which has room for them and for slack. It returns how many they
// are and whether src is what the standard library takes without passing anything over.
func (a *alphabet) decode(dst, src []byte) (int, bool) {
	if len(src)%4 != 0 {
		return 0, false
	}
	n, i := 0, 0
	var seen uint32
	for len(src)-i > 8 && len(dst)-n >= 8 { // the last four characters may be padded
		s := src[i : i+8 : i+8]
		x := a[0][s[0]] | a[1][s[1]] | a[2][s[2]] | a[3][s[3]]
		y := a[0][s[4]] | a[1][s[5]] | a[2][s[6]] | a[3][s[7]]
		seen |= x | y
		binary.BigEndian.PutUint64(dst[n:], uint64(x)<<40|uint64(y&0xffffff)<<16)
		i, n = i+8, n+6
	}
	if seen&none != 0 {
		return 0, false
	}
	for _, c := range src[i:] { // which the library passes over
		if c == '\n' || c == '\r' {
			return 0, false
		}
	}
	m, err := base64.StdEncoding.Decode(dst[n:], src[i:])
	return n + m, err == nil
}
