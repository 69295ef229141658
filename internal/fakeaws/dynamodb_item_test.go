package fakeaws

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

func TestDynamoDBReturnValues(t *testing.T) {
	old := avMap{
		"id": avS("k"), "n": avN("1"), "keep": avS("x"), "drop": avS("y"),
		"m": &types.AttributeValueMemberM{Value: avMap{"a": avN("1"), "b": avN("2")}},
	}
	for want, expected := range map[types.ReturnValue]map[string]types.AttributeValue{
		"":                      nil,
		types.ReturnValueNone:   nil,
		types.ReturnValueAllOld: old,
		types.ReturnValueAllNew: {
			"id": avS("k"), "n": avN("2"), "keep": avS("x"), "fresh": avS("new"),
			"m": &types.AttributeValueMemberM{Value: avMap{"a": avN("9"), "b": avN("2")}},
		},
		types.ReturnValueUpdatedOld: {
			"n": avN("1"), "drop": avS("y"), "m": &types.AttributeValueMemberM{Value: avMap{"a": avN("1")}},
		},
		types.ReturnValueUpdatedNew: {
			"n": avN("2"), "fresh": avS("new"), "m": &types.AttributeValueMemberM{Value: avMap{"a": avN("9")}},
		},
	} {
		t.Run("Update "+string(want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := newDynamo(t)
				put1(t, c, "plain", old)
				out, err := c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
					TableName: aws.String("plain"), Key: avMap{"id": avS("k")}, ReturnValues: want,
					UpdateExpression:          aws.String("SET fresh = :f, m.a = :nine REMOVE #drop ADD n :one"),
					ExpressionAttributeNames:  map[string]string{"#drop": "drop"},
					ExpressionAttributeValues: avMap{":f": avS("new"), ":nine": avN("9"), ":one": avN("1")},
				})
				require.NoError(t, err)
				require.Equal(t, expected, out.Attributes)
			})
		})
	}
	t.Run("Put and Delete", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, c := newDynamo(t)
			put := func(rv types.ReturnValue, n string) (avMap, error) {
				out, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{
					TableName: aws.String("plain"), Item: avMap{"id": avS("k"), "n": avN(n)}, ReturnValues: rv,
				})
				if err != nil {
					return nil, err
				}
				return out.Attributes, nil
			}
			remove := func(rv types.ReturnValue) (avMap, error) {
				out, err := c.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
					TableName: aws.String("plain"), Key: avMap{"id": avS("k")}, ReturnValues: rv,
				})
				if err != nil {
					return nil, err
				}
				return out.Attributes, nil
			}
			got, err := put(types.ReturnValueAllOld, "1")
			require.NoError(t, err)
			require.Nil(t, got)
			got, err = put(types.ReturnValueAllOld, "2")
			require.NoError(t, err)
			require.Equal(t, avMap{"id": avS("k"), "n": avN("1")}, got)
			got, err = remove(types.ReturnValueAllOld)
			require.NoError(t, err)
			require.Equal(t, avMap{"id": avS("k"), "n": avN("2")}, got)
			got, err = remove(types.ReturnValueAllOld)
			require.NoError(t, err)
			require.Nil(t, got)
			_, err = put(types.ReturnValueAllNew, "1")
			requireCode(t, err, "ValidationException", "Return values set to invalid value")
			_, err = remove(types.ReturnValueUpdatedOld)
			requireCode(t, err, "ValidationException", "Return values set to invalid value")
			_, err = put("EVERYTHING", "1")
			requireCode(
				t, err, "ValidationException", "failed to satisfy constraint: Member must satisfy enum value set",
			)
		})
	})
}

// UpdateItem makes the item when it is not there, even if all it does is remove.
func TestDynamoDBUpdateCreates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		for key, expression := range map[string]*string{"none": nil, "remove": aws.String("REMOVE gone")} {
			_, err := c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: aws.String("plain"), Key: avMap{"id": avS(key)}, UpdateExpression: expression,
			})
			require.NoError(t, err)
			require.Equal(t, map[string]any{"id": key}, a.DynamoDB.Item("plain", key))
		}
	})
}

