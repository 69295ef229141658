package fakeaws

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// snsMaxSubject is the first length of a subject that is refused, in characters.
const snsMaxSubject = 100

// snsMessage is a message as a caller publishes it.
type snsMessage struct {
	subject     string
	hasSubject  bool
	body        string
	structure   string
	attributes  map[string]MessageAttribute
	group       string
	dedupID     string
	perProtocol map[string]string // set by check when the structure is json
}

// formMessage reads the message whose parameters have the prefix ("" or that of a batch entry).
func formMessage(form url.Values, prefix string) (snsMessage, *Error) {
	attributes, err := formAttributes(form, prefix)
	return snsMessage{
		subject:    form.Get(prefix + "Subject"),
		hasSubject: form.Has(prefix + "Subject"),
		body:       form.Get(prefix + "Message"),
		structure:  form.Get(prefix + "MessageStructure"),
		attributes: attributes,
		group:      form.Get(prefix + "MessageGroupId"),
		dedupID:    form.Get(prefix + "MessageDeduplicationId"),
	}, err
}

// size is what the limits count (bytes).
func (m *snsMessage) size() int { return len(m.body) + attributesSize(m.attributes) }

// checkContent applies the rules that need no topic. It reads the bodies of a message with the structure json.
func (m *snsMessage) checkContent() *Error {
	if m.hasSubject && !validSubject(m.subject) {
		return invalidParameter("Subject")
	}
	if m.body == "" {
		return invalidParameter("Empty message")
	}
	if !utf8.ValidString(m.body) {
		return invalidParameter("Message Reason: must be UTF-8")
	}
	switch m.structure {
	case "", "string": // the reference names only json, but AWS' own samples send string
	case "json":
		return m.parseStructure()
	default:
		return invalidParameter("MessageStructure")
	}
	return nil
}

func validSubject(s string) bool {
	return s != "" && utf8.ValidString(s) && utf8.RuneCountInString(s) < snsMaxSubject &&
		!strings.ContainsFunc(s, unicode.IsControl)
}

// parseStructure reads the bodies for the protocols. Members that are not strings are ignored. The decoder refuses
// duplicate names, as the reference says that SNS does; recorded answers show that the real one lets them pass.
func (m *snsMessage) parseStructure() *Error {
	var members map[string]jsontext.Value
	if err := json.Unmarshal([]byte(m.body), &members); err != nil {
		return invalidParameter("Message Structure - JSON message body failed to parse")
	}
	m.perProtocol = map[string]string{}
	for name, value := range members {
		var body string
		if value.Kind() == '"' && json.Unmarshal(value, &body) == nil {
			m.perProtocol[name] = body
		}
	}
	if _, ok := m.perProtocol["default"]; !ok {
		return invalidParameter("Message Structure - No default entry in JSON message body")
	}
	return nil
}

// bodyFor is what a subscription of the protocol gets.
func (m *snsMessage) bodyFor(protocol string) string {
	if m.perProtocol == nil {
		return m.body
	}
	if body, ok := m.perProtocol[protocol]; ok {
		return body
	}
	return m.perProtocol["default"]
}

// sentAttributes are the attributes that go to subscriptions and through filter policies: with the structure json there
// are none ("Message attributes are sent only when the message structure is String, not JSON", SNS Developer Guide).
// Whether the real policies see them all the same is not known; a publisher should not count on it.
func (m *snsMessage) sentAttributes() map[string]MessageAttribute {
	if m.perProtocol != nil {
		return nil
	}
	return m.attributes
}

