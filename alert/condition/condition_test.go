package condition

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// verdictOn evaluates a condition on one payload.
func verdictOn(tb require.TestingT, when, payload string) Verdict {
	s := NewSchema(false)
	c, fault := Compile(when, s)
	require.Nil(tb, fault, "%s: %v", when, fault)
	d, f := NewDecoder(s), NewFrame(s)
	require.Empty(tb, d.Decode([]byte(payload), f.Slots), payload)
	f.Slots[SlotPartitionKey] = Value{Kind: Text, Raw: []byte("partitionkey")}
	f.Slots[SlotShard] = Value{Kind: Text, Raw: []byte("shardId-000000000001")}
	f.Slots[SlotArrival] = Value{Kind: Moment, At: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)}
	f.Slots[SlotAge] = Value{Kind: Span, NS: int64(90 * time.Second)}
	return andTerm(c.terms).eval(&f)
}

// TestConditionTraps holds the cases in which expr by itself, or a reader in a hurry, would decide otherwise.
func TestConditionTraps(t *testing.T) {
	t.Parallel()
	const rec = `{"COL1":"x","EMPTY":"","NULL":null,"SCORE":3.5,"INT":4,"ZERO":0,"FLAG":true,"OFF":false,` +
		`"order":{"type":"buy","price":12.5,"lines":[{"sku":"a","qty":2},{"sku":"b"}]},"tags":["red","blue"],` +
		`"nums":[1,2.5],"ids":[9007199254740993,null,true],"far":[1e400],"type":"buy","heart rate":180,` +
		`"id":9007199254740993,"seq":49590338271490256608559692538361571095921575989136588898}`
	cases := []struct {
		when string
		want Verdict
	}{
		// Absent, null and of another type are neither equal nor unequal.
		{`nosuch != ""`, UndefinedMissing},
		{`nosuch == ""`, UndefinedMissing},
		{`nosuch > 3`, UndefinedMissing},
		{`3 < nosuch`, UndefinedMissing},
		{`!(nosuch > 3)`, UndefinedMissing},
		{`not (nosuch == "x")`, UndefinedMissing},
		{`NULL != ""`, undefinedNull},
		{`NULL > 3`, undefinedNull},
		{`COL1 > 3`, UndefinedMistyped},
		{`COL1 != 3`, UndefinedMistyped},
		{`SCORE == "3.5"`, UndefinedMistyped},
		{`INT != "4"`, UndefinedMistyped},
		{`order != "x"`, UndefinedMistyped},
		{`tags == "red"`, UndefinedMistyped},
		{`FLAG == 1`, UndefinedMistyped},
		{`SCORE == nosuch`, UndefinedMissing},
		{`COL1 != SCORE`, UndefinedMistyped},
		{`EMPTY != ""`, No},
		{`EMPTY == ""`, Yes},

		// A bare field is a condition only if it is a boolean.
		{`FLAG`, Yes},
		{`!OFF`, Yes},
		{`COL1`, UndefinedMistyped},
		{`!INT`, UndefinedMistyped},
		{`nosuch`, UndefinedMissing},

		// One decided side decides, in either order.
		{`nosuch > 3 || SCORE > 3`, Yes},
		{`SCORE > 3 || nosuch > 3`, Yes},
		{`nosuch > 3 && SCORE > 9`, No},
		{`SCORE > 3 && nosuch > 3`, UndefinedMissing},
		{`!(nosuch > 3 && SCORE > 9)`, Yes},
		{`SCORE > 3 ? FLAG : nosuch`, Yes},
		{`nosuch > 3 ? FLAG : FLAG`, UndefinedMissing},
		{`if SCORE > 3 { FLAG } else { OFF }`, Yes},

		// Missing is asked for by name.
		{`nosuch == nil`, Yes},
		{`nosuch != nil`, No},
		{`NULL == nil`, Yes},
		{`nil != COL1`, Yes},
		{`nosuch != nil && nosuch > 3`, No},
		{`(nosuch ?? 5) > 3`, Yes},
		{`(SCORE ?? 0) > 3`, Yes},
		{`(nosuch ?? false)`, No},
		{`nosuch?.deeper > 3`, UndefinedMissing},
		{`order.nosuch == nil`, Yes},
		{`(order.nosuch ?? order.price) > 12`, Yes},
		{`order.lines[1].qty == nil`, Yes},

		// Fields.
		{`order.price > 12`, Yes},
		{`order["price"] > 12`, Yes},
		{`order?.price > 12`, Yes},
		{`order.price.deeper > 12`, UndefinedMissing},
		{`order.type == type`, Yes},
		{`$env["heart rate"] > 149`, Yes},
		{`$env["order"].price > 12`, Yes},
		{`score > 3`, UndefinedMissing},
		{`order.lines[0].qty > 1`, Yes},
		{`order.lines[9].qty > 1`, undefinedFailed},

		// Texts.
		{`COL1 contains "x"`, Yes},
		{`nosuch contains "x"`, UndefinedMissing},
		{`not (nosuch contains "x")`, UndefinedMissing},
		{`INT startsWith "4"`, UndefinedMistyped},
		{`type endsWith "uy"`, Yes},
		{`type matches "^b.y$"`, Yes},
		{`not (nosuch matches "x")`, UndefinedMissing},
		{`INT matches "4"`, UndefinedMistyped},
		{`lower(COL1) == "x"`, Yes},
		{`lower(COL1) != INT`, UndefinedMistyped},
		{`lower(INT) == "4"`, undefinedFailed},
		{`len(tags) == 2`, Yes},
		{`COL1 < "y"`, Yes},
		{`COL1 >= "y"`, No},
		{`type + COL1 == "buyx"`, Yes},
		{`type contains COL1`, No},
		{`type contains INT`, UndefinedMistyped},

		// Booleans have no order, lists and objects no comparison.
		{`FLAG == true`, Yes},
		{`FLAG != OFF`, Yes},
		{`FLAG > OFF`, UndefinedMistyped},
		{`tags == tags`, UndefinedMistyped},
		{`order != order`, UndefinedMistyped},
		{`3 <= INT`, Yes},
		{`5 >= INT`, Yes},
		{`4.5 > INT`, Yes},
		{`INT + 0 <= SCORE`, No},

		// Membership.
		{`type in ["buy", "sell"]`, Yes},
		{`type not in ["sell"]`, Yes},
		{`nosuch in ["buy"]`, UndefinedMissing},
		{`nosuch not in ["buy"]`, UndefinedMissing},
		{`INT in ["buy", "sell"]`, UndefinedMistyped},
		{`INT not in ["buy"]`, UndefinedMistyped},
		{`INT in ["buy", 4]`, Yes},
		{`INT in []`, No},
		{`INT in 1..5`, Yes},
		{`SCORE in 1..5`, No},
		{`"red" in tags`, Yes},
		{`"green" in tags`, No},
		{`4 in tags`, UndefinedMistyped},
		{`"type" in order`, Yes},
		{`INT in [nosuch, 4]`, UndefinedMissing},
		{`2.5 in nums`, Yes},

		// Arithmetic that has no finite result is not larger than anything.
		{`SCORE / ZERO > 1`, undefinedNotFinite},
		{`abs(SCORE / (INT - 4)) * 100 > 1`, undefinedNotFinite},
		{`INT % 2 == 0`, Yes},
		{`SCORE % ZERO == 0`, undefinedNotFinite},
		{`INT % COL1 == 0`, UndefinedMistyped},
		{`COL1 * 2 > 1`, undefinedFailed},
		{`SCORE + 1 == 4.5`, Yes},
		{`-SCORE < 0`, Yes},
		{`float(COL1) > 1`, undefinedFailed},
		{`1 < SCORE < 4`, Yes},

		// Integers from 2^53 up are exact or nothing.
		{`id == 9007199254740993`, Yes},
		{`id == 9007199254740992`, No},
		{`id > 9007199254740992`, Yes},
		{`id != 9007199254740992.0`, Yes},
		{`id in [9007199254740992]`, No},
		{`id == id`, Yes},
		{`seq > id`, Yes},
		{`seq > 9223372036854775807`, Yes},
		{`seq > 1.5`, Yes},
		{`id % 2 == 1`, undefinedInexact},
		{`id + 1 > 0`, undefinedInexact},
		{`string(id) == "9007199254740993"`, Yes},
		{`string(seq) endsWith "898"`, Yes},
		{`any(ids, # == 9007199254740993)`, Yes},
		{`ids[0] == 9007199254740992`, No},
		{`ids[0] - 1 == 9007199254740992`, undefinedFailed},
		{`ids[1] == nil`, Yes},
		{`ids[2]`, Yes},
		{`far[0] > 3`, undefinedNotFinite},

		// Closures, let and pipes: an undefined comparison makes the term undefined.
		{`any(order.lines, .qty > 1)`, Yes},
		{`all(order.lines, .qty > 1)`, undefinedNull},
		{`any(order.lines, .sku != "a")`, Yes},
		{`any(order.lines, .nosuch != "a")`, undefinedNull},
		{`none(order.lines, .sku matches "z")`, Yes},
		{`none(order.lines, .nosuch matches "z")`, undefinedNull},
		{`count(order.lines, .qty != nil) == 1`, Yes},
		{`any(nosuch, # > 3)`, UndefinedMissing},
		{`tags | map(upper(#)) | any(# == "RED")`, Yes},
		{`let half = SCORE / 2; half > 1`, Yes},
		{`let x = nosuch; x != 3`, UndefinedMissing},
		{`sum(nums) == 3.5`, Yes},
		{`any(order.lines, .qty > 9) || SCORE > 3`, Yes},

		// Built-in names.
		{`partition_key == "partitionkey"`, Yes},
		{`shard endsWith "001"`, Yes},
		{`age > duration("1m")`, Yes},
		{`age < duration("1m")`, No},
		{`arrival > date("2026-01-01")`, Yes},
		{`arrival - duration("1h") < arrival`, Yes},
		{`(arrival - date("2026-11-22")) > duration("9h")`, Yes},
		{`age * 2 == duration("3m")`, Yes},
		{`age == SCORE`, UndefinedMistyped},
		{`arrival.Hour() == 9`, Yes},
		{`arrival.In(timezone("Europe/Berlin")).Hour() == 10`, Yes},
		{`string(arrival.Weekday()) == "Sunday"`, Yes},
		{`shard in ["shardId-000000000001"]`, Yes},
		{`$env["shard"] == "shardId-000000000001"`, Yes},

		// Constants.
		{`true`, Yes},
		{`1 > 2`, No},
		{`"a" == "a"`, Yes},
		{`nil == nil`, Yes},
	}
	for _, c := range cases {
		t.Run(c.when, func(t *testing.T) {
			t.Parallel()
			got := verdictOn(t, c.when, rec)
			require.Equal(t, c.want, got, "%s is %d (%s)", c.when, got, got.Cause())
		})
	}
}