func TestDynamoDBItemsThatAreRefused(t *testing.T) {
	long := strings.Repeat("x", 2049)
	set := func(v types.AttributeValue) avMap { return avMap{"id": avS("k"), "v": v} }
	deep := avS("x")
	for range 33 {
		deep = &types.AttributeValueMemberL{Value: []types.AttributeValue{deep}}
	}
	for _, test := range []struct {
		table   string
		item    avMap
		message string
	}{
		{
			"plain",
			avMap{"other": avS("k")},
			"One or more parameter values were invalid: Missing the key id in the item",
		},
		{"plain", avMap{"id": avN("1")}, "Type mismatch for key id expected: S actual: N"},
		{
			"plain",
			avMap{"id": avS("")},
			"The AttributeValue for a key attribute cannot contain an empty string value. Key: id",
		},
		{"plain", avMap{"id": avS(long)}, "Size of hashkey has exceeded the maximum size limit of2048 bytes"},
		{"ranged", avMap{"id": avS("k")}, "Missing the key pos in the item"},
		{"ranged", avMap{"id": avS("k"), "pos": avS("1")}, "Type mismatch for key pos expected: N actual: S"},
		{"plain", avMap{"id": avS("k"), "": avS("x")}, "An attribute name must have a length between 1 and 65535"},
		{"plain", set(avN("twelve")), "The parameter cannot be converted to a numeric value: twelve"},
		{"plain", set(avN("1e200")), "Number overflow"},
		{"plain", set(&types.AttributeValueMemberNULL{}), "Null attribute value types must have the value of true"},
		{"plain", set(&types.AttributeValueMemberSS{Value: []string{}}), "An string set  may not be empty"},
		{
			"plain", set(&types.AttributeValueMemberSS{Value: []string{"a", ""}}),
			"may not have a empty string as a member",
		},
		{"plain", set(&types.AttributeValueMemberSS{Value: []string{"a", "b", "a"}}), "contains duplicates"},
		{"plain", set(&types.AttributeValueMemberNS{Value: []string{"1", "1.0"}}), "contains duplicates"},
		{"plain", set(&types.AttributeValueMemberNS{Value: []string{"x"}}), "cannot be converted"},
		{"plain", set(&types.AttributeValueMemberBS{Value: [][]byte{{1}, {1}}}), "contains duplicates"},
		{"plain", set(deep), "Nesting Levels have exceeded supported limits"},
		{"plain", set(avS(strings.Repeat("x", 400<<10))), "Item size has exceeded the maximum allowed size"},
	} {
		t.Run(test.message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, c := newDynamo(t)
				_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &test.table, Item: test.item})
				requireCode(t, err, "ValidationException", test.message)
				require.Empty(t, a.DynamoDB.Items(test.table))
			})
		})
	}
	for message, body := range map[string]string{
		"must contain exactly one of the supported datatypes":      `{"TableName": "plain", "Item": {"id": {}}}`,
		"has more than one datatypes set":                          `{"TableName": "plain", "Item": {"id": {"S": "x", "N": "1"}}}`,
		"the legacy parameter Expected is not emulated":            `{"TableName": "plain", "Item": {"id": {"S": "x"}}, "Expected": {}}`,
		"Member must satisfy enum value set: [INDEXES TOTAL NONE]": `{"TableName": "plain", "Item": {"id": {"S": "x"}}, "ReturnConsumedCapacity": "ALL"}`,
		"at 'returnValuesOnConditionCheckFailure'":                 `{"TableName": "plain", "Item": {"id": {"S": "x"}}, "ReturnValuesOnConditionCheckFailure": "ALL_NEW"}`,
	} {
		t.Run(message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, _ := newDynamo(t)
				_, err := a.run(t.Context(), a.DynamoDB, "PutItem", &Request{Body: []byte(body)})
				require.ErrorContains(t, err, "ValidationException")
				require.ErrorContains(t, err, message)
			})
		})
	}
}

func TestDynamoDBKeysThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newDynamo(t)
		for _, key := range []avMap{
			{"other": avS("k")}, {"id": avN("1")}, {"id": avS("k"), "more": avS("x")}, {},
		} {
			_, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("plain"), Key: key})
			requireCode(t, err, "ValidationException", "The provided key element does not match the schema")
			_, err = c.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("plain"), Key: key})
			requireCode(t, err, "ValidationException", "The provided key element does not match the schema")
		}
		_, err := c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: aws.String("plain"), Key: avMap{"id": avS("k")}, UpdateExpression: aws.String("REMOVE id"),
		})
		requireCode(t, err, "ValidationException", "Cannot update attribute id. This attribute is part of the key")
	})
}

// An item may have 409,600 bytes with its names, and an update may not push it over.
func TestDynamoDBItemLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		room := 400<<10 - len("id") - len("k") - len("v")
		put1(t, c, "plain", avMap{"id": avS("k"), "v": &types.AttributeValueMemberB{Value: make([]byte, room)}})
		_, err := c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: aws.String("plain"), Key: avMap{"id": avS("k")},
			UpdateExpression: aws.String("SET w = :w"), ExpressionAttributeValues: avMap{":w": avS("")},
		})
		requireCode(t, err, "ValidationException", "Item size to update has exceeded the maximum allowed size")
		require.Len(t, a.DynamoDB.Item("plain", "k")["v"], room)
	})
}

