package produce

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// The heart-rate sample must have exactly the distribution of AWS' script: users compare what the daemon finds with
// what the old pipeline found.
func TestHeartRateDistribution(t *testing.T) {
	t.Parallel()
	const n = 40_000
	s, err := NewSample("heart-rate", testkit.Seeded())
	require.NoError(t, err)
	counts, high := map[int]int{}, 0
	for range n {
		var r struct {
			HeartRate int    `json:"heartRate"`
			RateType  string `json:"rateType"`
		}
		payload := s.Next()
		if err := json.Unmarshal(payload, &r); err != nil {
			require.NoError(t, err, "%s", payload)
		}
		counts[r.HeartRate]++
		isHigh := r.RateType == "HIGH" && r.HeartRate >= 150 && r.HeartRate <= 200
		isNormal := r.RateType == "NORMAL" && r.HeartRate >= 60 && r.HeartRate <= 100
		if isHigh {
			high++
		}
		if !isHigh && !isNormal {
			require.Fail(t, "a record that the script cannot make", "%s", payload)
		}
	}
	require.Len(t, counts, 41+51, "both ranges are inclusive")
	// Five standard deviations of a binomial; the seed is fixed, so this cannot flicker.
	require.InDelta(t, 0.01*n, high, 5*math.Sqrt(n*0.01*0.99))
	for rate, count := range counts {
		p := 0.99 / 41
		if rate >= 150 {
			p = 0.01 / 51
		}
		require.InDelta(t, p*n, count, 5*math.Sqrt(n*p), "heart rate %d", rate)
	}
}

func TestSampleBytes(t *testing.T) {
	t.Parallel()
	s, err := NewSample("heart-rate", testkit.Seeded())
	require.NoError(t, err)
	require.Regexp(t, `^\{"heartRate": \d+, "rateType": "(NORMAL|HIGH)"\}$`, string(s.Next()), "as json.dumps has it")
	s, err = NewSample("stock-ticker", testkit.Seeded())
	require.NoError(t, err)
	require.Regexp(t, `^\{"TICKER_SYMBOL":"[A-Z]+","SECTOR":"[A-Z]+","CHANGE":-?\d+(\.\d+)?,"PRICE":\d+(\.\d+)?\}$`,
		string(s.Next()), "as the documentation of the demo stream has it")
}

// About one record in twenty satisfies the sample's alert: ABS(Change / (Price - Change)) * 100 > 1.
func TestStockTickerMovesPrices(t *testing.T) {
	t.Parallel()
	const n = 20_000
	s, err := NewSample("stock-ticker", testkit.Seeded())
	require.NoError(t, err)
	moved, symbols := 0, map[string]string{}
	for range n {
		var r struct {
			Symbol string  `json:"TICKER_SYMBOL"`
			Sector string  `json:"SECTOR"`
			Change float64 `json:"CHANGE"`
			Price  float64 `json:"PRICE"`
		}
		payload := s.Next()
		if err := json.Unmarshal(payload, &r); err != nil || r.Price <= 0 {
			require.Fail(t, "not a price", "%s: %v", payload, err)
		}
		if math.Abs(r.Change/(r.Price-r.Change))*100 > 1 {
			moved++
		}
		symbols[r.Symbol] = r.Sector
	}
	require.Len(t, symbols, 8)
	require.InDelta(t, 0.0455*n, moved, 0.01*n)
}

func TestUnknownSample(t *testing.T) {
	t.Parallel()
	_, err := NewSample("heartrate", testkit.Seeded())
	require.EqualError(t, err, `no sample "heartrate"; there are heart-rate and stock-ticker`)
}
