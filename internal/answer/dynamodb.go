package answer

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// An attribute value of {} or of null only is nothing to the SDK: it then gives an attribute the value of the one
// before it. So the bodies of DynamoDB are looked at as they are.

// members are the members of DynamoDB's answers that belong to some of the operations. One that is not the operation's
// own shows that the answer is another's, or an error that came as a success.
func members() []string {
	return []string{
		"Item", "Items", "Attributes", "Table", "TableDescription", "Count", "ScannedCount", "LastEvaluatedKey",
		"__type",
	}
}

// items makes the check of the body of an operation whose answer has these members.
func items(own ...string) func([]byte, *smithyhttp.Response) string {
	var foreign []string
	for _, m := range members() {
		if !slices.Contains(own, m) {
			foreign = append(foreign, m)
		}
	}
	return func(body []byte, res *smithyhttp.Response) string {
		success := res.StatusCode < http.StatusMultipleChoices
		var doc map[string]json.RawMessage
		if what := object(body); what != "" && success {
			return what
		}
		if json.Unmarshal(body, &doc) != nil {
			if success {
				return "it is no JSON"
			}
			return "" // the SDK reports that
		}
		if success {
			if what := belongs(doc, own, foreign); what != "" {
				return what
			}
		}
		for _, m := range []string{"Item", "Attributes", "LastEvaluatedKey"} {
			if raw, there := doc[m]; there && !null(raw) {
				if what := attributes(raw); what != "" {
					return what
				}
			}
		}
		if raw, there := doc["Items"]; there && !null(raw) {
			var list []json.RawMessage
			if json.Unmarshal(raw, &list) != nil {
				return "Items is no list"
			}
			for _, it := range list {
				if what := attributes(it); what != "" {
					return what
				}
			}
		}
		return ""
	}
}

// belongs reports whether the members of an answer are those of its operation. One may be unknown to us, but not all of
// them.
func belongs(doc map[string]json.RawMessage, own, foreign []string) string {
	known := len(doc) == 0
	for m := range doc {
		if slices.Contains(foreign, m) {
			return "it is the answer to another operation"
		}
		known = known || slices.Contains(own, m) || m == "ConsumedCapacity" || m == "ItemCollectionMetrics"
	}
	if !known {
		return "it is the answer to another operation"
	}
	return ""
}

func null(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// object returns what is wrong with a body that should be a JSON object. Empty ones count as a success with the SDK.
func object(body []byte) string {
	switch body = bytes.TrimSpace(body); {
	case len(body) == 0:
		return "its body is empty"
	case body[0] != '{':
		return "its body is no JSON object"
	}
	return ""
}

// jsonObject checks a body of the JSON protocols.
func jsonObject(body []byte, res *smithyhttp.Response) string {
	if res.StatusCode >= http.StatusMultipleChoices {
		return ""
	}
	if what := object(body); what != "" {
		return what
	}
	if nullInList(body) {
		return "a list in it holds a null"
	}
	return ""
}

// nullInList reports whether any list of a JSON document holds a null. The SDK drops them silently.
func nullInList(body []byte) bool {
	if !bytes.Contains(body, []byte("null")) { // as in nearly every answer
		return false
	}
	in := json.NewDecoder(bytes.NewReader(body))
	var open []json.Delim
	for {
		token, err := in.Token()
		if err != nil {
			return false // not JSON: the SDK reports that
		}
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				open = append(open, t)
			} else {
				open = open[:len(open)-1]
			}
		case nil:
			if len(open) > 0 && open[len(open)-1] == '[' {
				return true
			}
		}
	}
}

// attributes checks a map of attribute values.
func attributes(raw json.RawMessage) string {
	var item map[string]json.RawMessage
	if null(raw) || json.Unmarshal(raw, &item) != nil {
		return "an item is no map of attributes"
	}
	for _, v := range item {
		if what := attribute(v); what != "" {
			return what
		}
	}
	return ""
}

func attribute(raw json.RawMessage) string {
	const none = "an attribute has no value"
	var v map[string]json.RawMessage
	if json.Unmarshal(raw, &v) != nil || len(v) != 1 {
		return none
	}
	for kind, value := range v {
		value = bytes.TrimSpace(value)
		if len(value) == 0 {
			return none
		}
		first := value[0]
		switch kind {
		case "S", "N", "B":
			if first != '"' {
				return none
			}
		case "BOOL", "NULL":
			if first != 't' && first != 'f' {
				return none
			}
		case "SS", "NS", "BS":
			var list []*string
			if json.Unmarshal(value, &list) != nil || list == nil || slices.Contains(list, nil) {
				return none
			}
		case "M":
			return attributes(value)
		case "L":
			var list []json.RawMessage
			if first != '[' || json.Unmarshal(value, &list) != nil {
				return none
			}
			for _, x := range list {
				if what := attribute(x); what != "" {
					return what
				}
			}
		default:
			return "an attribute has a value of an unknown type"
		}
	}
	return ""
}

