package table

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Quoted shows what may be anything, cut to a length that a line can hold.
func Quoted(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%.*q…", most, s)
	}
	return fmt.Sprintf("%q", s)
}

// Show is an attribute as a person reads it.
func Show(av types.AttributeValue) string {
	switch v := av.(type) {
	case nil:
		return "missing"
	case *types.AttributeValueMemberS:
		return "the text " + Quoted(v.Value)
	case *types.AttributeValueMemberN:
		return "the number " + short(v.Value)
	case *types.AttributeValueMemberNULL:
		return "null"
	}
	return fmt.Sprintf("a %s", strings.TrimPrefix(fmt.Sprintf("%T", av), "*types.AttributeValueMember"))
}

// FaultOf is what errors say, in one line.
func FaultOf(errs ...error) string {
	if err := errors.Join(errs...); err != nil {
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	return ""
}
