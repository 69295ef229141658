package fakeaws

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
)

// SQS had the query protocol until 2023, and clients of that time have no other: boto3 before 1.33, version 2 of the
// AWS CLI before 2.13.36. Single calls are translated to and from the JSON protocol; batches are not.

// sqsForm makes the JSON document of a call's parameters.
func sqsForm(form url.Values) []byte {
	in := map[string]any{}
	for _, name := range []string{
		"QueueUrl", "QueueName", "QueueNamePrefix", "QueueOwnerAWSAccountId", "ReceiptHandle", "MessageBody",
		"MessageGroupId", "MessageDeduplicationId",
	} {
		if form.Has(name) {
			in[name] = form.Get(name)
		}
	}
	for _, name := range []string{
		"DelaySeconds", "MaxNumberOfMessages", "MaxResults", "VisibilityTimeout", "WaitTimeSeconds",
	} {
		if n, err := strconv.Atoi(form.Get(name)); err == nil {
			in[name] = n
		}
	}
	for _, name := range []string{"AttributeName", "MessageSystemAttributeName", "MessageAttributeName"} {
		var list []string
		for n := 1; form.Has(name + "." + strconv.Itoa(n)); n++ {
			list = append(list, form.Get(name+"."+strconv.Itoa(n)))
		}
		in[name+"s"] = list
	}
	attributes, typed := map[string]string{}, map[string]any{}
	for n := 1; form.Has("Attribute." + strconv.Itoa(n) + ".Name"); n++ {
		one := "Attribute." + strconv.Itoa(n)
		attributes[form.Get(one+".Name")] = form.Get(one + ".Value")
	}
	for n := 1; form.Has("MessageAttribute." + strconv.Itoa(n) + ".Name"); n++ {
		one := "MessageAttribute." + strconv.Itoa(n)
		value := map[string]string{}
		for _, part := range []string{"DataType", "StringValue", "BinaryValue"} {
			if form.Has(one + ".Value." + part) {
				value[part] = form.Get(one + ".Value." + part)
			}
		}
		typed[form.Get(one+".Name")] = value
	}
	in["Attributes"], in["MessageAttributes"] = attributes, typed
	body, err := json.Marshal(in)
	if err != nil {
		return nil // texts and numbers always encode
	}
	return body
}

// sqsElements are the members that the query protocol repeats under another name.
var sqsElements = regexp.MustCompile(`^(QueueUrl|Message|Attribute|MessageAttribute)s$`)

// encodeSQSQuery writes an answer of the query protocol.
func encodeSQSQuery(op string) encoder {
	return func(h http.Header, result any, apiErr *Error) (int, http.Header, []byte, error) {
		if apiErr != nil && apiErr.Code == "QueueDoesNotExist" {
			old := *apiErr
			old.Code = "AWS.SimpleQueueService.NonExistentQueue"
			apiErr = &old
		}
		var members map[string]any
		if apiErr == nil && result != nil {
			document, err := json.Marshal(result)
			if err != nil {
				return 0, nil, nil, err
			}
			if err := json.Unmarshal(document, &members); err != nil {
				return 0, nil, nil, err
			}
		}
		return encodeQuery(h, queryResult{op: op, body: sqsXML(members)}, apiErr)
	}
}

// sqsXML is a JSON document as the query protocol of SQS writes it.
type sqsXML map[string]any

// MarshalXML implements xml.Marshaler.
func (m sqsXML) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if err := e.EncodeToken(start); err != nil {
		return err
	}
	for _, name := range sortedKeys(m) {
		if err := encodeMember(e, name, m[name]); err != nil {
			return err
		}
	}
	return e.EncodeToken(start.End())
}

func encodeMember(e *xml.Encoder, name string, value any) error {
	element := name
	if of := sqsElements.FindStringSubmatch(name); of != nil {
		element = of[1]
	}
	start := xml.StartElement{Name: xml.Name{Local: element}}
	switch value := value.(type) {
	case []any:
		for _, one := range value {
			if err := encodeMember(e, element, one); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		if element == name { // one thing with members
			return e.EncodeElement(sqsXML(value), start)
		}
		for _, key := range sortedKeys(value) {
			if err := e.EncodeElement(sqsXML{"Name": key, "Value": value[key]}, start); err != nil {
				return err
			}
		}
		return nil
	}
	return e.EncodeElement(value, start)
}
