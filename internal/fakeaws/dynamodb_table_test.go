package fakeaws

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"
)

func TestDynamoDBTableLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{TableActivation: 3 * time.Second, Account: "123456789012", Region: "eu-west-1"})
		c := newDynamoClient(a.HTTPClient(), "http://dynamodb.test")
		status := func() types.TableStatus {
			out, err := c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("leases")})
			if err != nil {
				requireCode(
					t, err, "ResourceNotFoundException", "Requested resource not found: Table: leases not found",
				)
				return "GONE"
			}
			return out.Table.TableStatus
		}
		write := func() error {
			_, err := c.PutItem(
				t.Context(), &dynamodb.PutItemInput{TableName: aws.String("leases"), Item: avMap{"id": avS("x")}},
			)
			return err
		}
		remove := func() error {
			_, err := c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("leases")})
			return err
		}
		requireCode(t, write(), "ResourceNotFoundException", "")

		createDynamoTable(t.Context(), t, c, "leases", false)
		require.Equal(t, types.TableStatusCreating, status())
		requireCode(t, write(), "ResourceNotFoundException", "Requested resource not found")
		requireCode(t, remove(), "ResourceInUseException", "Table is being created")

		time.Sleep(3 * time.Second)
		require.Equal(t, types.TableStatusActive, status())
		require.NoError(t, write())
		_, err := c.CreateTable(t.Context(), plainTable())
		var inUse *types.ResourceInUseException
		require.ErrorAs(t, err, &inUse)

		out, err := c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{
			TableName: aws.String("arn:aws:dynamodb:eu-west-1:123456789012:table/leases"),
		})
		require.NoError(t, err)
		require.Equal(t, "arn:aws:dynamodb:eu-west-1:123456789012:table/leases", *out.Table.TableArn)
		require.Equal(t, types.BillingModePayPerRequest, out.Table.BillingModeSummary.BillingMode)
		require.Equal(t, int64(1), *out.Table.ItemCount)
		require.Equal(t, int64(3), *out.Table.TableSizeBytes)
		require.Equal(t, 3*time.Second, time.Since(*out.Table.CreationDateTime))

		require.NoError(t, remove())
		require.Equal(t, types.TableStatusDeleting, status())
		requireCode(t, write(), "ResourceNotFoundException", "")
		_, err = c.CreateTable(t.Context(), plainTable())
		requireCode(t, err, "ResourceInUseException", "Table already exists: leases")
		time.Sleep(3 * time.Second)
		require.Equal(t, "GONE", string(status()))

		createDynamoTable(t.Context(), t, c, "leases", false)
		require.NoError(t, dynamodb.NewTableExistsWaiter(c).Wait(
			t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("leases")}, time.Minute,
		))
		require.Empty(t, a.DynamoDB.Items("leases"), "a new table of the old name is empty")
	})
}

func plainTable() *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName: aws.String("leases"), BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS},
		},
	}
}

func TestDynamoDBCreateTableRules(t *testing.T) {
	element := func(name string, kind types.KeyType) types.KeySchemaElement {
		return types.KeySchemaElement{AttributeName: &name, KeyType: kind}
	}
	definition := func(name string, code types.ScalarAttributeType) types.AttributeDefinition {
		return types.AttributeDefinition{AttributeName: &name, AttributeType: code}
	}
	units := &types.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(10), WriteCapacityUnits: aws.Int64(5)}
	for message, change := range map[string]func(in *dynamodb.CreateTableInput){
		"": func(in *dynamodb.CreateTableInput) {
			in.BillingMode, in.ProvisionedThroughput = "", units
			in.KeySchema = append(in.KeySchema, element("pos", types.KeyTypeRange))
			in.AttributeDefinitions = append(in.AttributeDefinitions, definition("pos", types.ScalarAttributeTypeB))
		},
		"TableName must be at least 3": func(in *dynamodb.CreateTableInput) { in.TableName = aws.String("ab") },
		"match [a-zA-Z0-9_.-]+":        func(in *dynamodb.CreateTableInput) { in.TableName = aws.String("a b c") },
		"at most 255 characters": func(in *dynamodb.CreateTableInput) {
			in.TableName = aws.String(strings.Repeat("a", 256))
		},
		"The first KeySchemaElement is not a HASH key type": func(in *dynamodb.CreateTableInput) {
			in.KeySchema[0].KeyType = types.KeyTypeRange
		},
		"The second KeySchemaElement is not a RANGE key type": func(in *dynamodb.CreateTableInput) {
			in.KeySchema = append(in.KeySchema, element("pos", types.KeyTypeHash))
		},
		"have the same name": func(in *dynamodb.CreateTableInput) {
			in.KeySchema = append(in.KeySchema, element("id", types.KeyTypeRange))
		},
		"length between 1 and 2": func(in *dynamodb.CreateTableInput) { in.KeySchema = []types.KeySchemaElement{} },
		"Some index key attributes are not defined in AttributeDefinitions": func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions[0].AttributeName = aws.String("other")
		},
		"does not exactly match number of attributes defined": func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions = append(in.AttributeDefinitions, definition("more", types.ScalarAttributeTypeS))
		},
		"Duplicate AttributeName": func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions = append(in.AttributeDefinitions, definition("id", types.ScalarAttributeTypeS))
		},
		"Member must satisfy enum value set: [B, N, S]": func(in *dynamodb.CreateTableInput) {
			in.AttributeDefinitions[0].AttributeType = "SS"
		},
		"Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]": func(in *dynamodb.CreateTableInput) {
			in.BillingMode = "FREE"
		},
		"Neither ReadCapacityUnits nor WriteCapacityUnits can be specified": func(in *dynamodb.CreateTableInput) {
			in.ProvisionedThroughput = units
		},
		"must both be specified when BillingMode is PROVISIONED": func(
			in *dynamodb.CreateTableInput,
		) {
			in.BillingMode = ""
		},
		"secondary indexes are not emulated": func(in *dynamodb.CreateTableInput) {
			in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
				IndexName: aws.String("i"), KeySchema: in.KeySchema, Projection: &types.Projection{},
			}}
		},
	} {
		t.Run(message, func(t *testing.T) {
			c := newDynamoClient(New(Options{}).HTTPClient(), "http://dynamodb.test")
			in := plainTable()
			change(in)
			out, err := c.CreateTable(t.Context(), in)
			if message != "" {
				requireCode(t, err, "ValidationException", message)
				return
			}
			require.NoError(t, err)
			require.Equal(t, in.KeySchema, out.TableDescription.KeySchema)
			require.Equal(t, in.AttributeDefinitions, out.TableDescription.AttributeDefinitions)
			require.Equal(t, int64(10), *out.TableDescription.ProvisionedThroughput.ReadCapacityUnits)
			require.Nil(t, out.TableDescription.BillingModeSummary)
		})
	}
}

