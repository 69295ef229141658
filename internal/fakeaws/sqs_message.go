package fakeaws

import (
	"crypto/md5" //nolint:gosec // SQS answers with MD5 sums; they protect nothing.
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// sqsMaxAttributes is how many message attributes one message may have.
	sqsMaxAttributes = 10
	// maxAttributeName is the longest name of a message attribute, in characters (SNS and SQS).
	maxAttributeName = 256
	// maxFIFOID is the longest message group id and deduplication id, in characters (SNS and SQS).
	maxFIFOID = 128
)

// MessageAttribute is a message attribute of SNS or SQS.
type MessageAttribute struct {
	// DataType is String, Number or Binary with an optional custom label ("Number.int"); SNS also knows String.Array.
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// size is what the attribute adds to the size of a message, without its name (bytes).
func (a MessageAttribute) size() int {
	return len(a.DataType) + len(a.StringValue) + len(a.BinaryValue)
}

func (a MessageAttribute) binary() bool { return baseType(a.DataType) == "Binary" }

// baseType cuts the custom label off a data type.
func baseType(dataType string) string {
	base, _, _ := strings.Cut(dataType, ".")
	return base
}

func attributesSize(attributes map[string]MessageAttribute) int {
	n := 0
	for name, a := range attributes {
		n += len(name) + a.size()
	}
	return n
}

// sqsMessage is one message of a queue. The mutex of SQS guards the part that changes.
type sqsMessage struct {
	id, body       string
	attributes     map[string]MessageAttribute
	group, dedupID string
	sequence       string
	sender         string
	sent           time.Time

	visible       time.Time // hidden before
	receives      int
	firstReceived time.Time
}

// expiredReceipt reports whether the receipt of one receive does not work any more: in a FIFO queue only the last one
// does, and only while the message is hidden.
func (m *sqsMessage) expiredReceipt(receive int, at time.Time) bool {
	return receive != m.receives || !m.visible.After(at)
}

// receipt names the message and the receive, so that an old one differs from the last.
func (m *sqsMessage) receipt() string {
	return hex.EncodeToString([]byte(m.id + "/" + strconv.Itoa(m.receives)))
}

// parseReceipt takes apart what receipt made.
func parseReceipt(handle string) (id string, receive int, err error) {
	invalid := &Error{
		Code: "ReceiptHandleIsInvalid", Status: 404,
		Message: `The input receipt handle "` + handle + `" is not a valid receipt handle.`,
	}
	raw, hexErr := hex.DecodeString(handle)
	id, number, ok := strings.Cut(string(raw), "/")
	receive, numErr := strconv.Atoi(number)
	if hexErr != nil || !ok || numErr != nil {
		return "", 0, invalid
	}
	return id, receive, nil
}

func md5Hex(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // SQS answers with MD5 sums; they protect nothing.
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is the digest that the SQS Developer Guide describes under "Calculating the MD5 message digest for
// message attributes". It is empty when there are none.
func attributesMD5(attributes map[string]MessageAttribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	field := func(v []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v))) //nolint:gosec // Bounded by the size of a message.
		b = append(b, v...)
	}
	for _, name := range sortedKeys(attributes) {
		a := attributes[name]
		field([]byte(name))
		field([]byte(a.DataType))
		if a.binary() {
			b = append(b, 2)
			field(a.BinaryValue)
			continue
		}
		b = append(b, 1)
		field([]byte(a.StringValue))
	}
	return md5Hex(b)
}

// sqsContent is a message as a caller sends it, before the queue has a say.
type sqsContent struct {
	MessageBody            string
	DelaySeconds           *int
	MessageAttributes      map[string]MessageAttribute
	MessageGroupId         string
	MessageDeduplicationId string
}

func (c *sqsContent) size() int { return len(c.MessageBody) + attributesSize(c.MessageAttributes) }