func TestConditionErrors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		when, want string
		line, col  int
	}{
		{`SCORE >`, "unexpected token EOF", 1, 7},
		{`SCORE > 3 &&`, "unexpected token EOF", 1, 12},
		{"SCORE > 3 &&\n  foo(1)", "unknown function foo", 2, 3},
		{`now() > arrival`, "now is not available: a decision depends on the record only; use arrival or age", 1, 1},
		{
			`keys(order)[0] == "x"`,
			"keys is not available: it gives the order of a map, which changes from run to run",
			1, 1,
		},
		{`fromJSON(x).y > 3`, "fromJSON is not available: it reads JSON less strictly than the record itself is " +
			"read; use format json", 1, 1},
		{`SCORE + 1`, "SCORE + 1 is not a condition: compare it with something", 1, 7},
		{`SCORE > 3 && (SCORE * 2)`, "SCORE * 2 is not a condition: compare it with something", 1, 21},
		{`"abc"`, "expected bool, but got string", 1, 1},
		{`[1]`, "expected bool, but got []interface {}", 1, 1},
		{`age > 300`, "invalid operation: > (mismatched types time.Duration and int)", 1, 5},
		{`age > (1 == 1)`, "invalid operation: > (mismatched types time.Duration and bool)", 1, 5},
		{`partition_key > 3`, "invalid operation: > (mismatched types string and int)", 1, 15},
		{`arrival > "2026-01-01"`, "invalid operation: > (mismatched types time.Time and string)", 1, 9},
		{`arrival > date("soon")`, `date("soon") has no value (failed)`, 1, 11},
		{`1 / 0 > SCORE`, "1 / 0 has no value (not_finite)", 1, 3},
		{`order.type() == "x"`, "order.type is a field of the record and cannot be called", 1, 1},
		{`shard() == "x"`, "shard cannot be called", 1, 1},
		{
			`arrival.Local().Hour() > 8`, `Local gives the time zone of the host; use In(timezone("Europe/Berlin"))`, 1,
			9,
		},
		{`$env == nil`, `$env is only for names that are no identifiers, as in $env["heart rate"]`, 1, 1},
		{`$env[COL1] == 3`, `$env is only for names that are no identifiers, as in $env["heart rate"]`, 1, 1},
		{`FLAG > false`, "invalid operation: > (mismatched types unknown and bool)", 1, 6},
		{`COL1 matches "("`, "error parsing regexp: missing closing ): `(`", 1, 6},
		{`COL1 matches COL2`, "the pattern of matches must be a constant text", 1, 6},
		{`COL1 > nil`, "nil has no order: use == nil or != nil", 1, 6},
		{
			`id == 99999999999999999999`,
			`invalid integer literal: strconv.ParseInt: parsing "99999999999999999999": value out of range`, 1, 26,
		},
		{`SCORE > 1e400`, `invalid float literal: strconv.ParseFloat: parsing "1e400": value out of range`, 1, 13},
	}
	for _, c := range cases {
		t.Run(c.when, func(t *testing.T) {
			t.Parallel()
			_, fault := Compile(c.when, NewSchema(false))
			require.NotNil(t, fault)
			require.Equal(t, c.want, fault.Text)
			require.Equal(t, [2]int{c.line, c.col}, [2]int{fault.Line, fault.Col})
		})
	}
}

