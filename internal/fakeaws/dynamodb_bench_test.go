package fakeaws

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"
)

// What a simulation pays for a commit of one shard, SDK included.
func BenchmarkDynamoDBConditionalUpdate(b *testing.B) {
	a := New(Options{TableActivation: time.Nanosecond})
	a.History.CountOnly()
	c := newDynamoClient(a.HTTPClient(), "http://dynamodb.test")
	createDynamoTable(b.Context(), b, c, "plain", false)
	for i := range 1000 {
		require.NoError(b, putKey(b.Context(), c, fmt.Sprint(i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := c.UpdateItem(b.Context(), &dynamodb.UpdateItemInput{
			TableName: aws.String("plain"), Key: avMap{"id": avS("7")},
			UpdateExpression: aws.String("SET leaseOwner = :o, n = if_not_exists(n, :zero) + :one"),
			ConditionExpression: aws.String(
				"attribute_exists(id) AND (attribute_not_exists(leaseOwner) OR leaseOwner = :o)",
			),
			ExpressionAttributeValues: avMap{":o": avS("w1"), ":zero": avN("0"), ":one": avN("1")},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// A planner's scan of a thousand shards, SDK included.
func BenchmarkDynamoDBScan(b *testing.B) {
	a := New(Options{TableActivation: time.Nanosecond})
	a.History.CountOnly()
	c := newDynamoClient(a.HTTPClient(), "http://dynamodb.test")
	createDynamoTable(b.Context(), b, c, "plain", false)
	for i := range 1000 {
		require.NoError(b, putKey(b.Context(), c, fmt.Sprintf("shardId-%012d", i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		out, err := c.Scan(
			b.Context(), &dynamodb.ScanInput{TableName: aws.String("plain"), ConsistentRead: aws.Bool(true)},
		)
		if err != nil || out.Count != 1000 {
			b.Fatal(out.Count, err)
		}
	}
}