// check applies the rules that hold for a message in this queue.
func (c *sqsContent) check(q *sqsQueue) *Error {
	if c.MessageBody == "" {
		return missingParameter("MessageBody")
	}
	if !validText(c.MessageBody) {
		return errInvalidContents()
	}
	if err := checkSQSAttributes(c.MessageAttributes); err != nil {
		return err
	}
	if limit := q.maxMessage(); c.size() > limit {
		return errorf("InvalidParameterValue",
			"One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", limit)
	}
	if c.DelaySeconds != nil {
		switch d := *c.DelaySeconds; {
		case q.fifo && d != 0:
			return invalidValue(
				d, "DelaySeconds", "The request include parameter that is not valid for this queue type.",
			)
		case d < 0 || d > 900:
			return invalidValue(d, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
		}
	}
	return c.checkFIFO(q)
}

func (c *sqsContent) checkFIFO(q *sqsQueue) *Error {
	const rule = " can only include alphanumeric and punctuation characters. 1 to 128 in length."
	if c.MessageGroupId != "" && !validFIFOID(c.MessageGroupId) {
		return invalidValue(c.MessageGroupId, "MessageGroupId", "MessageGroupId"+rule)
	}
	if !q.fifo {
		if c.MessageDeduplicationId != "" {
			return invalidValue(c.MessageDeduplicationId, "MessageDeduplicationId",
				"The request includes a parameter that is not valid for this queue type.")
		}
		return nil
	}
	if c.MessageGroupId == "" {
		return missingParameter("MessageGroupId")
	}
	if c.MessageDeduplicationId == "" {
		if q.attributes["ContentBasedDeduplication"] != "true" {
			return errorf("InvalidParameterValue",
				"The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "+
					"explicitly")
		}
		return nil
	}
	if !validFIFOID(c.MessageDeduplicationId) {
		return invalidValue(c.MessageDeduplicationId, "MessageDeduplicationId", "MessageDeduplicationId"+rule)
	}
	return nil
}

func errInvalidContents() *Error {
	return errorf("InvalidMessageContents", "Invalid characters found. Valid unicode characters are "+
		"#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
}

// validText reports whether s has only the characters that SQS (that is, XML 1.0) allows.
func validText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

// validFIFOID reports whether s can be a message group id or a deduplication id: 1..128 printable ASCII characters
// without the space.
func validFIFOID(s string) bool {
	return s != "" && len(s) <= maxFIFOID && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// validDataType reports whether a data type has one of the three known prefixes and no empty label.
func validDataType(dataType string) bool {
	base, label, custom := strings.Cut(dataType, ".")
	return (base == "String" || base == "Number" || base == "Binary") && (!custom || label != "")
}

// reservedAttributeName reports whether AWS keeps the name for itself.
func reservedAttributeName(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.")
}

func checkSQSAttributes(attributes map[string]MessageAttribute) *Error {
	if len(attributes) > sqsMaxAttributes {
		return errorf("InvalidParameterValue",
			"Number of message attributes [%d] exceeds the allowed maximum [%d].", len(attributes), sqsMaxAttributes)
	}
	for _, name := range sortedKeys(attributes) {
		a := attributes[name]
		switch {
		case len(name) > maxAttributeName:
			return errorf("InvalidParameterValue", "Length of message attribute name must be less than 256 bytes.")
		case !validAttributeName(name) || reservedAttributeName(name):
			return errorf("InvalidParameterValue", "Message (user) attribute name '%s' is invalid.", name)
		case a.DataType == "":
			return errorf(
				"InvalidParameterValue", "The message attribute '%s' must contain the non-empty DataType.", name,
			)
		case !validDataType(a.DataType):
			return errorf("InvalidParameterValue", "The type of message (user) attribute '%s' is invalid. "+
				"You must use only the following supported type prefixes: Binary, Number, String.", name)
		case a.binary() && len(a.BinaryValue) == 0, !a.binary() && a.StringValue == "":
			return errorf("InvalidParameterValue",
				"Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name,
				baseType(a.DataType))
		case !validText(a.StringValue):
			return errInvalidContents()
		case baseType(a.DataType) == "Number" && !numeric(a.StringValue):
			return errorf("InvalidParameterValue",
				"Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
	}
	return nil
}

// numeric reports whether a Number attribute can have the value.
func numeric(s string) bool {
	if strings.ContainsAny(s, "_xXnNiI") { // ParseFloat also reads 0x1p4, 1_000, NaN and Inf
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// validAttributeName reports whether a name has only letters, digits, "_", "-" and ".", and no dot at either end or
// twice in a row.
func validAttributeName(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if !nameOf(part) {
			return false
		}
	}
	return true
}
