package alert

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
func verdictOn(tb require.TestingT, when, payload string) verdict {
	s := newSchema(false)
	c, fault := compileCondition(when, s)
	require.Nil(tb, fault, "%s: %v", when, fault)
	d, f := newDecoder(s), newFrame(s)
	require.Empty(tb, d.decode([]byte(payload), f.slots), payload)
	f.slots[slotPartitionKey] = value{kind: text, raw: []byte("partitionkey")}
	f.slots[slotShard] = value{kind: text, raw: []byte("shardId-000000000001")}
	f.slots[slotArrival] = value{kind: moment, at: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)}
	f.slots[slotAge] = value{kind: span, ns: int64(90 * time.Second)}
	return andTerm(c.terms).eval(&f)
}

// TestConditionTraps holds the cases in which expr by itself, or a reader in a hurry, would decide otherwise.
func TestConditionTraps(t *testing.T) {
	t.Parallel()
	const rec = `{"COL1":"x","EMPTY":"","NULL":null,"SCORE":3.5,"INT":4,"ZERO":0,"FLAG":true,"OFF":false,` +
		`"order":{"type":"buy","price":12.5,"lines":[{"sku":"a","qty":2},{"sku":"b"}]},"tags":["red","blue"],` +
		`"nums":[1,2.5],"ids":[9007199254740993,null,true],"far":[1e400],"type":"buy","heart rate":180,"id":9007199254740993,"seq":49590338271490256608559692538361571095921575989136588898}`
	cases := []struct {
		when string
		want verdict
	}{
		// Absent, null and of another type are neither equal nor unequal.
		{`nosuch != ""`, undefinedMissing},
		{`nosuch == ""`, undefinedMissing},
		{`nosuch > 3`, undefinedMissing},
		{`3 < nosuch`, undefinedMissing},
		{`!(nosuch > 3)`, undefinedMissing},
		{`not (nosuch == "x")`, undefinedMissing},
		{`NULL != ""`, undefinedNull},
		{`NULL > 3`, undefinedNull},
		{`COL1 > 3`, undefinedMistyped},
		{`COL1 != 3`, undefinedMistyped},
		{`SCORE == "3.5"`, undefinedMistyped},
		{`INT != "4"`, undefinedMistyped},
		{`order != "x"`, undefinedMistyped},
		{`tags == "red"`, undefinedMistyped},
		{`FLAG == 1`, undefinedMistyped},
		{`SCORE == nosuch`, undefinedMissing},
		{`COL1 != SCORE`, undefinedMistyped},
		{`EMPTY != ""`, no},
		{`EMPTY == ""`, yes},

		// A bare field is a condition only if it is a boolean.
		{`FLAG`, yes},
		{`!OFF`, yes},
		{`COL1`, undefinedMistyped},
		{`!INT`, undefinedMistyped},
		{`nosuch`, undefinedMissing},

		// One decided side decides, in either order.
		{`nosuch > 3 || SCORE > 3`, yes},
		{`SCORE > 3 || nosuch > 3`, yes},
		{`nosuch > 3 && SCORE > 9`, no},
		{`SCORE > 3 && nosuch > 3`, undefinedMissing},
		{`!(nosuch > 3 && SCORE > 9)`, yes},
		{`SCORE > 3 ? FLAG : nosuch`, yes},
		{`nosuch > 3 ? FLAG : FLAG`, undefinedMissing},
		{`if SCORE > 3 { FLAG } else { OFF }`, yes},

		// Missing is asked for by name.
		{`nosuch == nil`, yes},
		{`nosuch != nil`, no},
		{`NULL == nil`, yes},
		{`nil != COL1`, yes},
		{`nosuch != nil && nosuch > 3`, no},
		{`(nosuch ?? 5) > 3`, yes},
		{`(SCORE ?? 0) > 3`, yes},
		{`(nosuch ?? false)`, no},
		{`nosuch?.deeper > 3`, undefinedMissing},
		{`order.nosuch == nil`, yes},
		{`(order.nosuch ?? order.price) > 12`, yes},
		{`order.lines[1].qty == nil`, yes},

		// Fields.
		{`order.price > 12`, yes},
		{`order["price"] > 12`, yes},
		{`order?.price > 12`, yes},
		{`order.price.deeper > 12`, undefinedMissing},
		{`order.type == type`, yes},
		{`$env["heart rate"] > 149`, yes},
		{`$env["order"].price > 12`, yes},
		{`score > 3`, undefinedMissing},
		{`order.lines[0].qty > 1`, yes},
		{`order.lines[9].qty > 1`, undefinedFailed},

		// Texts.
		{`COL1 contains "x"`, yes},
		{`nosuch contains "x"`, undefinedMissing},
		{`not (nosuch contains "x")`, undefinedMissing},
		{`INT startsWith "4"`, undefinedMistyped},
		{`type endsWith "uy"`, yes},
		{`type matches "^b.y$"`, yes},
		{`not (nosuch matches "x")`, undefinedMissing},
		{`INT matches "4"`, undefinedMistyped},
		{`lower(COL1) == "x"`, yes},
		{`lower(COL1) != INT`, undefinedMistyped},
		{`lower(INT) == "4"`, undefinedFailed},
		{`len(tags) == 2`, yes},
		{`COL1 < "y"`, yes},
		{`COL1 >= "y"`, no},
		{`type + COL1 == "buyx"`, yes},
		{`type contains COL1`, no},
		{`type contains INT`, undefinedMistyped},

		// Booleans have no order, lists and objects no comparison.
		{`FLAG == true`, yes},
		{`FLAG != OFF`, yes},
		{`FLAG > OFF`, undefinedMistyped},
		{`tags == tags`, undefinedMistyped},
		{`order != order`, undefinedMistyped},
		{`3 <= INT`, yes},
		{`5 >= INT`, yes},
		{`4.5 > INT`, yes},
		{`INT + 0 <= SCORE`, no},

		// Membership.
		{`type in ["buy", "sell"]`, yes},
		{`type not in ["sell"]`, yes},
		{`nosuch in ["buy"]`, undefinedMissing},
		{`nosuch not in ["buy"]`, undefinedMissing},
		{`INT in ["buy", "sell"]`, undefinedMistyped},
		{`INT not in ["buy"]`, undefinedMistyped},
		{`INT in ["buy", 4]`, yes},
		{`INT in []`, no},
		{`INT in 1..5`, yes},
		{`SCORE in 1..5`, no},
		{`"red" in tags`, yes},
		{`"green" in tags`, no},
		{`4 in tags`, undefinedMistyped},
		{`"type" in order`, yes},
		{`INT in [nosuch, 4]`, undefinedMissing},
		{`2.5 in nums`, yes},

		// Arithmetic that has no finite result is not larger than anything.
		{`SCORE / ZERO > 1`, undefinedNotFinite},
		{`abs(SCORE / (INT - 4)) * 100 > 1`, undefinedNotFinite},
		{`INT % 2 == 0`, yes},
		{`SCORE % ZERO == 0`, undefinedNotFinite},
		{`INT % COL1 == 0`, undefinedMistyped},
		{`COL1 * 2 > 1`, undefinedFailed},
		{`SCORE + 1 == 4.5`, yes},
		{`-SCORE < 0`, yes},
		{`float(COL1) > 1`, undefinedFailed},
		{`1 < SCORE < 4`, yes},

		// Integers from 2^53 up are exact or nothing.
		{`id == 9007199254740993`, yes},
		{`id == 9007199254740992`, no},
		{`id > 9007199254740992`, yes},
		{`id != 9007199254740992.0`, yes},
		{`id in [9007199254740992]`, no},
		{`id == id`, yes},
		{`seq > id`, yes},
		{`seq > 9223372036854775807`, yes},
		{`seq > 1.5`, yes},
		{`id % 2 == 1`, undefinedInexact},
		{`id + 1 > 0`, undefinedInexact},
		{`string(id) == "9007199254740993"`, yes},
		{`string(seq) endsWith "898"`, yes},
		{`any(ids, # == 9007199254740993)`, yes},
		{`ids[0] == 9007199254740992`, no},
		{`ids[0] - 1 == 9007199254740992`, undefinedFailed},
		{`ids[1] == nil`, yes},
		{`ids[2]`, yes},
		{`far[0] > 3`, undefinedNotFinite},

		// Closures, let and pipes: an undefined comparison makes the term undefined.
		{`any(order.lines, .qty > 1)`, yes},
		{`all(order.lines, .qty > 1)`, undefinedNull},
		{`any(order.lines, .sku != "a")`, yes},
		{`any(order.lines, .nosuch != "a")`, undefinedNull},
		{`none(order.lines, .sku matches "z")`, yes},
		{`none(order.lines, .nosuch matches "z")`, undefinedNull},
		{`count(order.lines, .qty != nil) == 1`, yes},
		{`any(nosuch, # > 3)`, undefinedMissing},
		{`tags | map(upper(#)) | any(# == "RED")`, yes},
		{`let half = SCORE / 2; half > 1`, yes},
		{`let x = nosuch; x != 3`, undefinedMissing},
		{`sum(nums) == 3.5`, yes},
		{`any(order.lines, .qty > 9) || SCORE > 3`, yes},

		// Built-in names.
		{`partition_key == "partitionkey"`, yes},
		{`shard endsWith "001"`, yes},
		{`age > duration("1m")`, yes},
		{`age < duration("1m")`, no},
		{`arrival > date("2026-01-01")`, yes},
		{`arrival - duration("1h") < arrival`, yes},
		{`(arrival - date("2026-11-22")) > duration("9h")`, yes},
		{`age * 2 == duration("3m")`, yes},
		{`age == SCORE`, undefinedMistyped},
		{`arrival.Hour() == 9`, yes},
		{`arrival.In(timezone("Europe/Berlin")).Hour() == 10`, yes},
		{`string(arrival.Weekday()) == "Sunday"`, yes},
		{`shard in ["shardId-000000000001"]`, yes},
		{`$env["shard"] == "shardId-000000000001"`, yes},

		// Constants.
		{`true`, yes},
		{`1 > 2`, no},
		{`"a" == "a"`, yes},
		{`nil == nil`, yes},
	}
	for _, c := range cases {
		t.Run(c.when, func(t *testing.T) {
			t.Parallel()
			got := verdictOn(t, c.when, rec)
			require.Equal(t, c.want, got, "%s is %d (%s)", c.when, got, got.cause())
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
		{`keys(order)[0] == "x"`, "keys is not available: it gives the order of a map, which changes from run to run", 1, 1},
		{`fromJSON(x).y > 3`, "fromJSON is not available: it reads JSON less strictly than the record itself is read; use format json", 1, 1},
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
		{`arrival.Local().Hour() > 8`, `Local gives the time zone of the host; use In(timezone("Europe/Berlin"))`, 1, 9},
		{`$env == nil`, `$env is only for names that are no identifiers, as in $env["heart rate"]`, 1, 1},
		{`$env[COL1] == 3`, `$env is only for names that are no identifiers, as in $env["heart rate"]`, 1, 1},
		{`FLAG > false`, "invalid operation: > (mismatched types unknown and bool)", 1, 6},
		{`COL1 matches "("`, "error parsing regexp: missing closing ): `(`", 1, 6},
		{`COL1 matches COL2`, "the pattern of matches must be a constant text", 1, 6},
		{`COL1 > nil`, "nil has no order: use == nil or != nil", 1, 6},
		{`id == 99999999999999999999`, `invalid integer literal: strconv.ParseInt: parsing "99999999999999999999": value out of range`, 1, 26},
		{`SCORE > 1e400`, `invalid float literal: strconv.ParseFloat: parsing "1e400": value out of range`, 1, 13},
	}
	for _, c := range cases {
		t.Run(c.when, func(t *testing.T) {
			t.Parallel()
			_, fault := compileCondition(c.when, newSchema(false))
			require.NotNil(t, fault)
			require.Equal(t, c.want, fault.text)
			require.Equal(t, [2]int{c.line, c.col}, [2]int{fault.line, fault.col})
		})
	}
}

// kleene is a random condition with the verdict that three-valued logic gives it.
type kleene struct {
	source string
	want   verdict
}

func drawKleene(t *rapid.T, depth int) kleene {
	atoms := []kleene{
		{`one == 1`, yes},
		{`one > 1`, no},
		{`nosuch > 1`, undefinedMissing},
		{`one + 0 == 1`, yes},
		{`abs(one) > 1`, no},
		{`nosuch + 0 > 1`, undefinedMissing},
		{`flag`, yes},
		{`nosuch`, undefinedMissing},
		{`nosuch == nil`, yes},
	}
	if depth == 0 {
		return rapid.SampledFrom(atoms).Draw(t, "atom")
	}
	sub := func() kleene { return drawKleene(t, rapid.IntRange(0, depth-1).Draw(t, "depth")) }
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		x := sub()
		want := map[verdict]verdict{yes: no, no: yes, undefinedMissing: undefinedMissing}[x.want]
		return kleene{"!(" + x.source + ")", want}
	case 1:
		a, b := sub(), sub()
		want := yes
		switch {
		case a.want == no || b.want == no:
			want = no
		case a.want.undefined() || b.want.undefined():
			want = undefinedMissing
		}
		return kleene{"(" + a.source + " && " + b.source + ")", want}
	case 2:
		a, b := sub(), sub()
		want := no
		switch {
		case a.want == yes || b.want == yes:
			want = yes
		case a.want.undefined() || b.want.undefined():
			want = undefinedMissing
		}
		return kleene{"(" + a.source + " || " + b.source + ")", want}
	default:
		c, a, b := sub(), sub(), sub()
		want := c.want
		if !c.want.undefined() {
			want = map[verdict]verdict{yes: a.want, no: b.want}[c.want]
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
	s := newSchema(false)
	c, fault := compileCondition(`abs(a) > 1 && a != nil && a > 1 && b == "x"`, s)
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
		`$env["a b"] == nil`, `a[1:2] == "x"`, `{"a": 1}.a == b`, `reduce(a, #acc + #, 0) > 1`, `a ?: b`, `"x" in {x: 1}`,
	} {
		f.Add(seed, `{"a":[1,2],"SCORE":4,"items":[{"p":1}],"b":null}`)
	}
	f.Fuzz(func(t *testing.T, when, payload string) {
		if strings.Contains(when, "..") || strings.Contains(when, "repeat") || len(when) > 200 {
			t.Skip("may legitimately cost seconds")
		}
		s := newSchema(false)
		c, fault := compileCondition(when, s)
		if fault != nil {
			require.NotEmpty(t, fault.text)
			return
		}
		d, frame := newDecoder(s), newFrame(s)
		if d.decode([]byte(payload), frame.slots) != "" {
			return
		}
		first := c.eval(&frame)
		require.Equal(t, first, c.eval(&frame), "the same record, the same verdict")
	})
}
