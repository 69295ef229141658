package fakeaws

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestNumberForms(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0", "0e99": "0", "+7": "7", "007": "7", "1.50": "1.5", ".5": "0.5", "5.": "5",
		"-0.10e1": "-1",
		"1e3":     "1000", "1E+3": "1000", "12e-3": "0.012", "100": "100", "123.456e2": "12345.6",
		"99999999999999999999999999999999999999": "99999999999999999999999999999999999999",
		"1e-130":                                 "0." + strings.Repeat("0", 129) + "1",
		"9.9999999999999999999999999999999999999E+125": strings.Repeat("9", 38) + strings.Repeat("0", 88),
	} {
		n, err := parseNumber(in)
		require.NoError(t, err, in)
		require.Equal(t, want, n.String(), in)
	}
	for in, message := range map[string]string{
		"": "cannot be converted", "-": "cannot be converted", "x": "cannot be converted to a numeric value: x",
		"1x": "cannot be converted", "1e": "cannot be converted",
		"1e+": "cannot be converted", "1e1.5": "cannot be converted", ".": "cannot be converted",
		"0x10": "cannot be converted", "NaN": "cannot be converted",
		"Infinity": "cannot be converted", "1_000": "cannot be converted", " 1": "cannot be converted",
		"1.2.3":                  "cannot be converted",
		strings.Repeat("0", 600): "cannot be converted",
		"123456789012345678901234567890123456789":  "more than 38 significant digits",
		"1.23456789012345678901234567890123456789": "more than 38 significant digits",
		"1e126": "Number overflow", "-1e126": "Number overflow", "1e99999999999999999999": "Number overflow",
		"1e-131": "Number underflow", "1e-99999999999999999999": "Number underflow",
	} {
		_, err := parseNumber(in)
		require.ErrorContains(t, err, "ValidationException: ", in)
		require.ErrorContains(t, err, message, in)
	}
}

// Numbers order, add and print as exact rationals do.
func TestNumbersAreExact(t *testing.T) {
	literal := rapid.StringMatching(`-?[0-9]{1,25}(\.[0-9]{1,13})?(e-?[0-9]{1,2})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := literal.Draw(t, "a"), literal.Draw(t, "b")
		x, err := parseNumber(a)
		require.NoError(t, err)
		y, err := parseNumber(b)
		require.NoError(t, err)
		p, q := rational(t, a), rational(t, b)

		require.Zero(t, p.Cmp(rational(t, x.String())))
		require.Equal(t, p.Cmp(q), x.compare(y))
		require.Equal(t, p.Cmp(q) == 0, x == y)

		sum, err := x.add(y)
		if err != nil {
			require.ErrorContains(t, err, "more than 38 significant digits")
			return
		}
		require.Zero(t, new(big.Rat).Add(p, q).Cmp(rational(t, sum.String())))
	})
}

func rational(t *rapid.T, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	require.True(t, ok, s)
	return r
}
