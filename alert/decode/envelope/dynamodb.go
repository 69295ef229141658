package envelope

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/decode/scan"
	"kinesis-alerter/alert/payload"
)

// dynamoDB makes plain JSON of a change of a table, as DynamoDB writes it to Kinesis, or as Pipes brings it from
// DynamoDB Streams. Numbers keep their digits.
func dynamoDB(dst, src []byte) ([]byte, *payload.Fault) {
	outer, _, fault := fields(DynamoDB, src,
		"eventName", "tableName", "eventSourceARN", "dynamodb", "userIdentity", "eventID", "awsRegion")
	if fault != nil {
		return nil, fault
	}
	name, table, change := outer[0], outer[1], outer[3]
	streams := table == nil
	if streams {
		table = tableOf(text(outer[2]))
	}
	switch {
	case !isText(name):
		return nil, wrong(DynamoDB, "no eventName")
	case !isObject(change):
		return nil, wrong(DynamoDB, "no member dynamodb")
	case !isText(table):
		return nil, wrong(DynamoDB, "no tableName, and no table's eventSourceARN")
	}
	inner, _, fault := fields(DynamoDB, change, "Keys", "NewImage", "OldImage",
		"ApproximateCreationDateTime", "ApproximateCreationDateTimePrecision")
	switch {
	case fault != nil:
		return nil, fault
	case isNothing(inner[0]):
		return nil, wrong(DynamoDB, "no dynamodb.Keys")
	}
	c := converter{dst: append(dst, `{"eventName":`...)}
	c.dst = append(c.dst, name...)
	c.member("table", table)
	for i, as := range []string{"keys", "new", "old"} {
		if isNothing(inner[i]) {
			continue
		}
		if fault := c.image(as, inner[i]); fault != nil {
			return nil, fault
		}
	}
	for i, as := range []string{"userIdentity", "eventID", "awsRegion"} {
		if !isNothing(outer[4+i]) {
			c.member(as, outer[4+i])
		}
	}
	if at := inner[3]; !isNothing(at) {
		c.member("timestamp", nil)
		var ok bool
		if c.dst, ok = milliseconds(c.dst, at, text(inner[4]), streams); !ok {
			return nil, wrong(DynamoDB, "ApproximateCreationDateTime is %s", short(at))
		}
	}
	return append(c.dst, '}'), nil
}

// tableOf is the name in the ARN of a table's stream, as JSON.
func tableOf(arn string) []byte {
	parts := strings.Split(arn, "/")
	if !strings.HasPrefix(arn, "arn:") || !strings.Contains(parts[0], ":dynamodb:") || len(parts) < 2 {
		return nil
	}
	name, err := jsontext.AppendQuote(nil, parts[1])
	if err != nil {
		return nil
	}
	return name
}

// converter makes plain JSON of values that are wrapped in their types, in one pass over JSON that package scan has let
// pass. Types and names alternate by level, so that an attribute may be called as a type is. Its methods take the place
// of a value, and return the one behind it. Their recursion is bounded by scan.MaxDepth.
type converter struct {
	dst, src []byte
	path     [][]byte // where it is, for messages
}

// member begins a member of the record; value is nil if it follows.
func (c *converter) member(name string, value []byte) {
	c.dst = append(append(append(c.dst, `,"`...), name...), `":`...)
	c.dst = append(c.dst, value...)
}

// image converts an item.
func (c *converter) image(as string, item []byte) *payload.Fault {
	c.src, c.path = item, append(c.path[:0], []byte(as))
	c.member(as, nil)
	_, fault := c.object(0)
	return fault
}

func (c *converter) wrong(i int, format string) (int, *payload.Fault) {
	end, _ := scan.Value(c.src, i)
	return i, wrong(DynamoDB, format+" at %s", short(c.src[i:end]), short(bytes.Join(c.path, []byte("."))))
}

// object converts the attributes of an item or a map.
func (c *converter) object(i int) (int, *payload.Fault) {
	if c.src[i] != '{' {
		return c.wrong(i, "no map but %s")
	}
	return c.each(i, func(i int) (int, *payload.Fault) {
		name, at, _ := scan.Member(c.src, i)
		c.dst = append(append(append(c.dst, '"'), name...), `":`...)
		c.path = append(c.path, name)
		end, fault := c.value(at)
		if fault == nil {
			c.path = c.path[:len(c.path)-1]
		}
		return end, fault
	})
}

