package filter

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// genDecimal makes numbers of up to 45 digits, with a point and an exponent anywhere.
func genDecimal(t *rapid.T, digits string) string {
	text, exponent := digits, rapid.IntRange(-3, 3).Draw(t, "exponent")
	if point := rapid.IntRange(0, len(digits)).Draw(t, "point"); point < len(digits) {
		text = "0"
		if point > 0 {
			text = digits[:point]
		}
		text += "." + digits[point:]
		exponent += len(digits) - point
	}
	text = strings.TrimLeft(text, "0")
	if text == "" || text[0] == '.' {
		text = "0" + text
	}
	if exponent != 0 {
		text += "e" + strconv.Itoa(exponent)
	}
	if rapid.IntRange(0, 4).Draw(t, "sign") == 0 {
		text = "-" + text
	}
	return text
}

// TestNumbersCompareAsFractions compares with exact fractions: of numbers that have most digits in common, written in
// different ways.
func TestNumbersCompareAsFractions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.StringMatching(`[0-9]([0-9]{0,5}|[09]{10,40})`).Draw(t, "digits")
		other := []byte(digits)
		if rapid.Bool().Draw(t, "change") {
			other[rapid.IntRange(0, len(other)-1).Draw(t, "place")] = rapid.ByteRange('0', '9').Draw(t, "digit")
		}
		a, b := genDecimal(t, digits),
			genDecimal(t, string(other)+rapid.SampledFrom([]string{"", "0", "00000"}).Draw(t, "zeros"))
		require.True(t, json.Valid([]byte(a)), a)
		x, _ := new(big.Rat).SetString(a)
		y, _ := new(big.Rat).SetString(b)
		m, n := parseNumber([]byte(a)), parseNumber([]byte(b))
		require.Equal(t, x.Cmp(y), m.compare(&n), "%s %s", a, b)
		require.Equal(t, y.Cmp(x), n.compare(&m), "%s %s", a, b)
		if x.Cmp(y) == 0 {
			require.Equal(t, m.key(), n.key(), "%s %s", a, b)
		}
	})
}

func TestExponentsOutOfRange(t *testing.T) {
	ascending := []string{
		"-1e99999999999999999999", "-1e9223372036854775807", "-1e400", "-1", "-1e-99999999999999999999",
		"0e99999999999999999999",
		"1e-99999999999999999999", "1e-400", "1", "1e400", "1e9223372036854775806", "1e99999999999999999999",
	}
	for i := range ascending[1:] {
		a, b := parseNumber([]byte(ascending[i])), parseNumber([]byte(ascending[i+1]))
		require.LessOrEqual(t, a.compare(&b), 0, "%s %s", ascending[i], ascending[i+1])
		require.GreaterOrEqual(t, b.compare(&a), 0, "%s %s", ascending[i], ascending[i+1])
	}
}

// TestIntervalsFindWhatHolds compares the tree of ranges with every range by itself.
func TestIntervalsFindWhatHolds(t *testing.T) {
	genBound := func(t *rapid.T) bound {
		return bound{
			number: parseNumber([]byte(rapid.SampledFrom([]string{
				"-1e9", "-2", "0", "1", "1.0", "1.5", "2", "300",
				"3e2", "1e30",
			}).Draw(t, "bound"))),
			set: rapid.Bool().Draw(t, "set"), open: rapid.Bool().Draw(t, "open"),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var list []interval
		for i := range rapid.IntRange(1, 20).Draw(t, "ranges") {
			r := interval{low: genBound(t), high: genBound(t), branch: i}
			if r.low.set && r.high.set && r.low.compare(&r.high.number) >= 0 {
				r.high.set = false
			}
			list = append(list, r)
		}
		tree := newIntervals(list)
		for _, text := range []string{
			"-1e10", "-1e9", "-3", "-2", "-1", "0", "0.5", "1", "1.2", "1.5", "2", "5", "300",
			"301", "1e30", "1e31",
		} {
			v := value{kind: kindNumber, number: parseNumber([]byte(text))}
			var want, got []int
			for _, r := range list {
				if (&numericRange{low: r.low, high: r.high}).matches(&v) {
					want = append(want, r.branch)
				}
			}
			for node := tree.size + tree.leaf(&v.number); node > 0; node /= 2 {
				got = append(got, tree.at(node)...)
			}
			slices.Sort(got)
			require.Equal(t, want, got, text)
		}
	})
}

// TestAddressesAgreeWithNetip compares with the standard library, which also reads zones and dots in version 6 and
// refuses leading zeros.
func TestAddressesAgreeWithNetip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,3}){2,4}`),
			rapid.StringMatching(`(:|::)?([0-9a-fA-F]{0,5}(:|::)){1,8}[0-9a-fA-F]{0,4}`),
			rapid.StringMatching(`[0-9a-f.:]{0,12}`),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16),
				func(b []byte) string { return netip.AddrFrom16([16]byte(b)).String() }),
			rapid.SampledFrom([]string{
				"", ":", "::", "1::", "::1", ":::", "1::2::3", "1:2:3:4:5:6:7:8",
				"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:", ":1:2:3:4:5:6:7",
			}),
		).Draw(t, "address")
		got, ok := parseAddress([]byte(text))
		steps := strings.Split(text, ".")
		for i, s := range steps {
			if s != "" && !strings.Contains(text, ":") {
				steps[i] = strings.TrimLeft(s[:len(s)-1], "0") + s[len(s)-1:]
			}
		}
		want, err := netip.ParseAddr(strings.Join(steps, "."))
		if strings.Contains(text, ":") && strings.Contains(text, ".") {
			require.False(t, ok, text)
			return
		}
		require.Equal(t, err == nil, ok, text)
		if ok {
			require.Equal(t, want.Unmap(), got, text)
		}
	})
}
