package condition

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/budget"
)

// The prices are part of what a rule means: records that were judged yesterday must be judged today. Who changes one
// raises budgetVersion, so that what rules remember is not taken over, and writes the new prices here.
func TestPricesAreOfTheBudgetVersion(t *testing.T) {
	t.Parallel()
	const payload = `{"s":"hello world","xs":[1,2,3,4,5],"ys":["a","b"],"o":{"a":{"b":1}}}`
	require.Equal(t, 1, budget.Version)
	require.Equal(t, []int{100_000_000, 4 << 20, 64 << 20}, []int{budget.MaxWork, budget.MaxText, budget.MaxLists})
	for when, want := range map[string][3]int64{
		`3 in xs && "q" in ys`:          {48, 0, 0},
		`any(xs, # > 9)`:                {150, 0, 0},
		`groupBy(xs, # % 2) == nil`:     {990, 0, 640},
		`join(ys, "-") == "x"`:          {31, 5, 48},
		`len(filter(ys, # == "c")) > 3`: {77, 0, 128},
		`len(split(s, " ")) == 9`:       {10, 0, 128},
		`repeat(s, 3) == "x"`:           {5, 33, 0},
		`replace(s, "l", "LL") == "x"`:  {11, 14, 0},
		`s + s == "x"`:                  {4, 22, 0},
		`s == "x"`:                      {0, 0, 0},
		`s contains "wor"`:              {0, 0, 0},
		`s matches "^h.*d$"`:            {45, 0, 0},
		`sort(xs)[0] == 9`:              {105, 0, 320},
		`string(o) == "x"`:              {29, 26, 0},
		`sum(map(xs, # * 2)) > 99`:      {151, 0, 320},
		`toJSON(o) == "x"`:              {186, 103, 0},
		`uniq(ys)[0] == "x"`:            {50, 0, 128},
		`upper(s) == "X"`:               {3, 22, 0},
	} {
		s := NewSchema(false)
		c, fault := Compile(when, s)
		require.Nil(t, fault)
		d, f := NewDecoder(s), NewFrame(s)
		require.Empty(t, d.Decode([]byte(payload), f.Slots))
		f.begin()
		c.Eval(&f)
		require.Equal(t, want, [3]int64{f.Meter.Work, f.Meter.Text, f.Meter.Lists}, when)
	}
}