// list converts the elements of an array.
func (c *converter) list(i int, element func(i int) (int, *payload.Fault)) (int, *payload.Fault) {
	if c.src[i] != '[' {
		return c.wrong(i, "no list but %s")
	}
	return c.each(i, element)
}

// each converts what is inside of brackets.
func (c *converter) each(i int, convert func(i int) (int, *payload.Fault)) (int, *payload.Fault) {
	end := c.src[i] + 2 // the other bracket
	c.dst = append(c.dst, c.src[i])
	for i = scan.Space(c.src, i+1); c.src[i] != end; {
		var fault *payload.Fault
		if i, fault = convert(i); fault != nil {
			return i, fault
		}
		if i = scan.Space(c.src, i); c.src[i] == ',' {
			c.dst = append(c.dst, ',')
			i = scan.Space(c.src, i+1)
		}
	}
	c.dst = append(c.dst, end)
	return i + 1, nil
}

// value converts a value in its type.
func (c *converter) value(i int) (int, *payload.Fault) {
	inside := scan.Space(c.src, i+1)
	if c.src[i] != '{' || c.src[inside] == '}' {
		return c.wrong(i, "no type but %s")
	}
	kind, at, _ := scan.Member(c.src, inside)
	end, fault := c.typed(string(scan.Unquote(kind)), at)
	if fault != nil {
		return end, fault
	}
	if end = scan.Space(c.src, end); c.src[end] != '}' {
		return c.wrong(i, "several types in %s")
	}
	return end + 1, nil
}

func (c *converter) typed(kind string, i int) (int, *payload.Fault) {
	switch kind {
	case "S", "B":
		return c.text(i)
	case "N":
		return c.number(i)
	case "BOOL":
		end, _ := scan.Value(c.src, i)
		if c.src[i] != 't' && c.src[i] != 'f' {
			return c.wrong(i, "no boolean but %s")
		}
		c.dst = append(c.dst, c.src[i:end]...)
		return end, nil
	case "NULL":
		end, _ := scan.Value(c.src, i)
		c.dst = append(c.dst, "null"...)
		return end, nil
	case "M":
		return c.object(i)
	case "L":
		return c.list(i, c.value)
	case "SS", "BS":
		return c.list(i, c.text)
	case "NS":
		return c.list(i, c.number)
	}
	return c.wrong(i, "unknown type around %s")
}

func (c *converter) text(i int) (int, *payload.Fault) {
	if c.src[i] != '"' {
		return c.wrong(i, "no text but %s")
	}
	end, _ := scan.Text(c.src, i)
	c.dst = append(c.dst, c.src[i:end]...)
	return end, nil
}

func (c *converter) number(i int) (int, *payload.Fault) {
	if c.src[i] != '"' {
		return c.wrong(i, "no number in a text but %s")
	}
	end, _ := scan.Text(c.src, i)
	digits := scan.Unquote(c.src[i+1 : end-1])
	if !scan.IsNumber(digits) {
		return c.wrong(i, "JSON has no such number: %s")
	}
	c.dst = append(c.dst, digits...)
	return end, nil
}

// milliseconds appends a creation time in milliseconds since 1970, exactly. DynamoDB writes milliseconds or, if its
// precision says so, microseconds to Kinesis; DynamoDB Streams have seconds.
func milliseconds(dst, number []byte, precision string, streams bool) ([]byte, bool) {
	switch precision {
	case "MICROSECOND":
		return shift(dst, number, -3)
	case "", "MILLISECOND":
		if streams && precision == "" {
			return shift(dst, number, 3)
		}
		return shift(dst, number, 0)
	case "SECOND":
		return shift(dst, number, 3)
	}
	return dst, false
}

// shift appends a number times a power of ten, without an exponent. Times have neither signs nor hundreds of digits.
func shift(dst, number []byte, by int) ([]byte, bool) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(string(number)), "e")
	if exponent != "" {
		n, err := strconv.Atoi(exponent)
		if err != nil || n < -20 || n > 20 {
			return dst, false
		}
		by += n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := []byte(whole + fraction)
	if len(digits) > 40 || strings.Trim(string(digits), "0123456789") != "" || len(digits) == 0 {
		return dst, false
	}
	point := len(whole) + by
	for ; point < 1; point++ {
		digits = slices.Insert(digits, 0, '0')
	}
	for len(digits) < point {
		digits = append(digits, '0')
	}
	whole, fraction = strings.TrimLeft(string(digits[:point-1]), "0")+string(digits[point-1]), string(digits[point:])
	dst = append(dst, whole...)
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		dst = append(append(dst, '.'), fraction...)
	}
	return dst, true
}
