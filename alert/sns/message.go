package sns

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
)

// message is what one entry of a call carries, checked against every rule of SNS that can be checked here: the SDK
// checks none, and one bad entry may cost the whole call.
type message struct {
	body, subject, structure string
	attributes               map[string]types.MessageAttributeValue
	// group and dedup are empty on standard topics.
	group, dedup string
	// size is what counts against the topic's limit: body and attributes in bytes of UTF-8, before any escaping.
	size int
}

// Size counts against the topic's limit.
func (m *message) Size() int { return m.size }

// prepare checks m and shortens its bodies to what the topic accepts. The error is a *alert.RejectedError.
func prepare(a *alert.Alert, m alert.Message, l limits) (*message, error) {
	attributes, attributeBytes, err := checkAttributes(m.Attributes)
	if err != nil {
		return nil, rejected(reasonAttribute, err)
	}
	if err := checkSubject(m.Subject); err != nil {
		return nil, rejected(reasonSubject, err)
	}
	if m.Body == "" || !utf8.ValidString(m.Body) {
		return nil, rejected(reasonBody, errors.New("the body must be valid UTF-8 and not empty"))
	}
	if err := checkStructure(m); err != nil {
		return nil, rejected(reasonStructure, err)
	}
	room := l.maxBytes - attributeBytes
	if len(m.Bodies) > 0 {
		m.Structure = structureJSON
		m.Body = protocolBodies(a, m, room)
	} else if len(m.Body) > room && room > 0 {
		m = alert.Truncate(m, room, a)
	}
	if len(m.Body) > room || m.Body == "" {
		return nil, rejected(dispatch.ReasonTooLarge, fmt.Errorf("%d bytes of body and %d of attributes, the topic "+
			"takes %d",
			len(m.Body), attributeBytes, l.maxBytes))
	}
	out := &message{
		body:       m.Body,
		subject:    m.Subject,
		structure:  m.Structure,
		attributes: attributes,
		size:       len(m.Body) + attributeBytes,
	}
	if l.fifo {
		out.group, out.dedup = token(a.Record.PartitionKey), token(a.ID)
		if m.Group != "" {
			out.group = token(m.Group)
		}
	}
	return out, nil
}

func rejected(r alert.Reason, err error) error { return &alert.RejectedError{Reason: r, Err: err} }

func checkSubject(s string) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("the subject must be valid UTF-8")
	case utf8.RuneCountInString(s) > maxSubject:
		return fmt.Errorf("the subject has %d characters, SNS takes %d", utf8.RuneCountInString(s), maxSubject)
	case strings.ContainsFunc(s, lineOrControl):
		return errors.New("the subject must not contain line breaks or control characters")
	}
	return nil
}

func lineOrControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

func checkStructure(m alert.Message) error {
	switch {
	case m.Structure != "" && m.Structure != "string":
		return fmt.Errorf("MessageStructure %q is not string; bodies of single protocols make it json", m.Structure)
	case len(m.Bodies) == 0:
		return nil
	case len(m.Attributes) > 0:
		return errors.New("SNS sends no attributes with bodies of single protocols")
	}
	for protocol, body := range m.Bodies {
		switch {
		case protocol == "" || protocol == defaultBody || !utf8.ValidString(protocol):
			return fmt.Errorf("%q is no protocol", protocol)
		case !utf8.ValidString(body):
			return fmt.Errorf("the body for %s must be valid UTF-8", protocol)
		}
	}
	return nil
}

// checkAttributes returns the attributes as the SDK wants them and their size in bytes: names, types and values.
func checkAttributes(attributes []alert.Attribute) (map[string]types.MessageAttributeValue, int, error) {
	if len(attributes) == 0 {
		return nil, 0, nil
	}
	if len(attributes) > maxAttributes {
		return nil, 0, fmt.Errorf("%d attributes, SQS subscriptions with raw delivery discard messages with more "+
			"than %d",
			len(attributes), maxAttributes)
	}
	out := make(map[string]types.MessageAttributeValue, len(attributes))
	size := 0
	for i := range attributes {
		a := &attributes[i]
		if err := checkAttribute(a); err != nil {
			return nil, 0, fmt.Errorf("attribute %q: %w", a.Name, err)
		}
		if _, ok := out[a.Name]; ok {
			return nil, 0, fmt.Errorf("attribute %q occurs twice", a.Name)
		}
		v := types.MessageAttributeValue{DataType: &a.Type}
		if a.Type == "Binary" {
			v.BinaryValue = []byte(a.Value)
		} else {
			v.StringValue = &a.Value
		}
		out[a.Name] = v
		size += len(a.Name) + len(a.Type) + len(a.Value)
	}
	return out, size, nil
}

func checkAttribute(a *alert.Attribute) error {
	if err := checkName(a.Name); err != nil {
		return err
	}
	if a.Value == "" {
		return errors.New("the value is empty")
	}
	if a.Type != "Binary" && (!utf8.ValidString(a.Value) || strings.ContainsFunc(a.Value, unsupported)) {
		return errors.New("the value must be valid UTF-8 without control characters and characters above U+FFFF")
	}
	switch a.Type {
	case "String", "Binary":
		return nil
	case "String.Array":
		if v := jsontext.Value(a.Value); v.Kind() != '[' || !v.IsValid() {
			return errors.New("the value of a String.Array must be a JSON array")
		}
		return nil
	case "Number":
		if _, err := strconv.ParseFloat(a.Value, 64); err != nil || strings.ContainsAny(a.Value, "nNxX_pP") {
			return errors.New("the value of a Number must be a decimal number")
		}
		return nil
	default:
		return fmt.Errorf("type %q is not one of String, String.Array, Number, Binary", a.Type)
	}
}

// unsupported says whether r may not stand in an attribute: XML 1.0 has no place for it, or it needs two units of
// UTF-16.
func unsupported(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r >= 0xFFFF
}

func checkName(s string) error {
	lower := strings.ToLower(s)
	switch {
	case s == "" || len(s) > maxName:
		return fmt.Errorf("a name has 1 to %d characters", maxName)
	case strings.ContainsFunc(s, func(r rune) bool { return r != '.' && !wordRune(r) }):
		return errors.New("a name consists of letters, digits, underscores, hyphens and dots")
	case s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, ".."):
		return errors.New("a name has no dot at its ends and no two in a row")
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return errors.New("names that start with AWS. or Amazon. are reserved")
	}
	return nil
}

// token makes s a MessageGroupId or MessageDeduplicationId. A legal s stays as it is; anything else becomes its
// SHA-256 in hex, because replacing characters would put two partition keys into one group.
func token(s string) string {
	if s != "" && len(s) <= maxToken && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
