package forest

import "math"

// logarithm makes logarithms by a table. They are the same on every machine, which those of package math are not, so
// that a state can move; and take a third of the time.
type logarithm struct{ inverse, ln [cells]float64 }

const cells = 128

// center is the middle of a cell of [1, 2).
func center(cell int) float64 { return 1 + (float64(cell)+0.5)/cells }

func newLogarithm() *logarithm {
	l := &logarithm{}
	for i := range cells {
		c := center(i)
		l.inverse[i] = 1 / c
		// ln c = 2 artanh((c-1)/(c+1)), which is a series in its square.
		s := (c - 1) / (c + 1)
		sum, power := 0.0, s
		for n := 1; n < 40; n += 2 {
			sum += power / float64(n)
			power = float64(power * s * s)
		}
		l.ln[i] = 2 * sum
	}
	return l
}

// of is the natural logarithm of a positive normal number. The error is a few 1e-16, relative to the result or to 1.
func (l *logarithm) of(x float64) float64 {
	const mantissa = 1<<52 - 1
	b := math.Float64bits(x)
	exponent := int(b>>52) - 1023
	cell := int(b >> 45 & (cells - 1))
	r := (math.Float64frombits(b&mantissa|1023<<52) - center(cell)) * l.inverse[cell]
	// ln(1+r), for r below 1/256. The conversions keep a machine from fusing products and sums.
	p := 0.25 - float64(r*0.2)
	p = 1.0/3 - float64(r*p)
	p = 0.5 - float64(r*p)
	p = 1 - float64(r*p)
	return float64(float64(exponent)*math.Ln2) + (l.ln[cell] + float64(r*p))
}

// log2 is the logarithm to the base 2 of a positive integer, exactly that of a power of two.
func (l *logarithm) log2(n int) float64 {
	fraction, exponent := math.Frexp(float64(n))
	if fraction == 0.5 {
		return float64(exponent - 1)
	}
	return float64(exponent) + l.of(fraction)/math.Ln2
}