func TestDynamoDBSizes(t *testing.T) {
	for doc, want := range map[string]int{
		`{"a": {"S": "ü"}}`:                  1 + 2,
		`{"a": {"B": "AQID"}}`:               1 + 3,
		`{"a": {"N": "0"}}`:                  1 + 1,
		`{"a": {"N": "1234"}}`:               1 + 3,
		`{"a": {"N": "-1234500"}}`:           1 + 5,
		`{"a": {"NULL": true}}`:              1 + 1,
		`{"a": {"BOOL": false}}`:             1 + 1,
		`{"a": {"L": []}}`:                   1 + 3,
		`{"a": {"L": [{"S": "xy"}]}}`:        1 + 3 + 1 + 2,
		`{"a": {"M": {"k": {"S": "xy"}}}}`:   1 + 3 + 1 + 1 + 2,
		`{"a": {"SS": ["x", "yz"]}}`:         1 + 3,
		`{"a": {"NS": ["1", "2"]}}`:          1 + 4,
		`{"a": {"BS": ["AQ==", "AgM="]}}`:    1 + 3,
		`{"ab": {"S": "x"}, "c": {"S": ""}}`: 2 + 1 + 1,
	} {
		require.Equal(t, want, itemSize(readItem(t, doc)), doc)
	}
}

// The prices are those of "DynamoDB read and write operations": 4 KB steps, eventually consistent reads at half, 1 KB
// steps by the larger of the item before and after a write.
func TestDynamoDBCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		var reads, writes float64
		spent := func(read, write float64) {
			t.Helper()
			reads, writes = reads+read, writes+write
			r, w := a.DynamoDB.Consumed("plain")
			require.InDelta(t, reads, r, 0)
			require.InDelta(t, writes, w, 0)
		}
		item := func(size int) avMap {
			return avMap{"id": avS("k"), "v": &types.AttributeValueMemberB{Value: make([]byte, size-4)}}
		}
		put := func(size int, condition string) (*types.ConsumedCapacity, error) {
			in := &dynamodb.PutItemInput{
				TableName: aws.String("plain"), Item: item(size),
				ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			}
			if condition != "" {
				in.ConditionExpression = &condition
			}
			out, err := c.PutItem(t.Context(), in)
			if err != nil {
				return nil, err
			}
			return out.ConsumedCapacity, nil
		}
		get := func(id string, consistent bool) *types.ConsumedCapacity {
			out, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{
				TableName: aws.String("plain"), Key: avMap{"id": avS(id)}, ConsistentRead: &consistent,
				ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
			})
			require.NoError(t, err)
			return out.ConsumedCapacity
		}

		require.InDelta(t, 0.5, *get("k", false).CapacityUnits, 0)
		spent(0.5, 0)
		cost, err := put(1024, "")
		require.NoError(t, err)
		require.Equal(t, &types.ConsumedCapacity{TableName: aws.String("plain"), CapacityUnits: aws.Float64(1)}, cost)
		spent(0, 1)
		_, err = put(1025, "")
		require.NoError(t, err)
		spent(0, 2)
		_, err = put(100, "") // replaces two units' worth
		require.NoError(t, err)
		spent(0, 2)
		_, err = put(9000, "")
		require.NoError(t, err)
		spent(0, 9)
		_, err = put(10, "attribute_not_exists(id)") // fails, at the price of what is there
		requireCode(t, err, "ConditionalCheckFailedException", "")
		spent(0, 9)

		require.Equal(t, &types.ConsumedCapacity{
			TableName: aws.String("plain"), CapacityUnits: aws.Float64(3),
			Table: &types.Capacity{CapacityUnits: aws.Float64(3)},
		}, get("k", true))
		spent(3, 0)
		get("k", false)
		spent(1.5, 0)

		_, err = c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: aws.String("plain"), Key: avMap{"id": avS("k")}, UpdateExpression: aws.String("REMOVE v"),
		})
		require.NoError(t, err)
		spent(0, 9)
		for range 2 { // an item, and nothing
			_, err = c.DeleteItem(
				t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("plain"), Key: avMap{"id": avS("k")}},
			)
			require.NoError(t, err)
			spent(0, 1)
		}
		_, err = put(500<<10, "")
		requireCode(t, err, "ValidationException", "")
		spent(0, 0)

		for range 3 {
			put1(t, c, "ranged", avMap{"id": avS("p"), "pos": avN("1"), "v": avS(strings.Repeat("x", 3000))})
			put1(t, c, "ranged", avMap{"id": avS("p"), "pos": avN("2"), "v": avS(strings.Repeat("x", 3000))})
		}
		_, written := a.DynamoDB.Consumed("ranged")
		require.InDelta(t, 18, written, 0)
		scan, err := c.Scan(t.Context(), &dynamodb.ScanInput{
			TableName: aws.String("ranged"), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
			ConsistentRead: aws.Bool(true),
		})
		require.NoError(t, err)
		require.InDelta(
			t, 2, *scan.ConsumedCapacity.CapacityUnits, 0, "6,000 bytes in one page, not two items of 3,000",
		)
		read, _ := a.DynamoDB.Consumed("ranged")
		require.InDelta(t, 2, read, 0)
	})
}