func TestDynamoDBDeletionProtection(t *testing.T) {
	c := newDynamoClient(New(Options{TableActivation: time.Nanosecond}).HTTPClient(), "http://dynamodb.test")
	in := plainTable()
	in.DeletionProtectionEnabled = aws.Bool(true)
	_, err := c.CreateTable(t.Context(), in)
	require.NoError(t, err)
	_, err = c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: in.TableName})
	requireCode(t, err, "ValidationException", "protected against deletion")
}

func TestDynamoDBListTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newDynamo(t)
		var names []string
		pages := dynamodb.NewListTablesPaginator(c, &dynamodb.ListTablesInput{Limit: aws.Int32(1)})
		for pages.HasMorePages() {
			out, err := pages.NextPage(t.Context())
			require.NoError(t, err)
			require.LessOrEqual(t, len(out.TableNames), 1)
			names = append(names, out.TableNames...)
		}
		require.Equal(t, []string{"plain", "ranged"}, names)
	})
}

func TestDynamoDBTimeToLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newDynamo(t)
		turn := func(attribute string, on bool) error {
			_, err := c.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
				TableName:               aws.String("plain"),
				TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: &on},
			})
			return err
		}
		state := func() *types.TimeToLiveDescription {
			out, err := c.DescribeTimeToLive(
				t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String("plain")},
			)
			require.NoError(t, err)
			return out.TimeToLiveDescription
		}
		require.Equal(t, types.TimeToLiveStatusDisabled, state().TimeToLiveStatus)
		requireCode(t, turn("expires", false), "ValidationException", "already disabled")
		require.NoError(t, turn("expires", true))
		require.Equal(t, types.TimeToLiveStatusEnabled, state().TimeToLiveStatus)
		require.Equal(t, "expires", *state().AttributeName)
		requireCode(t, turn("expires", true), "ValidationException", "already enabled")
		requireCode(t, turn("other", false), "ValidationException", "current AttributeName is expires")
		require.NoError(t, turn("expires", false))

		backups, err := c.DescribeContinuousBackups(
			t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String("plain")},
		)
		require.NoError(t, err)
		require.Equal(t, types.PointInTimeRecoveryStatusDisabled,
			backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus)
		_, err = c.DescribeContinuousBackups(
			t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: aws.String("nope")},
		)
		requireCode(t, err, "TableNotFoundException", "nope")
	})
}

// The operations on items all refuse a table that is not there.
func TestDynamoDBWithoutTable(t *testing.T) {
	c := newDynamoClient(New(Options{}).HTTPClient(), "http://dynamodb.test")
	name, key := aws.String("nope"), avMap{"id": avS("x")}
	for op, call := range map[string]func(ctx context.Context) error{
		"GetItem": func(ctx context.Context) error {
			_, err := c.GetItem(ctx, &dynamodb.GetItemInput{TableName: name, Key: key})
			return err
		},
		"UpdateItem": func(ctx context.Context) error {
			_, err := c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: name, Key: key})
			return err
		},
		"DeleteItem": func(ctx context.Context) error {
			_, err := c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: name, Key: key})
			return err
		},
		"Scan": func(ctx context.Context) error {
			_, err := c.Scan(ctx, &dynamodb.ScanInput{TableName: name})
			return err
		},
		"DeleteTable": func(ctx context.Context) error {
			_, err := c.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: name})
			return err
		},
		"DescribeTimeToLive": func(ctx context.Context) error {
			_, err := c.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: name})
			return err
		},
	} {
		t.Run(op, func(t *testing.T) {
			requireCode(t, call(t.Context()), "ResourceNotFoundException", "Requested resource not found")
		})
	}
}
