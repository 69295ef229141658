package checkpoint

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"kinesis-alerter/internal/awsfault"
	"kinesis-alerter/internal/credentials"
)

// NamesFault reports whether an answer of AWS names a fault that somebody has to mend before a call can work: what is missing,
// denied or impossible.
func NamesFault(err error) bool {
	if _, blamed := credentials.Blames(err); blamed {
		return false // the answer is about the credentials, or there was none
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return errors.Is(err, errTableGone)
	}
	kind := awsfault.Of(api.ErrorCode())
	return kind == awsfault.Denied || kind == awsfault.Missing ||
		api.ErrorCode() == "ValidationException" || api.ErrorCode() == "InvalidArgumentException"
}

// createTable makes an on-demand table. That another worker is quicker is no error.
func createTable(ctx context.Context, db DynamoDB, name string) error {
	_, err := db.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:            &name,
		BillingMode:          types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(attrKey), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(attrKey), AttributeType: types.ScalarAttributeTypeS}},
	})
	if _, inUse := errors.AsType[*types.ResourceInUseException](err); inUse {
		return nil
	}
	return err
}
