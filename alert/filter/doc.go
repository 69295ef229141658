// Package filter decides which records pass, by the patterns of Lambda's FilterCriteria. It is pure: no AWS, no clock.
//
// # Patterns
//
// [Compile] makes an immutable [Set] of patterns, which are ORed. A set without patterns passes every record. A
// [Matcher] is the scratch memory of one goroutine. A pattern is what Lambda, EventBridge Pipes and EventBridge have:
//
//	{"data": {"rateType": ["HIGH"], "ANOMALY_SCORE": [{"numeric": [">", 3]}]}, "partitionKey": [{"prefix": "eu-"}]}
//
// The fields of a pattern are ANDed, and the alternatives in a list ORed. $or holds at least two objects, of which one
// must match. A pattern can look at data, which is the payload read as JSON, and at partitionKey. Lambda has data
// alone.
//
// All of event-ruler's operators are known:
//
//   - null, "", strings, numbers, true and false;
//   - equals-ignore-case and exactly;
//   - prefix and suffix, also with equals-ignore-case;
//   - wildcard, numeric, cidr and exists;
//   - anything-but of strings or numbers, alone or in a list;
//   - anything-but of equals-ignore-case, prefix, suffix and wildcard, alone or in a list.
//
// Lambda's limits of 5 to 10 patterns of 4096 characters do not exist here. The $or of one pattern may make 1000
// combinations, as on event buses, and those of all patterns 100,000.
//
// # Semantics
//
// They are those of aws/event-ruler 2.0.1 as executed, even where its documentation differs:
//
//   - Dotted names and nesting are the same. {"a.b": [1]} is {"a": {"b": [1]}}, in the pattern and in the record.
//   - If a pattern has a path twice, the last one counts. Two objects of one name are merged, since only paths count.
//   - An array matches if one of its elements does, at any depth. Two fields must not match in different elements of
//     one array. An empty array or object is no value.
//   - exists true means any value that is no object, also null. exists false means no such value; an object is none.
//   - Fields are tried in the order of their paths. So exists false looks at the array elements that the fields before
//     it matched in. With "a" before "b", {"a": ["x"], "b": [{"exists": false}]} asks for an element with a and no b.
//     But {"b": ["x"], "a": [{"exists": false}]} asks for no a in any element.
//   - anything-but needs a value, and matches one of any type: null, true, a number where strings are excluded.
//   - Numbers are equal by value: 300, 300.0 and 3.0e2. The documentation says that they are not. A string is no
//     number.
//   - A string that is an IP address matches every spelling of that address; exactly does not.
//   - Strings are compared byte by byte. There is no Unicode normalisation, and case counts unless an operator ignores
//     it.
//
// It differs from event-ruler in these:
//
//   - Numbers are exact at any size and precision, also in ranges. event-ruler compares float64, and a number that
//     float64 does not hold matches no range.
//   - If the payload has a name twice, the last value counts. (event-ruler sees both.)
//   - Characters outside the basic plane are compared in equals-ignore-case. Characters whose other case is more than
//     one (ß and SS) match themselves alone.
//   - No IPv6 address is in an IPv4 block, nor the other way round. (event-ruler takes 0.0.0.0/0 and ::/0 for either.)
//   - An empty list in anything-but is refused, and so is a field below the partition key. In event-ruler they have no
//     effect.
//
// # Payloads
//
// A payload is read only if a pattern looks at data and none matched by the partition key alone. It is then validated
// as a whole: RFC 8259 with valid UTF-8, no unpaired surrogates, nothing behind the value and at most 10,000 levels. A
// payload that is not valid is [NotJSON]; Lambda drops it silently. A pattern on data cannot match such a record, not
// even by exists false. Names that occur twice are no fault here; a stage that reads the record later may judge them.
//
// A valid payload need not be an object. An array at the top is like any other: {"data": {"a": ["x"]}} matches [{"a":
// "x"}]. A scalar has no fields; {"data": ["x"]}, which Lambda refuses, matches "x" and ["x"].
//
// # Cost
//
// The payload is read once, and only the fields that patterns mention are kept. Each combination is found through one
// of its fields. Strings, numbers, literals and addresses have a hash table. Prefixes and suffixes have an index, and
// ranges have a tree. A combination without such an operator (anything-but, equals-ignore-case, cidr, exists) is tried
// whenever its field is there. So the time grows with the candidates for the record's values, not with the number of
// patterns. [Matcher.Match] does not allocate in the steady state, unless the payload has escaped strings or is not
// valid.
//
// Patterns times values can still be too many. Beyond about two seconds of work the answer is [OverBudget]. The work is
// counted by the filter and the record, and not by time.
//
// # What it does not promise
//
// That Lambda decides the same of payloads that are not objects, have a name twice or unpaired surrogates: no source
// says what it does. In a record, dotted and nested names can make the same path by way of several arrays. Such a
// record may count as not matched after 10,000 combinations of their elements.
package filter
