package fakeaws

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

// newDynamoClient makes an SDK client whose requests go to a without a socket. It does not retry.
func newDynamoClient(a *AWS) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://dynamodb.test"),
		Credentials: credentials.NewStaticCredentialsProvider("tester", "x", ""),
		HTTPClient:  &http.Client{Transport: a}, Retryer: aws.NopRetryer{},
	})
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

// newTable makes an ACTIVE table with the string partition key "id", and with the number range key "at" if ranged.
func newTable(t *testing.T, c *dynamodb.Client, name string, ranged bool) {
	t.Helper()
	in := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
	}
	if ranged {
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: aws.String("at"), KeyType: types.KeyTypeRange})
		in.AttributeDefinitions = append(in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: aws.String("at"), AttributeType: types.ScalarAttributeTypeN})
	}
	_, err := c.CreateTable(t.Context(), in)
	require.NoError(t, err)
	time.Sleep(50 * time.Millisecond)
}

func TestDynamoDBLeaseLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{})
		c := newDynamoClient(a)
		newTable(t, c, "leases", false)
		key := map[string]types.AttributeValue{"id": str("shard-1")}

		_, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: aws.String("leases"), ConditionExpression: aws.String("attribute_not_exists(id)"),
			Item: map[string]types.AttributeValue{"id": str("shard-1"), "leaseOwner": str("w1"), "leaseEpoch": num("1")},
		})
		require.NoError(t, err)

		take := func(owner, epoch, was string) error {
			_, err := c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: aws.String("leases"), Key: key,
				UpdateExpression:    aws.String("SET leaseOwner = :o, leaseEpoch = leaseEpoch + :one"),
				ConditionExpression: aws.String("leaseOwner = :was AND leaseEpoch = :e"),
				ExpressionAttributeValues: map[string]types.AttributeValue{
					":o": str(owner), ":one": num("1"), ":was": str(was), ":e": num(epoch),
				},
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			})
			return err
		}
		require.NoError(t, take("w2", "1", "w1"))

		var lost *types.ConditionalCheckFailedException
		require.ErrorAs(t, take("w3", "1", "w1"), &lost)
		require.Equal(t, str("w2"), lost.Item["leaseOwner"])
		require.Equal(t, map[string]any{"id": "shard-1", "leaseOwner": "w2", "leaseEpoch": int64(2)}, a.DynamoDB.Item("leases", "shard-1"))

		_, err = c.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("leases"), Key: key})
		require.NoError(t, err)
		got, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("leases"), Key: key})
		require.NoError(t, err)
		require.Nil(t, got.Item)
	})
}
