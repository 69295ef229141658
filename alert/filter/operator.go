package filter

import (
	"bytes"
	"net/netip"
	"strconv"
)

// operator is one of the alternatives that a pattern gives for a field. It never looks further than one value; that a
// field has no value is the matter of the condition.
type operator interface {
	matches(v *value) bool
	// String is the operator in the words of an explanation: > 3, "x", prefix "us-".
	String() string
}

// equalText is a string, also that of exactly.
type equalText string

func (o equalText) matches(v *value) bool { return v.kind == kindString && string(v.text) == string(o) }
func (o equalText) String() string        { return strconv.Quote(string(o)) }

// equalNumber is a number, also that of numeric "=".
type equalNumber struct {
	number number
	text   string
}

func (o *equalNumber) matches(v *value) bool {
	return v.kind == kindNumber && v.number.compare(&o.number) == 0
}
func (o *equalNumber) String() string { return o.text }

// equalLiteral is null, true or false.
type equalLiteral kind

func (o equalLiteral) matches(v *value) bool { return v.kind == kind(o) }

func (o equalLiteral) String() string {
	switch kind(o) {
	case kindTrue:
		return "true"
	case kindFalse:
		return "false"
	case kindNull, kindString, kindNumber, kindCount:
	}
	return "null"
}

// equalAddress is a string that is an IP address: it matches every spelling of it.
type equalAddress struct {
	address netip.Addr
	text    string
}

func (o *equalAddress) matches(v *value) bool {
	if v.kind != kindString {
		return false
	}
	address, ok := parseAddress(v.text)
	return ok && address == o.address
}
func (o *equalAddress) String() string { return strconv.Quote(o.text) }

// numericRange has one bound or two.
type numericRange struct {
	low, high bound
	text      string
}

// bound is one end of a range. Without set there is none.
type bound struct {
	number
	set, open bool
}

func (o *numericRange) matches(v *value) bool {
	if v.kind != kindNumber {
		return false
	}
	if o.low.set {
		if c := v.number.compare(&o.low.number); c < 0 || c == 0 && o.low.open {
			return false
		}
	}
	if o.high.set {
		if c := v.number.compare(&o.high.number); c > 0 || c == 0 && o.high.open {
			return false
		}
	}
	return true
}
func (o *numericRange) String() string { return o.text }

// prefix is what a string begins with.
type prefix string

func (o prefix) matches(v *value) bool {
	return v.kind == kindString && len(v.text) >= len(o) && string(v.text[:len(o)]) == string(o)
}
func (o prefix) String() string { return "prefix " + strconv.Quote(string(o)) }

// suffix is what a string ends with.
type suffix string

func (o suffix) matches(v *value) bool {
	return v.kind == kindString && len(v.text) >= len(o) && string(v.text[len(v.text)-len(o):]) == string(o)
}
func (o suffix) String() string { return "suffix " + strconv.Quote(string(o)) }

// cidr is a block of IP addresses.
type cidr netip.Prefix

func (o cidr) matches(v *value) bool {
	if v.kind != kindString {
		return false
	}
	address, ok := parseAddress(v.text)
	return ok && netip.Prefix(o).Contains(address)
}
func (o cidr) String() string { return "cidr " + netip.Prefix(o).String() }

// present is exists true: any value.
type present struct{}

func (present) matches(*value) bool { return true }
func (present) String() string      { return "exists true" }

// anythingBut is any value for which none of the operators holds, of whatever type it is.
type anythingBut struct {
	operators []operator
	text      string
}

func (o *anythingBut) matches(v *value) bool {
	for _, but := range o.operators {
		if but.matches(v) {
			return false
		}
	}
	return true
}
func (o *anythingBut) String() string { return "anything-but " + o.text }

// wildcard is a string with asterisks in the place of any run of characters, also of none.
type wildcard struct {
	// parts are the texts between the asterisks, at least one. The first is where the string begins, the last where it
	// ends.
	parts []string
	text  string
}

func (o *wildcard) matches(v *value) bool {
	if v.kind != kindString {
		return false
	}
	text := v.text
	first, last := o.parts[0], o.parts[len(o.parts)-1]
	if len(o.parts) == 1 {
		return string(text) == first
	}
	if len(text) < len(first)+len(last) || string(text[:len(first)]) != first ||
		string(text[len(text)-len(last):]) != last {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range o.parts[1 : len(o.parts)-1] {
		// The first place where a part occurs leaves the most for the parts behind it.
		i := bytes.Index(text, []byte(part))
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}
func (o *wildcard) String() string { return "wildcard " + strconv.Quote(o.text) }
