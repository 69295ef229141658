package produce

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
)

// Sample makes the records of one of AWS' sample producers. It is not safe for concurrent use.
type Sample interface {
	// Next returns the payload of the next record.
	Next() []byte
}

// NewSample returns the sample of that name: heart-rate or stock-ticker. random is the only source of chance.
func NewSample(name string, random *rand.Rand) (Sample, error) {
	switch name {
	case "heart-rate":
		return &heartRate{random}, nil
	case "stock-ticker":
		return newStockTicker(random), nil
	}
	return nil, fmt.Errorf("no sample %q; there are heart-rate and stock-ticker", name)
}

// heartRate is the generator of AWS' anomaly detection example: one record in a hundred is HIGH, from 150 to 200 beats
// a minute; all others are NORMAL, from 60 to 100. Both ranges are inclusive and uniform. The bytes are those of its
// json.dumps, which has a space behind colons and commas.
type heartRate struct{ random *rand.Rand }

// Next implements Sample.
func (h *heartRate) Next() []byte {
	rate, kind := 60+h.random.IntN(41), "NORMAL"
	if h.random.Float64() < 0.01 {
		rate, kind = 150+h.random.IntN(51), "HIGH"
	}
	return fmt.Appendf(nil, `{"heartRate": %d, "rateType": %q}`, rate, kind)
}

// stockTicker has the schema of AWS' demo stream, which the alert examples "price moved by more than one percent" read:
// TICKER_SYMBOL, SECTOR, CHANGE and PRICE, in the form in which AWS documents it, which has no spaces. AWS has never
// published its distribution; here every price is a random walk from a symbol's base price, a step is normal with a
// standard deviation of half a percent (so that about one record in twenty moves by more than one percent), and a price
// that has halved or doubled starts again.
type stockTicker struct {
	random  *rand.Rand
	symbols []ticker
}

type ticker struct {
	symbol, sector string
	base, price    float64
}

func newStockTicker(random *rand.Rand) *stockTicker {
	s := &stockTicker{random: random, symbols: []ticker{
		{symbol: "AMZN", sector: "TECHNOLOGY", base: 742},
		{symbol: "QXZ", sector: "HEALTHCARE", base: 60},
		{symbol: "WAS", sector: "RETAIL", base: 14},
		{symbol: "TGT", sector: "RETAIL", base: 73},
		{symbol: "BAC", sector: "FINANCIAL", base: 15},
		{symbol: "JIB", sector: "AUTOMOBILE", base: 45},
		{symbol: "PPL", sector: "ENERGY", base: 31},
		{symbol: "ALY", sector: "ENERGY", base: 83},
	}}
	for i := range s.symbols {
		s.symbols[i].price = s.symbols[i].base
	}
	return s
}

// Next implements Sample.
func (s *stockTicker) Next() []byte {
	t := &s.symbols[s.random.IntN(len(s.symbols))]
	old := t.price
	t.price = math.Round(old*(1+s.random.NormFloat64()*0.005)*100) / 100
	if t.price < t.base/2 || t.price > t.base*2 {
		old, t.price = t.base, t.base
	}
	payload, err := json.Marshal(struct {
		Symbol string      `json:"TICKER_SYMBOL"`
		Sector string      `json:"SECTOR"`
		Change json.Number `json:"CHANGE"`
		Price  json.Number `json:"PRICE"`
	}{t.symbol, t.sector, cents(t.price - old), cents(t.price)})
	if err != nil {
		return nil // unreachable: two strings and two finite numbers
	}
	return payload
}

func cents(x float64) json.Number {
	return json.Number(strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64))
}
