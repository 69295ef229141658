package fakeaws

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

func putRequest(id string) types.WriteRequest {
	return types.WriteRequest{PutRequest: &types.PutRequest{Item: avMap{"id": avS(id), "n": avN("1")}}}
}

func deleteRequest(id string) types.WriteRequest {
	return types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: avMap{"id": avS(id)}}}
}

func TestDynamoDBBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		put1(t, c, "plain", avMap{"id": avS("old")})
		out, err := c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{
				"plain":  {putRequest("a"), deleteRequest("old"), putRequest("b"), deleteRequest("never")},
				"ranged": {{PutRequest: &types.PutRequest{Item: avMap{"id": avS("p"), "pos": avN("1")}}}},
			},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		require.NoError(t, err)
		require.Empty(t, out.UnprocessedItems)
		require.Equal(t, []types.ConsumedCapacity{
			{TableName: aws.String("plain"), CapacityUnits: aws.Float64(4)}, {TableName: aws.String("ranged"), CapacityUnits: aws.Float64(1)},
		}, out.ConsumedCapacity)
		require.Equal(t, []map[string]any{{"id": "a", "n": int64(1)}, {"id": "b", "n": int64(1)}}, a.DynamoDB.Items("plain"))

		got, err := c.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{
				"plain": {
					Keys: []map[string]types.AttributeValue{{"id": avS("a")}, {"id": avS("never")}, {"id": avS("b")}}, ConsistentRead: aws.Bool(true),
					ProjectionExpression: aws.String("#n"), ExpressionAttributeNames: map[string]string{"#n": "n"},
				},
				"ranged": {Keys: []map[string]types.AttributeValue{{"id": avS("p"), "pos": avN("1.0")}}},
			},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		require.NoError(t, err)
		require.Equal(t, []map[string]types.AttributeValue{{"n": avN("1")}, {"n": avN("1")}}, got.Responses["plain"])
		require.Len(t, got.Responses["ranged"], 1)
		require.Empty(t, got.UnprocessedKeys)
		require.Equal(t, []types.ConsumedCapacity{
			{TableName: aws.String("plain"), CapacityUnits: aws.Float64(3)}, {TableName: aws.String("ranged"), CapacityUnits: aws.Float64(0.5)},
		}, got.ConsumedCapacity)
	})
}

// What a batch hands back can be sent again as it is, until all is done.
func TestDynamoDBBatchesInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		put1(t, c, "plain", avMap{"id": avS("old")})
		a.DynamoDB.BatchLimit(2)
		requests := map[string][]types.WriteRequest{"plain": {deleteRequest("old")}}
		for i := range 6 {
			requests["plain"] = append(requests["plain"], putRequest(strconv.Itoa(i)))
		}
		rounds := 0
		for ; len(requests) > 0; rounds++ {
			out, err := c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: requests})
			require.NoError(t, err)
			requests = out.UnprocessedItems
		}
		require.Equal(t, 4, rounds)
		require.Len(t, a.DynamoDB.Items("plain"), 6)

		keys, items := types.KeysAndAttributes{ProjectionExpression: aws.String("#n"), ExpressionAttributeNames: map[string]string{"#n": "n"}}, 0
		for i := range 6 {
			keys.Keys = append(keys.Keys, avMap{"id": avS(strconv.Itoa(i))})
		}
		gets := map[string]types.KeysAndAttributes{"plain": keys}
		for rounds = 0; len(gets) > 0; rounds++ {
			out, err := c.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: gets})
			require.NoError(t, err)
			gets, items = out.UnprocessedKeys, items+len(out.Responses["plain"])
		}
		require.Equal(t, []int{3, 6}, []int{rounds, items})
	})
}

// An answer holds at most 16 MB.
func TestDynamoDBBatchGetLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newDynamo(t)
		keys := types.KeysAndAttributes{}
		for i := range 45 {
			id := avS(strconv.Itoa(i))
			put1(t, c, "plain", avMap{"id": id, "v": avS(strings.Repeat("x", 390<<10))})
			keys.Keys = append(keys.Keys, avMap{"id": id})
		}
		out, err := c.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"plain": keys}})
		require.NoError(t, err)
		require.Len(t, out.Responses["plain"], 42)
		require.Len(t, out.UnprocessedKeys["plain"].Keys, 3)
	})
}

func TestDynamoDBBatchesThatAreRefused(t *testing.T) {
	many := func(n int) (writes []types.WriteRequest, keys []map[string]types.AttributeValue) {
		for i := range n {
			writes = append(writes, putRequest(strconv.Itoa(i)))
			keys = append(keys, avMap{"id": avS(strconv.Itoa(i))})
		}
		return writes, keys
	}
	tooManyWrites, _ := many(26)
	_, tooManyKeys := many(101)
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		for message, requests := range map[string][]types.WriteRequest{
			"Too many items requested for the BatchWriteItem call":    tooManyWrites,
			"Provided list of item keys contains duplicates":          {putRequest("a"), deleteRequest("a")},
			"Member must have length greater than or equal to 1":      {},
			"exactly one of PutRequest and DeleteRequest":             {putRequest("a"), {}},
			"Missing the key id in the item":                          {putRequest("a"), {PutRequest: &types.PutRequest{Item: avMap{"x": avS("y")}}}},
			"The provided key element does not match the schema":      {putRequest("a"), {DeleteRequest: &types.DeleteRequest{Key: avMap{"x": avS("y")}}}},
			"cannot be converted to a numeric value":                  {{PutRequest: &types.PutRequest{Item: avMap{"id": avN("y")}}}},
			"The parameter cannot be converted to a numeric value: z": {{DeleteRequest: &types.DeleteRequest{Key: avMap{"id": avN("z")}}}},
		} {
			_, err := c.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"plain": requests}})
			requireCode(t, err, "ValidationException", message)
			require.Empty(t, a.DynamoDB.Items("plain"), "a refused batch has no effect")
		}
		for message, keys := range map[string]types.KeysAndAttributes{
			"Too many items requested for the BatchGetItem call": {Keys: tooManyKeys},
			"Provided list of item keys contains duplicates":     {Keys: []map[string]types.AttributeValue{{"id": avS("a")}, {"id": avS("a")}}},
			"Member must have length greater than or equal to 1": {Keys: []map[string]types.AttributeValue{}},
			"The provided key element does not match the schema": {Keys: []map[string]types.AttributeValue{{"x": avS("a")}}},
			"Invalid ProjectionExpression":                       {Keys: []map[string]types.AttributeValue{{"id": avS("a")}}, ProjectionExpression: aws.String("a,")},
			"unused in expressions: keys: {#b}": {
				Keys: []map[string]types.AttributeValue{{"id": avS("a")}}, ProjectionExpression: aws.String("a"),
				ExpressionAttributeNames: map[string]string{"#b": "b"},
			},
		} {
			_, err := c.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{"plain": keys}})
			requireCode(t, err, "ValidationException", message)
		}
	})
}