// kleene is a random condition with the verdict that three-valued logic gives it.
type kleene struct {
	source string
	want   Verdict
}

func drawKleene(t *rapid.T, depth int) kleene {
	atoms := []kleene{
		{`one == 1`, Yes},
		{`one > 1`, No},
		{`nosuch > 1`, UndefinedMissing},
		{`one + 0 == 1`, Yes},
		{`abs(one) > 1`, No},
		{`nosuch + 0 > 1`, UndefinedMissing},
		{`flag`, Yes},
		{`nosuch`, UndefinedMissing},
		{`nosuch == nil`, Yes},
	}
	if depth == 0 {
		return rapid.SampledFrom(atoms).Draw(t, "atom")
	}
	sub := func() kleene { return drawKleene(t, rapid.IntRange(0, depth-1).Draw(t, "depth")) }
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		x := sub()
		want := map[Verdict]Verdict{Yes: No, No: Yes, UndefinedMissing: UndefinedMissing}[x.want]
		return kleene{"!(" + x.source + ")", want}
	case 1:
		a, b := sub(), sub()
		want := Yes
		switch {
		case a.want == No || b.want == No:
			want = No
		case a.want.Undefined() || b.want.Undefined():
			want = UndefinedMissing
		}
		return kleene{"(" + a.source + " && " + b.source + ")", want}
	case 2:
		a, b := sub(), sub()
		want := No
		switch {
		case a.want == Yes || b.want == Yes:
			want = Yes
		case a.want.Undefined() || b.want.Undefined():
			want = UndefinedMissing
		}
		return kleene{"(" + a.source + " || " + b.source + ")", want}
	default:
		c, a, b := sub(), sub(), sub()
		want := c.want
		if !c.want.Undefined() {
			want = map[Verdict]Verdict{Yes: a.want, No: b.want}[c.want]
		}
		return kleene{"((" + c.source + ") ? (" + a.source + ") : (" + b.source + "))", want}
	}
}