// checkFIFO applies the rules for message groups and deduplication ids.
func (m *snsMessage) checkFIFO(t *snsTopic) *Error {
	switch {
	case t.fifo && m.group == "":
		return invalidParameter("The MessageGroupId parameter is required for FIFO topics")
	case t.fifo && m.dedupID == "" && t.attributes["ContentBasedDeduplication"] != "true":
		return invalidParameter("The topic should either have ContentBasedDeduplication enabled or " +
			"MessageDeduplicationId provided explicitly")
	case !t.fifo && m.dedupID != "":
		return invalidParameter("MessageDeduplicationId Reason: The request includes MessageDeduplicationId " +
			"parameter " +
			"that is not valid for this topic type")
	case m.group != "" && !validFIFOID(m.group):
		return invalidParameter("MessageGroupId Reason: %s", fifoIDRule)
	case m.dedupID != "" && !validFIFOID(m.dedupID):
		return invalidParameter("MessageDeduplicationId Reason: %s", fifoIDRule)
	}
	return nil
}

const fifoIDRule = "can only include alphanumeric and punctuation characters. 1 to 128 in length"

// checkSNSAttributes applies the rules for message attributes; where leads to them within the request.
func checkSNSAttributes(attributes map[string]MessageAttribute, where string) *Error {
	for _, name := range sortedKeys(attributes) {
		if err := checkSNSAttribute(name, attributes[name], where); err != nil {
			return err
		}
	}
	return nil
}

func checkSNSAttribute(name string, a MessageAttribute, where string) *Error {
	invalid := func(format string, args ...any) *Error { return errorf("ParameterValueInvalid", format, args...) }
	if err := checkSNSAttributeName(name); err != nil {
		return err
	}
	base := baseType(a.DataType)
	switch {
	case a.DataType == "":
		return errorf("ValidationError",
			"1 validation error detected: Value null at '%smessageAttributes.%s.member.dataType' "+
				"failed to satisfy constraint: Member must not be null", where, name)
	case !validDataType(a.DataType):
		return invalid("The message attribute '%s' has an invalid message attribute type, the set of supported type "+
			"prefixes is Binary, Number, and String.", name)
	case a.StringValue == "" && len(a.BinaryValue) == 0:
		return invalid("The message attribute '%s' must contain non-empty message attribute value for message "+
			"attribute "+
			"type '%s'.", name, a.DataType)
	case base == "Binary" && len(a.BinaryValue) == 0:
		return invalid("The message attribute '%s' with type '%s' must use field 'Binary'.", name, a.DataType)
	case base != "Binary" && a.StringValue == "":
		return invalid("The message attribute '%s' with type '%s' must use field 'String'.", name, a.DataType)
	case base == "Number" && !numeric(a.StringValue):
		return invalid("Could not cast message attribute '%s' value to number.", name)
	case !validText(a.StringValue) || strings.ContainsFunc(a.StringValue, func(r rune) bool { return r > 0xFFFF }):
		// Characters outside the basic plane are surrogate pairs for AWS, which "aren't supported" in attributes.
		return invalid("Invalid attribute value was passed in for message attribute.")
	}
	return nil
}

func checkSNSAttributeName(name string) *Error {
	invalid := func(format string, args ...any) *Error { return errorf("ParameterValueInvalid", format, args...) }
	if name == "" {
		return invalid("The message attribute name can not be empty.")
	}
	if len(name) > maxAttributeName {
		return invalid("Length of message attribute name must be less than 256 bytes.")
	}
	if reservedAttributeName(name) {
		return invalid(
			"Message attribute name can not start with the reserved prefix '%s'.",
			name[:strings.IndexByte(name, '.')+1],
		)
	}
	if validAttributeName(name) {
		return nil
	}
	for _, r := range name {
		if r != '.' && !nameOf(string(r)) {
			return invalid("Invalid non-alphanumeric character '#x%X' was found in the message attribute name. "+
				"Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
		}
	}
	switch {
	case strings.HasPrefix(name, "."):
		return invalid("Invalid message attribute name starting with character '.' was found.")
	case strings.HasSuffix(name, "."):
		return invalid("Invalid message attribute name ending with character '.' was found.")
	}
	return invalid("Message attribute name can not have successive '.' character.")
}
