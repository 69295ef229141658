package filter

import (
	"bytes"
	"net/netip"
)

// parseAddress reads an IP address of version 4 or 6 as event-ruler does: without zone, without dots in version 6, with
// leading zeros in version 4 (which are decimal), and with IPv4-mapped addresses taken for the IPv4 address. It does
// not allocate.
func parseAddress(text []byte) (netip.Addr, bool) {
	if len(text) > 39 {
		return netip.Addr{}, false
	}
	if bytes.IndexByte(text, ':') >= 0 {
		return parseAddress6(text)
	}
	return parseAddress4(text)
}

func parseAddress4(text []byte) (netip.Addr, bool) {
	var a [4]byte
	for i := range a {
		if i > 0 {
			if len(text) == 0 || text[0] != '.' {
				return netip.Addr{}, false
			}
			text = text[1:]
		}
		x, n := 0, 0
		for ; n < len(text) && '0' <= text[n] && text[n] <= '9'; n++ {
			x = x*10 + int(text[n]-'0')
			if x > 255 {
				return netip.Addr{}, false
			}
		}
		if n == 0 {
			return netip.Addr{}, false
		}
		a[i] = byte(x)
		text = text[n:]
	}
	return netip.AddrFrom4(a), len(text) == 0
}

func parseAddress6(text []byte) (netip.Addr, bool) {
	var a [16]byte
	// gap is where "::" stands, -1 for nowhere.
	at, gap := 0, -1
	if bytes.HasPrefix(text, []byte("::")) {
		gap, text = 0, text[2:]
	}
	for len(text) > 0 {
		x, n := 0, 0
		for ; n < len(text) && n < 5 && hexDigit(text[n]) >= 0; n++ {
			x = x<<4 | hexDigit(text[n])
		}
		if n == 0 || n > 4 || at == len(a) {
			return netip.Addr{}, false
		}
		a[at], a[at+1] = byte(x>>8), byte(x&0xff)
		at += 2
		text = text[n:]
		switch {
		case len(text) == 0:
		case bytes.HasPrefix(text, []byte("::")):
			if gap >= 0 {
				return netip.Addr{}, false
			}
			gap, text = at, text[2:]
		case text[0] == ':' && len(text) > 1:
			text = text[1:]
		default:
			return netip.Addr{}, false
		}
	}
	if gap < 0 {
		return netip.AddrFrom16(a).Unmap(), at == len(a)
	}
	if at == len(a) {
		return netip.Addr{}, false
	}
	tail := at - gap
	copy(a[len(a)-tail:], a[gap:at])
	clear(a[gap : len(a)-tail])
	return netip.AddrFrom16(a).Unmap(), true
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