// An item in an answer belongs to the answer, and a watcher sees every write in order.
func TestDynamoDBWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		type write struct {
			table    string
			old, new map[string]any
		}
		var seen []write
		a.DynamoDB.Watch(func(table string, old, new map[string]any) { seen = append(seen, write{table, old, new}) })

		put1(t, c, "plain", avMap{"id": avS("a"), "n": avN("1")})
		_, err := c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: aws.String("plain"), Key: avMap{"id": avS("a")},
			UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: avMap{":one": avN("1")},
		})
		require.NoError(t, err)
		_, err = c.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: aws.String("plain"), Item: avMap{"id": avS("a")},
			ConditionExpression: aws.String("attribute_not_exists(id)"),
		})
		var failed *types.ConditionalCheckFailedException
		require.ErrorAs(t, err, &failed)
		require.True(t, a.DynamoDB.Delete("plain", "a"))
		require.False(t, a.DynamoDB.Delete("plain", "a"))
		require.False(t, a.DynamoDB.Delete("nope", "a"))
		put1(t, c, "ranged", avMap{"id": avS("p"), "pos": avN("-1.5")})
		a.DynamoDB.DropTable("ranged")

		one, two := map[string]any{"id": "a", "n": int64(1)}, map[string]any{"id": "a", "n": int64(2)}
		row := seen[3].new
		require.Equal(t, []write{
			{"plain", nil, one}, {"plain", one, two}, {"plain", two, nil}, {"ranged", nil, row}, {"ranged", row, nil},
		}, seen)

		_, err = c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("ranged")})
		var gone *types.ResourceNotFoundException
		require.ErrorAs(t, err, &gone)
		require.Nil(t, a.DynamoDB.Items("ranged"))
		require.Nil(t, a.DynamoDB.Item("ranged", "p"))
		require.Nil(t, a.DynamoDB.Item("plain", "a"))

		put1(
			t, c, "plain",
			avMap{"id": avS("b"), "l": &types.AttributeValueMemberL{Value: []types.AttributeValue{avS("x")}}},
		)
		a.DynamoDB.Item("plain", "b")["l"].([]any)[0] = "changed"
		require.Equal(t, []any{"x"}, a.DynamoDB.Item("plain", "b")["l"])
	})
}

// Keys may be numbers and bytes too; equal numbers are one key however they are written.
func TestDynamoDBKeyTypes(t *testing.T) {
	for code, keys := range map[types.ScalarAttributeType][3]types.AttributeValue{
		types.ScalarAttributeTypeN: {avN("10"), avN("1e1"), avN("9")},
		types.ScalarAttributeTypeB: {
			&types.AttributeValueMemberB{Value: []byte("10")}, &types.AttributeValueMemberB{Value: []byte("10")},
			&types.AttributeValueMemberB{Value: []byte("9")},
		},
	} {
		a := New(Options{TableActivation: time.Nanosecond})
		c := newDynamoClient(a.HTTPClient(), "http://dynamodb.test")
		in := plainTable()
		in.AttributeDefinitions[0].AttributeType = code
		_, err := c.CreateTable(t.Context(), in)
		require.NoError(t, err)
		put1(t, c, "leases", avMap{"id": keys[0], "n": avN("1")})
		put1(t, c, "leases", avMap{"id": keys[1], "n": avN("2")})
		put1(t, c, "leases", avMap{"id": keys[2], "n": avN("3")})
		require.Len(t, a.DynamoDB.Items("leases"), 2)
		require.Equal(t, int64(2), a.DynamoDB.Item("leases", "10")["n"])
		require.True(t, a.DynamoDB.Delete("leases", "9"))
		require.Nil(t, a.DynamoDB.Item("leases", "x"))
	}
}
