package checkpoint

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// shown is an attribute as a person reads it.
func shown(av types.AttributeValue) string {
	switch v := av.(type) {
	case nil:
		return "missing"
	case *types.AttributeValueMemberS:
		return "the text " + quoted(v.Value)
	case *types.AttributeValueMemberN:
		return "the number " + short(v.Value)
	case *types.AttributeValueMemberNULL:
		return "null"
	}
	return fmt.Sprintf("a %s", strings.TrimPrefix(fmt.Sprintf("%T", av), "*types.AttributeValueMember"))
}

func faultOf(errs ...error) string {
	if err := errors.Join(errs...); err != nil {
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return ""
}