// keyed reports whether an item has the key that was asked for.
func keyed(item, key map[string]types.AttributeValue) bool {
	for name, want := range key {
		if !reflect.DeepEqual(item[name], want) {
			return false
		}
	}
	return true
}

func getItem(c *Call) *BadError {
	out, in := c.Out.(*dynamodb.GetItemOutput), c.In.(*dynamodb.GetItemInput)
	if len(out.Item) > 0 && in.ProjectionExpression == nil && !keyed(out.Item, in.Key) {
		return bad("its item has not the key that was asked for")
	}
	return epochs(c, out.Item)
}

func updateItem(c *Call) *BadError {
	out, in := c.Out.(*dynamodb.UpdateItemOutput), c.In.(*dynamodb.UpdateItemInput)
	switch in.ReturnValues {
	case types.ReturnValueAllNew:
		if len(out.Attributes) == 0 {
			return bad("Attributes is missing, which was asked for")
		}
		if !keyed(out.Attributes, in.Key) {
			return bad("its item has not the key that was asked for")
		}
		return epochs(c, out.Attributes)
	case types.ReturnValueNone, "":
		if len(out.Attributes) > 0 {
			return bad("it has Attributes, which were not asked for")
		}
	case types.ReturnValueAllOld, types.ReturnValueUpdatedOld, types.ReturnValueUpdatedNew:
	}
	return nil
}

func putItem(c *Call) *BadError {
	if len(c.Out.(*dynamodb.PutItemOutput).Attributes) > 0 && c.In.(*dynamodb.PutItemInput).ReturnValues == "" {
		return bad("it has Attributes, which were not asked for")
	}
	return nil
}

func deleteItem(c *Call) *BadError {
	if len(c.Out.(*dynamodb.DeleteItemOutput).Attributes) > 0 && c.In.(*dynamodb.DeleteItemInput).ReturnValues == "" {
		return bad("it has Attributes, which were not asked for")
	}
	return nil
}

func scan(c *Call) *BadError {
	out, in := c.Out.(*dynamodb.ScanOutput), c.In.(*dynamodb.ScanInput)
	switch {
	case out.Items == nil:
		return bad("Items is missing")
	case out.LastEvaluatedKey != nil && len(out.LastEvaluatedKey) == 0:
		return bad("LastEvaluatedKey is empty")
	case len(out.LastEvaluatedKey) > 0 &&
		(c.endless() || reflect.DeepEqual(out.LastEvaluatedKey, in.ExclusiveStartKey)):
		return bad("its pages have no end")
	}
	for _, it := range out.Items {
		if len(it) == 0 {
			return bad("an item is empty")
		}
		for name := range out.LastEvaluatedKey {
			if it[name] == nil {
				return bad("an item has no key")
			}
		}
		if c.Expect != nil && c.Expect.Key != "" {
			if key, ok := it[c.Expect.Key].(*types.AttributeValueMemberS); !ok || key.Value == "" {
				return bad("an item has no key")
			}
		}
	}
	return epochs(c, out.Items...)
}

// epochs looks at the one attribute that fences writers: it is a number. The table may hold something else, so the
// answer is reported and used all the same; the decoder of the row refuses it.
func epochs(c *Call, list ...map[string]types.AttributeValue) *BadError {
	for _, it := range list {
		if v, there := it["leaseEpoch"]; there {
			if _, number := v.(*types.AttributeValueMemberN); !number {
				c.usable = true
				return bad("leaseEpoch of an item is no number")
			}
		}
	}
	return nil
}

func describeTable(c *Call) *BadError {
	out, in := c.Out.(*dynamodb.DescribeTableOutput), c.In.(*dynamodb.DescribeTableInput)
	return tableOf("Table", out.Table, in.TableName)
}

func createTable(c *Call) *BadError {
	out, in := c.Out.(*dynamodb.CreateTableOutput), c.In.(*dynamodb.CreateTableInput)
	return tableOf("TableDescription", out.TableDescription, in.TableName)
}

// continuousBackups looks for what was asked for.
func continuousBackups(c *Call) *BadError {
	out := c.Out.(*dynamodb.UpdateContinuousBackupsOutput)
	switch d := out.ContinuousBackupsDescription; {
	case d == nil || d.PointInTimeRecoveryDescription == nil:
		return bad("PointInTimeRecoveryDescription is missing")
	case d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusEnabled:
		return bad("PointInTimeRecoveryStatus is not ENABLED")
	}
	return nil
}

func tableOf(member string, t *types.TableDescription, name *string) *BadError {
	switch {
	case t == nil:
		return bad(member + " is missing")
	case t.TableStatus == "":
		return bad("TableStatus is missing")
	case empty(t.TableName):
		return bad("TableName is missing")
	case name != nil && *t.TableName != *name:
		return bad("it is about another table")
	case len(t.KeySchema) == 0:
		return bad("KeySchema is missing")
	}
	for i := range t.KeySchema {
		if empty(t.KeySchema[i].AttributeName) || t.KeySchema[i].KeyType == "" {
			return bad("an element of KeySchema is not complete")
		}
	}
	return nil
}
