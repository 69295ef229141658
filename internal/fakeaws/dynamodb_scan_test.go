package fakeaws

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Whatever the page size and however many segments, a scan answers every item once; and also when items come and go
// between its pages, it answers those that stayed.
func TestDynamoDBScanSeesAll(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a := New(Options{TableActivation: time.Nanosecond})
		c := newDynamoClient(a.HTTPClient(), "http://dynamodb.test")
		createDynamoTable(t.Context(), rt, c, "plain", false)
		var stay []string
		for i := range rapid.IntRange(0, 40).Draw(rt, "items") {
			stay = append(stay, fmt.Sprintf("shardId-%012d", i))
			require.NoError(rt, putKey(t.Context(), c, stay[i]))
		}
		limit := aws.Int32(rapid.Int32Range(1, 10).Draw(rt, "limit"))
		segments := rapid.Int32Range(1, 5).Draw(rt, "segments")
		churn := rapid.Bool().Draw(rt, "churn")
		var got []string
		for segment := range segments {
			in := &dynamodb.ScanInput{
				TableName: aws.String("plain"), Limit: limit, TotalSegments: &segments, Segment: &segment,
			}
			for page := 0; ; page++ {
				out, err := c.Scan(t.Context(), in)
				require.NoError(rt, err)
				require.LessOrEqual(rt, out.Count, *limit)
				for _, item := range out.Items {
					got = append(got, item["id"].(*types.AttributeValueMemberS).Value)
				}
				if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
					break
				}
				if churn { // the row that the page ended at goes, another comes
					last := in.ExclusiveStartKey["id"].(*types.AttributeValueMemberS).Value
					a.DynamoDB.Delete("plain", last)
					require.NoError(rt, putKey(t.Context(), c, fmt.Sprintf("new-%d-%d", segment, page)))
					stay = slices.DeleteFunc(stay, func(id string) bool { return id == last })
					got = slices.DeleteFunc(got, func(id string) bool { return id == last })
				}
			}
		}
		got = slices.DeleteFunc(got, func(id string) bool { return strings.HasPrefix(id, "new-") })
		slices.Sort(got)
		require.Equal(rt, stay, got)
	})
}

func putKey(ctx context.Context, c *dynamodb.Client, id string) error {
	_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String("plain"), Item: avMap{"id": avS(id)}})
	return err
}

// A page ends at 1 MB of items, counted before the filter.
func TestDynamoDBScanPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newDynamo(t)
		for i := range 7 {
			put1(t, c, "plain", avMap{"id": avS(strconv.Itoa(i)), "v": avS(strings.Repeat("x", 300<<10))})
		}
		var pages []int32
		in := &dynamodb.ScanInput{
			TableName: aws.String("plain"), Select: types.SelectCount,
			FilterExpression:       aws.String("attribute_not_exists(v)"),
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		}
		scan := dynamodb.NewScanPaginator(c, in)
		for scan.HasMorePages() {
			out, err := scan.NextPage(t.Context())
			require.NoError(t, err)
			require.Zero(t, out.Count)
			require.Nil(t, out.Items)
			pages = append(pages, out.ScannedCount)
			require.InDelta(t, float64(out.ScannedCount)*37.5, *out.ConsumedCapacity.CapacityUnits, 0.5)
		}
		require.Equal(t, []int32{4, 3}, pages)
	})
}

func TestDynamoDBScanFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newDynamo(t)
		for i := range 10 {
			put1(t, c, "plain", avMap{"id": avS(strconv.Itoa(i)), "n": avN(strconv.Itoa(i)), "owner": avS("w")})
		}
		out, err := c.Scan(t.Context(), &dynamodb.ScanInput{
			TableName: aws.String("plain"), FilterExpression: aws.String("#n >= :seven"),
			ProjectionExpression:      aws.String("#n, gone"),
			ExpressionAttributeNames:  map[string]string{"#n": "n"},
			ExpressionAttributeValues: avMap{":seven": avN("7")},
		})
		require.NoError(t, err)
		require.ElementsMatch(t, []avMap{{"n": avN("7")}, {"n": avN("8")}, {"n": avN("9")}}, out.Items)
		require.Equal(t, []int32{3, 10}, []int32{out.Count, out.ScannedCount})
		require.Nil(t, out.LastEvaluatedKey)

		got, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String("plain"), Key: avMap{"id": avS("1")}, ProjectionExpression: aws.String("gone"),
		})
		require.NoError(t, err)
		require.NotNil(t, got.Item, "the item is there, only the attribute is not")
		require.Empty(t, got.Item)
	})
}

func TestDynamoDBScansThatAreRefused(t *testing.T) {
	for message, change := range map[string]func(in *dynamodb.ScanInput){
		"Value '0' at 'limit' failed to satisfy constraint": func(in *dynamodb.ScanInput) {
			in.Limit = aws.Int32(0)
		},
		"The TotalSegments parameter is required": func(in *dynamodb.ScanInput) {
			in.Segment = aws.Int32(0)
		},
		"The Segment parameter is required": func(in *dynamodb.ScanInput) {
			in.TotalSegments = aws.Int32(2)
		},
		"Segment: 2 is not less than TotalSegments: 2": func(in *dynamodb.ScanInput) {
			in.Segment, in.TotalSegments = aws.Int32(2), aws.Int32(2)
		},
		"at 'totalSegments' failed to satisfy constraint": func(in *dynamodb.ScanInput) {
			in.Segment, in.TotalSegments = aws.Int32(0), aws.Int32(0)
		},
		"The table does not have the specified index: i": func(in *dynamodb.ScanInput) {
			in.IndexName = aws.String("i")
		},
		"at 'select' failed to satisfy constraint": func(in *dynamodb.ScanInput) { in.Select = "SOME" },
		"when choosing to get SPECIFIC_ATTRIBUTES": func(in *dynamodb.ScanInput) {
			in.Select = types.SelectSpecificAttributes
		},
		"ALL_PROJECTED_ATTRIBUTES can be used only": func(in *dynamodb.ScanInput) {
			in.Select = types.SelectAllProjectedAttributes
		},
		"Invalid FilterExpression: Syntax error": func(in *dynamodb.ScanInput) {
			in.FilterExpression = aws.String("n >")
		},
		"The provided starting key is invalid: The provided key": func(in *dynamodb.ScanInput) {
			in.ExclusiveStartKey = avMap{"x": avS("y")}
		},
		"ExpressionAttributeNames can only be specified": func(in *dynamodb.ScanInput) {
			in.ExpressionAttributeNames = map[string]string{"#a": "a"}
		},
		"the legacy parameter ScanFilter is not emulated": func(in *dynamodb.ScanInput) {
			in.ScanFilter = map[string]types.Condition{"a": {ComparisonOperator: types.ComparisonOperatorNotNull}}
		},
		"Cannot specify the ProjectionExpression when choosing to get COUNT": func(in *dynamodb.ScanInput) {
			in.Select, in.ProjectionExpression = types.SelectCount, aws.String("a")
		},
		"Please use ExclusiveStartKey with correct Segment": func(in *dynamodb.ScanInput) {
			in.Segment, in.TotalSegments = aws.Int32(999_999), aws.Int32(1_000_000)
			in.ExclusiveStartKey = avMap{"id": avS("k")}
		},
	} {
		t.Run(message, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, c := newDynamo(t)
				in := &dynamodb.ScanInput{TableName: aws.String("plain")}
				change(in)
				_, err := c.Scan(t.Context(), in)
				requireCode(t, err, "ValidationException", message)
			})
		})
	}
}
