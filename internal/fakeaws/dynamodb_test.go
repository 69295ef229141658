package fakeaws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

type avMap = map[string]types.AttributeValue

func avS(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func avN(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

// newDynamoClient makes an SDK client that does not retry.
func newDynamoClient(hc *http.Client, endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), HTTPClient: hc, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("tester", "x", ""),
	})
}

// newDynamo makes an account with the ACTIVE tables "plain" (partition key id, a string) and "ranged" (partition key
// id, a string, and range key pos, a number). Call it in a bubble.
func newDynamo(t *testing.T) (*AWS, *dynamodb.Client) {
	t.Helper()
	a := New(Options{})
	c := newDynamoClient(a.HTTPClient(), "http://dynamodb.test")
	createDynamoTable(t.Context(), t, c, "plain", false)
	createDynamoTable(t.Context(), t, c, "ranged", true)
	time.Sleep(50 * time.Millisecond)
	return a, c
}

func createDynamoTable(ctx context.Context, t require.TestingT, c *dynamodb.Client, name string, ranged bool) {
	in := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS},
		},
	}
	if ranged {
		in.KeySchema = append(
			in.KeySchema, types.KeySchemaElement{AttributeName: aws.String("pos"), KeyType: types.KeyTypeRange},
		)
		in.AttributeDefinitions = append(in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: aws.String("pos"), AttributeType: types.ScalarAttributeTypeN})
	}
	_, err := c.CreateTable(ctx, in)
	require.NoError(t, err)
}

// requireCode asserts the error code of an answer, and that its message has this part.
func requireCode(t *testing.T, err error, code, message string) {
	t.Helper()
	var apiErr smithy.APIError
	require.ErrorAs(t, err, &apiErr)
	require.Equal(t, code, apiErr.ErrorCode(), apiErr.ErrorMessage())
	require.Contains(t, apiErr.ErrorMessage(), message)
}

func put1(t *testing.T, c *dynamodb.Client, table string, item avMap) {
	t.Helper()
	_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item})
	require.NoError(t, err)
}

func TestDynamoDBLeaseLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		key := avMap{"id": avS("shard-1")}
		create := func() error {
			_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{
				TableName: aws.String("plain"), ConditionExpression: aws.String("attribute_not_exists(id)"),
				Item: avMap{"id": avS("shard-1"), "leaseOwner": avS("w1"), "leaseEpoch": avN("1")},
			})
			return err
		}
		require.NoError(t, create())
		requireCode(t, create(), "ConditionalCheckFailedException", "The conditional request failed")

		take := func(owner, was, epoch string, onFailure types.ReturnValuesOnConditionCheckFailure) error {
			_, err := c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: aws.String("plain"), Key: key,
				UpdateExpression:    aws.String("SET leaseOwner = :o, leaseEpoch = leaseEpoch + :one"),
				ConditionExpression: aws.String("leaseOwner = :was AND leaseEpoch = :e"),
				ExpressionAttributeValues: avMap{
					":o": avS(owner), ":one": avN("1"), ":was": avS(was), ":e": avN(epoch),
				},

				ReturnValuesOnConditionCheckFailure: onFailure,
			})
			return err
		}
		require.NoError(t, take("w2", "w1", "1", ""))

		var lost *types.ConditionalCheckFailedException
		require.ErrorAs(t, take("w3", "w1", "1", ""), &lost)
		require.Empty(t, lost.Item)
		require.ErrorAs(t, take("w3", "w1", "1", types.ReturnValuesOnConditionCheckFailureAllOld), &lost)
		require.Equal(t, avMap{"id": avS("shard-1"), "leaseOwner": avS("w2"), "leaseEpoch": avN("2")}, lost.Item)

		_, err := c.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: aws.String("plain"), Key: key, ConditionExpression: aws.String("leaseOwner = :me"),
			ExpressionAttributeValues: avMap{":me": avS("w1")},
		})
		requireCode(t, err, "ConditionalCheckFailedException", "")
		require.Equal(
			t, map[string]any{"id": "shard-1", "leaseOwner": "w2", "leaseEpoch": int64(2)},
			a.DynamoDB.Item("plain", "shard-1"),
		)
	})
}

func TestDynamoDBOnLoopback(t *testing.T) {
	a := New(Options{TableActivation: time.Nanosecond})
	server := httptest.NewServer(a)
	defer server.Close()
	client := LoopbackClient()
	defer client.CloseIdleConnections()
	c := newDynamoClient(client, server.URL)
	createDynamoTable(t.Context(), t, c, "plain", false)
	item := avMap{"id": avS("<k>&\u2028\""), "blob": &types.AttributeValueMemberB{Value: []byte{0, 1, 255}}}
	put1(t, c, "plain", item)
	got, err := c.GetItem(
		t.Context(), &dynamodb.GetItemInput{TableName: aws.String("plain"), Key: avMap{"id": item["id"]}},
	)
	require.NoError(t, err)
	require.Equal(t, item, got.Item)
}

func TestDynamoDBUnknownOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newDynamo(t)
		_, err := c.ListBackups(t.Context(), &dynamodb.ListBackupsInput{})
		requireCode(t, err, "UnknownOperationException", "ListBackups")
	})
}

// Every type goes in and comes out as it was.
func TestDynamoDBKeepsValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := newDynamo(t)
		item := avMap{
			"id": avS("all"), "s": avS("ü\x00<"), "empty": avS(""),
			"n": avN("-12345678901234567890123456789012345678"),
			"b": &types.AttributeValueMemberB{Value: []byte("\xff\x00")},
			"t": &types.AttributeValueMemberBOOL{Value: true}, "f": &types.AttributeValueMemberBOOL{Value: false},
			"null": &types.AttributeValueMemberNULL{Value: true},
			"l": &types.AttributeValueMemberL{
				Value: []types.AttributeValue{avS("x"), avN("1.5"), &types.AttributeValueMemberL{}},
			},
			"m": &types.AttributeValueMemberM{
				Value: avMap{"a b": avS("x"), "m": &types.AttributeValueMemberM{Value: avMap{}}},
			},
			"ss": &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
			"ns": &types.AttributeValueMemberNS{Value: []string{"-1", "2"}},
			"bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2}}},
		}
		put1(t, c, "plain", item)
		got, err := c.GetItem(
			t.Context(), &dynamodb.GetItemInput{TableName: aws.String("plain"), Key: avMap{"id": avS("all")}},
		)
		require.NoError(t, err)
		item["l"].(*types.AttributeValueMemberL).Value[2] = &types.AttributeValueMemberL{
			Value: []types.AttributeValue{},
		}
		require.Equal(t, item, got.Item)

		direct := a.DynamoDB.Item("plain", "all")
		require.Equal(t, map[string]any{
			"id": "all", "s": "ü\x00<", "empty": "", "n": direct["n"], "b": []byte("\xff\x00"), "t": true, "f": false,
			"null": nil,
			"l":    []any{"x", direct["l"].([]any)[1], []any{}}, "m": map[string]any{"a b": "x", "m": map[string]any{}},
			"ss": []string{"a", "b"}, "ns": []any{int64(-1), int64(2)}, "bs": [][]byte{{1}, {2}},
		}, direct)
		require.Equal(t, "-12345678901234567890123456789012345678", fmt.Sprint(direct["n"]))
		require.Equal(t, "1.5", fmt.Sprint(direct["l"].([]any)[1]))
	})
}

// Many workers count up one item: with a condition on what they read, and with an unconditional ADD. Nothing is lost,
// and every failed condition had a cause.
func TestDynamoDBCounters(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		workers := rapid.IntRange(2, 12).Draw(rt, "workers")
		wins := rapid.IntRange(1, 15).Draw(rt, "wins of each")
		atomically := rapid.Bool().Draw(rt, "atomically")

		a := New(Options{TableActivation: time.Nanosecond})
		c := newDynamoClient(a.HTTPClient(), "http://dynamodb.test")
		createDynamoTable(t.Context(), rt, c, "plain", false)
		var previous int64
		a.DynamoDB.Watch(func(_ string, _, item map[string]any) {
			n, _ := item["n"].(int64)
			if n != previous+1 {
				rt.Errorf("a write went from %d to %d", previous, n)
			}
			previous = n
		})
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range wins {
					var err error
					if atomically {
						err = countUp(t.Context(), c)
					} else {
						err = countUpIf(t.Context(), c)
					}
					if err != nil {
						rt.Errorf("count up: %v", err)
						return
					}
				}
			})
		}
		all.Wait()
		require.Equal(rt, int64(workers*wins), a.DynamoDB.Item("plain", "k")["n"])
	})
}

func countUp(ctx context.Context, c *dynamodb.Client) error {
	_, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: aws.String("plain"), Key: avMap{"id": avS("k")},
		UpdateExpression: aws.String("ADD n :one"), ExpressionAttributeValues: avMap{":one": avN("1")},
	})
	return err
}

// countUpIf tries until its read-modify-write went through.
func countUpIf(ctx context.Context, c *dynamodb.Client) error {
	seen := "0"
	for {
		_, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: aws.String("plain"), Key: avMap{"id": avS("k")},
			UpdateExpression:          aws.String("SET n = :seen + :one"),
			ConditionExpression:       aws.String("n = :seen OR attribute_not_exists(n) AND :seen = :zero"),
			ExpressionAttributeValues: avMap{":seen": avN(seen), ":one": avN("1"), ":zero": avN("0")},

			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
		if !ok {
			return err
		}
		seen = failed.Item["n"].(*types.AttributeValueMemberN).Value
	}
}