func TestConditionIsThreeValuedLogic(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := drawKleene(t, 4)
		require.Equal(t, k.want, verdictOn(t, k.source, `{"one":1,"flag":true}`), k.source)
	})
}

// TestConditionOrder proves that pulling cheap terms forward changes no match, and that a guard keeps guarding.
func TestConditionOrder(t *testing.T) {
	t.Parallel()
	s := NewSchema(false)
	c, fault := Compile(`abs(a) > 1 && a != nil && a > 1 && b == "x"`, s)
	require.Nil(t, fault)
	require.Len(t, c.terms, 4)
	require.IsType(t, &nilTerm{}, c.terms[0])
	require.IsType(t, &predicate{}, c.terms[1])
	require.IsType(t, &predicate{}, c.terms[2])
	require.IsType(t, &comparisonTerm{}, c.terms[3])
}

func TestNumbersCompareExactly(t *testing.T) {
	t.Parallel()
	// Around 2^53 and 2^63, where float64 and int64 end, and far beyond.
	drawInteger := rapid.Custom(func(t *rapid.T) *big.Int {
		base := rapid.SampledFrom([]string{
			"0", "9007199254740992", "9223372036854775807", "9223372036854775808",
			"49590338271490256608559692538361571095921575989136588898",
		}).Draw(t, "base")
		n, _ := new(big.Int).SetString(base, 10)
		n.Add(n, big.NewInt(rapid.Int64Range(-3, 3).Draw(t, "offset")))
		if rapid.Bool().Draw(t, "negative") {
			n.Neg(n)
		}
		return n
	})
	ops := map[string]func(int) bool{
		"==": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 },
		"<": func(c int) bool { return c < 0 }, "<=": func(c int) bool { return c <= 0 },
		">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawInteger.Draw(t, "a"), drawInteger.Draw(t, "b")
		payload := fmt.Sprintf(`{"a":%s,"b":%s}`, a, b)
		for op, holds := range ops {
			want := verdictOf(holds(a.Cmp(b)))
			require.Equal(t, want, verdictOn(t, "a "+op+" b", payload), "%s %s %s", a, op, b)
			// The same inside the virtual machine.
			require.Equal(t, want, verdictOn(t, "all([a], # "+op+" b)", payload), "%s %s %s", a, op, b)
			if b.IsInt64() && b.Sign() >= 0 {
				require.Equal(t, want, verdictOn(t, "a "+op+" "+b.String(), payload), "%s %s %s", a, op, b)
			}
		}
	})
}

// FuzzCondition: whatever a user writes, compiling and evaluating it end without a panic.
func FuzzCondition(f *testing.F) {
	for _, seed := range []string{
		`SCORE > 3.0 && COL1 != ""`, `any(items, .p > 3)`, `let x = a; x?.y ?? 3 > 1`, `a in [1, "x"] || b matches "x"`,
		`$env["a b"] == nil`, `a[1:2] == "x"`, `{"a": 1}.a == b`, `reduce(a, #acc + #, 0) > 1`, `a ?: b`,
		`"x" in {x: 1}`,
	} {
		f.Add(seed, `{"a":[1,2],"SCORE":4,"items":[{"p":1}],"b":null}`)
	}
	f.Fuzz(func(t *testing.T, when, payload string) {
		if strings.Contains(when, "..") || strings.Contains(when, "repeat") || len(when) > 200 {
			t.Skip("may legitimately cost seconds")
		}
		s := NewSchema(false)
		c, fault := Compile(when, s)
		if fault != nil {
			require.NotEmpty(t, fault.Text)
			return
		}
		d, frame := NewDecoder(s), NewFrame(s)
		if d.Decode([]byte(payload), frame.Slots) != "" {
			return
		}
		first := c.Eval(&frame)
		require.Equal(t, first, c.Eval(&frame), "the same record, the same verdict")
	})
}
