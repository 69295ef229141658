package takeover

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kinesis-alerter/internal/config"
)

// found is one mapping, or what becomes one, with its fields named as Lambda's API names them.
type found struct {
	// where is its place in the file; empty where it is all of it. called is what its file is called among several.
	where, called string
	// kind says what it is; empty for the answer of Lambda's API.
	kind     string
	function string
	topicARN string
	fields   any
	// decide is left to a person, and notes are fields that need nothing.
	decide, notes []string
}

// unresolved is a value that the file does not have. ARN is as much as is known of it, with REGION, ACCOUNT and
// PARTITION where a stack has its own.
type unresolved struct {
	Text string `json:"!unresolved"`
	ARN  string `json:"arn"`
}

// The parts of an ARN that are a deployment's.
const ownPartition, ownRegion, ownAccount = "PARTITION", "REGION", "ACCOUNT"

// find looks for mappings in a tree. aside are sources that are not read at all.
func (x *LambdaExplainer) find(root any) (all []found, aside config.FieldErrors, err error) {
	m, path := object(root), ""
	mappings, isList := root.([]any)
	if !isList {
		path = "EventSourceMappings"
		mappings, isList = m[path].([]any)
	}
	switch {
	case isList && len(mappings) == 0:
		return nil, nil, config.FieldErrors{x.Fault("EventSourceMappings", "",
			"there are none; is it the right --function-name, region and account?")}
	case isList:
		return several(path, mappings), nil, nil
	case list(m["Pipes"]) != nil:
		return nil, nil, config.FieldErrors{x.Fault("Pipes", "",
			"list-pipes does not show how they read; want what `aws pipes describe-pipe --name NAME` prints")}
	case object(m["Resources"]) != nil:
		all, aside = template{object(m["Resources"])}.find(x)
	case object(m["TemplateBody"]) != nil:
		return x.find(m["TemplateBody"])
	case text(m["TemplateBody"]) != "":
		body, err := x.tree([]byte(text(m["TemplateBody"])))
		if err != nil {
			return nil, nil, err
		}
		return x.find(body)
	case m["format_version"] != nil:
		values := at(root, "planned_values", "root_module")
		if values == nil {
			values = at(root, "values", "root_module")
		}
		all, aside = terraform{x}.find(values, at(root, "configuration", "root_module"), "")
	case m["Source"] != nil && (m["SourceParameters"] != nil || m["Target"] != nil):
		return []found{pipe("", text(m["Name"]), m)}, nil, nil
	default:
		return []found{{fields: root}}, nil, nil
	}
	if len(all) == 0 && len(aside) == 0 {
		return nil, nil, config.FieldErrors{x.Fault("", "", "has no event source mapping, no Kinesis event and "+
			"no pipe; %s", Wanted)}
	}
	return all, aside, nil
}

// several are mappings or pipes of a list. One alone needs no place.
func several(path string, items []any) []found {
	out := make([]found, 0, len(items))
	for i, item := range items {
		where := ""
		if len(items) > 1 {
			where = fmt.Sprintf("%s[%d]", path, i)
		}
		m := object(item)
		if m["SourceParameters"] != nil {
			out = append(out, pipe(where, text(m["Name"]), m))
			continue
		}
		out = append(out, found{where: where, called: text(m["UUID"]), fields: item})
	}
	return out
}

const pipeKind = "EventBridge pipe"

// pipe translates a pipe of EventBridge: its source has the parameters of a mapping.
func pipe(where, name string, m map[string]any) found {
	f := found{where: where, called: name, kind: pipeKind, function: name}
	fields := map[string]any{
		"EventSourceArn": m["Source"], "FilterCriteria": at(m["SourceParameters"], "FilterCriteria"),
	}
	parameters := object(at(m["SourceParameters"], "KinesisStreamParameters"))
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		value := parameters[key]
		switch key {
		case "DeadLetterConfig":
			fields["DestinationConfig"] = map[string]any{
				"OnFailure": map[string]any{"Destination": at(value, "Arn")},
			}
		case "OnPartialBatchItemFailure":
			f.note(key, value, "A bad record costs itself alone, so there is no batch to halve.")
		default:
			fields[key] = value
		}
	}
	state := text(m["CurrentState"])
	if state == "" {
		state = text(m["DesiredState"])
	}
	fields["State"] = "Enabled"
	if slices.Contains([]string{"STOPPED", "STOPPING", "CREATE_FAILED", "START_FAILED", "DELETING"}, state) {
		fields["State"] = "Disabled"
	}
	fields["StateTransitionReason"] = m["StateReason"]
	target := text(m["Target"])
	if u, ok := m["Target"].(unresolved); ok {
		target = u.Text
	}
	if arn := strings.Split(target, ":"); len(arn) == 6 && arn[2] == "sns" {
		f.topicARN = target
		f.note("Target", target, "It is topics.alerts.arn.")
	} else if target != "" {
		f.decide = append(f.decide, "What was the target? Target: "+target+". Alerts go to an SNS topic; what the "+
			"target did has to subscribe to it.")
	}
	if template := at(m["TargetParameters"], "InputTemplate"); template != nil {
		f.decide = append(f.decide,
			fmt.Sprintf("What did the target get? TargetParameters.InputTemplate: %s. Write it "+
				"as topics.alerts.message: <$.data.price> is {{ .Fields.price }}.", show(template)))
	}
	if e := show(m["Enrichment"]); m["Enrichment"] != nil && e != `""` {
		f.decide = append(f.decide, "What did the enrichment do? Enrichment: "+e+
			". There is nothing like it here: keep the pipe, or subscribe a function to the topic.")
	}
	known := []string{
		"Source", "SourceParameters", "Target", "Enrichment", "CurrentState", "StateReason", "TargetParameters",
		"ResponseMetadata",
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if m[key] != nil && !slices.Contains(known, key) {
			f.note(key, m[key], "It needs nothing here.")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(object(m["TargetParameters"]))) {
		if key != "InputTemplate" {
			f.note("TargetParameters."+key, at(m["TargetParameters"], key), "The target is SNS here.")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(object(m["SourceParameters"]))) {
		if key != "FilterCriteria" && key != "KinesisStreamParameters" {
			f.note("SourceParameters."+key, at(m["SourceParameters"], key), "It is not about Kinesis.")
		}
	}
	f.fields = fields
	return f
}

// note says what becomes of a field that a mapping does not have.
func (f *found) note(field string, value any, what string) {
	f.notes = append(f.notes, fmt.Sprintf("%s: %s. %s", field, show(value), what))
}

// show is a value on one line, for people.
func show(v any) string {
	var out string
	switch v := v.(type) {
	case string:
		out = v
	case unresolved:
		out = v.Text
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return "?" // unreachable: trees are made of what JSON has
		}
		out = string(b)
	}
	if r := []rune(out); len(r) > 300 {
		return string(r[:300]) + "..."
	}
	return out
}

// template is the resources of a template of CloudFormation or SAM.
type template struct{ resources map[string]any }

// sourceEvents are the events of SAM that become mappings.
func sourceEvents() map[string]string {
	return map[string]string{
		"DynamoDB": "the stream of a DynamoDB table", "SQS": "an SQS queue", "MSK": "a Kafka cluster",
		"SelfManagedKafka": "a Kafka cluster", "MQ": "a message broker", "DocumentDB": "a DocumentDB cluster",
	}
}

func (t template) find(x *LambdaExplainer) (all []found, aside config.FieldErrors) {
	for _, id := range slices.Sorted(maps.Keys(t.resources)) {
		r := t.resources[id]
		properties := object(at(r, "Properties"))
		switch text(at(r, "Type")) {
		case "AWS::Lambda::EventSourceMapping":
			f := t.mapping("Resources."+id, id, "EventSourceArn", properties)
			f.kind, f.function = "resource", t.function(properties["FunctionName"])
			all = append(all, f)
		case "AWS::Pipes::Pipe":
			p := object(t.resolve(properties))
			name := text(p["Name"])
			if name == "" {
				name = id
			}
			f := pipe("Resources."+id, name, p)
			f.called = id
			all = append(all, f)
		case "AWS::Serverless::Function":
			events := object(properties["Events"])
			for _, name := range slices.Sorted(maps.Keys(events)) {
				where := "Resources." + id + ".Events." + name
				kind := text(at(events[name], "Type"))
				if other, isSource := sourceEvents()[kind]; isSource {
					aside = append(aside, x.Fault(where, "", "is %s; only Kinesis data streams are read, so leave "+
						"this mapping to Lambda", other))
				}
				if kind != "Kinesis" {
					continue
				}
				f := t.mapping(where, id+"-"+name, "Stream", object(at(events[name], "Properties")))
				f.kind, f.function = "SAM event", t.function(map[string]any{"Ref": id})
				all = append(all, f)
			}
		}
	}
	return all, aside
}

// mapping translates the properties of a mapping, or of SAM's event.
func (t template) mapping(where, called, stream string, properties map[string]any) found {
	f := found{where: where, called: called}
	fields := map[string]any{"State": "Enabled"}
	properties = object(t.resolve(properties))
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		value := properties[key]
		switch key {
		case stream:
			fields["EventSourceArn"] = value
		case "KmsKeyArn":
			fields["KMSKeyArn"] = value
		case "FunctionName":
		case "Enabled":
			if value == false || value == "false" {
				fields["State"] = "Disabled"
			}
			f.note(key, value, "See processing.poll_interval.")
		case "Tags":
			f.note(key, value, "They need nothing here.")
		default:
			fields[key] = value
		}
	}
	if failure := object(at(fields["DestinationConfig"], "OnFailure")); failure != nil {
		delete(failure, "Type") // SAM's, and said by the destination
	}
	f.fields = fields
	return f
}

// function is the name of the function that a value means; its name in the template where it has no other.
func (t template) function(v any) string {
	id := text(at(v, "Ref"))
	if attribute := list(at(v, "Fn::GetAtt")); len(attribute) == 2 {
		id = text(attribute[0])
	}
	if name := text(at(t.resources[id], "Properties", "FunctionName")); name != "" {
		return name
	}
	if id == "" {
		id, _, _ = t.text(v)
	}
	if _, name, isARN := strings.Cut(id, ":function:"); isARN {
		id = name
	}
	return id
}

// resolve replaces intrinsic functions by their values, as far as the template has them.
func (t template) resolve(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			if item = t.resolve(item); item != nil {
				out = append(out, item)
			}
		}
		return out
	case map[string]any:
		if len(v) == 1 {
			for name := range v {
				if name != "Ref" && name != "Condition" && !strings.HasPrefix(name, "Fn::") {
					continue
				}
				if v["Ref"] == "AWS::NoValue" {
					return nil
				}
				value, exact, ok := t.text(v)
				if ok && exact {
					return value
				}
				u := unresolved{Text: "!" + strings.TrimPrefix(name, "Fn::") + " " + show(v[name])}
				if attribute := list(v["Fn::GetAtt"]); len(attribute) == 2 {
					u.Text = "!GetAtt " + show(attribute[0]) + "." + show(attribute[1])
				}
				if strings.HasPrefix(value, "arn:") {
					u.ARN = value
				}
				return u
			}
		}
		out := make(map[string]any, len(v))
		for name, value := range v {
			if value = t.resolve(value); value != nil {
				out[name] = value
			}
		}
		return out
	}
	return v
}

// text is what is known of a text. It is exact where nothing in it is the deployment's own, and not ok where a part is
// missing.
func (t template) text(v any) (s string, exact, ok bool) {
	if s, isText := v.(string); isText {
		return s, true, true
	}
	m := object(v)
	if name := text(m["Ref"]); name != "" {
		return t.variable(name)
	}
	if attribute := list(m["Fn::GetAtt"]); len(attribute) == 2 {
		return t.variable(text(attribute[0]) + "." + text(attribute[1]))
	}
	if join := list(m["Fn::Join"]); len(join) == 2 {
		exact, ok = true, list(join[1]) != nil
		var parts []string
		for _, item := range list(join[1]) {
			part, itsExact, itsOK := t.text(item)
			parts, exact, ok = append(parts, part), exact && itsExact, ok && itsOK
		}
		return strings.Join(parts, text(join[0])), exact, ok
	}
	pattern, own := text(m["Fn::Sub"]), map[string]any(nil)
	if sub := list(m["Fn::Sub"]); len(sub) == 2 {
		pattern, own = text(sub[0]), object(sub[1])
	}
	if pattern == "" {
		return "", false, false
	}
	var out strings.Builder
	exact, ok = true, true
	for {
		before, rest, more := strings.Cut(pattern, "${")
		out.WriteString(before)
		name, after, closed := strings.Cut(rest, "}")
		if !more || !closed {
			return out.String(), exact, ok
		}
		pattern = after
		if literal, escaped := strings.CutPrefix(name, "!"); escaped {
			out.WriteString("${" + literal + "}")
			continue
		}
		part, itsExact, itsOK := "", false, false
		if value, isOwn := own[name].(string); isOwn {
			part, itsExact, itsOK = value, true, true
		} else if own[name] == nil {
			part, itsExact, itsOK = t.variable(strings.TrimSpace(name))
		}
		out.WriteString(part)
		exact, ok = exact && itsExact, ok && itsOK
	}
}

// arns are the resources whose ARN says what they are, by type: the service, what stands before the name, and the
// property that is the name.
func arns() map[string][3]string {
	return map[string][3]string{
		"AWS::Kinesis::Stream":                 {"kinesis", "stream/", "Name"},
		"AWS::SQS::Queue":                      {"sqs", "", "QueueName"},
		"AWS::SNS::Topic":                      {"sns", "", "TopicName"},
		"AWS::S3::Bucket":                      {"s3", "", "BucketName"},
		"AWS::DynamoDB::Table":                 {"dynamodb", "table/", "TableName"},
		"AWS::DynamoDB::GlobalTable":           {"dynamodb", "table/", "TableName"},
		"AWS::MSK::Cluster":                    {"kafka", "cluster/", "ClusterName"},
		"AWS::AmazonMQ::Broker":                {"mq", "broker:", "BrokerName"},
		"AWS::DocDB::DBCluster":                {"rds", "cluster:", "DBClusterIdentifier"},
		"AWS::Lambda::Function":                {"lambda", "function:", "FunctionName"},
		"AWS::Serverless::Function":            {"lambda", "function:", "FunctionName"},
		"aws_kinesis_stream":                   {"kinesis", "stream/", "name"},
		"aws_sqs_queue":                        {"sqs", "", "name"},
		"aws_sns_topic":                        {"sns", "", "name"},
		"aws_s3_bucket":                        {"s3", "", "bucket"},
		"aws_dynamodb_table":                   {"dynamodb", "table/", "name"},
		"aws_msk_cluster":                      {"kafka", "cluster/", "cluster_name"},
		"aws_mq_broker":                        {"mq", "broker:", "broker_name"},
		"aws_docdb_cluster":                    {"rds", "cluster:", "cluster_identifier"},
		"aws_kinesis_firehose_delivery_stream": {"firehose", "deliverystream/", "name"},
	}
}

// arn is the ARN of a resource, as far as it is known.
func arn(kind [3]string, properties map[string]any) (s string, named bool) {
	where := ownRegion + ":" + ownAccount
	if kind[0] == "s3" {
		where = ":"
	}
	name := text(properties[kind[2]])
	return "arn:" + ownPartition + ":" + kind[0] + ":" + where + ":" + kind[1] + name, name != ""
}

// variable is what a name in a template means: a pseudo parameter, a resource, or an attribute of one.
func (t template) variable(name string) (s string, exact, ok bool) {
	switch name {
	case "AWS::Partition":
		return ownPartition, false, true
	case "AWS::Region":
		return ownRegion, false, true
	case "AWS::AccountId":
		return ownAccount, false, true
	}
	id, attribute, _ := strings.Cut(name, ".")
	kind, known := arns()[text(at(t.resources[id], "Type"))]
	if !known {
		return "", false, false
	}
	properties := object(at(t.resources[id], "Properties"))
	refIsARN := kind[0] == "sns" || kind[0] == "kafka"
	if strings.HasSuffix(strings.ToLower(attribute), "arn") || attribute == "" && refIsARN {
		s, ok = arn(kind, properties)
		return s, false, ok
	}
	s = text(properties[kind[2]])
	ok = s != "" && attribute == "" && kind[0] != "sqs"
	return s, ok, ok
}

// terraform finds mappings in what terraform show -json prints, of a plan or of a state.
type terraform struct{ x *LambdaExplainer }

func (t terraform) find(module, written any, path string) (all []found, aside config.FieldErrors) {
	for _, r := range list(at(module, "resources")) {
		m := object(r)
		address := text(m["address"])
		switch kind := text(m["type"]); {
		case m["mode"] == "data":
		case kind == "aws_pipes_pipe":
			aside = append(aside, t.x.Fault(address, "", "pipes are not read from Terraform; want what `aws pipes "+
				"describe-pipe --name NAME` prints"))
		case kind == "aws_lambda_event_source_mapping":
			var expressions any
			for _, w := range list(at(written, "resources")) {
				if at(w, "type") == m["type"] && at(w, "name") == m["name"] {
					expressions = at(w, "expressions")
				}
			}
			values := object(t.fill(m["values"], expressions, module))
			all = append(all, terraformMapping(address, values))
		}
	}
	for _, child := range list(at(module, "child_modules")) {
		address := text(at(child, "address"))
		name := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(address, path), "."), "module.")
		name, _, _ = strings.Cut(name, "[")
		more, others := t.find(child, at(written, "module_calls", name, "module"), address)
		all, aside = append(all, more...), append(aside, others...)
	}
	return all, aside
}

// fill puts what is known only after the apply into the values, by what is written.
func (t terraform) fill(values, expressions, module any) any {
	if values == nil {
		if references := list(at(expressions, "references")); len(references) > 0 {
			return reference(references, module)
		}
		return nil
	}
	switch v := values.(type) {
	case map[string]any:
		out := maps.Clone(v)
		for name, expression := range object(expressions) {
			if filled := t.fill(v[name], expression, module); filled != nil {
				out[name] = filled
			}
		}
		return out
	case []any:
		written := list(expressions)
		if len(written) != len(v) {
			return v
		}
		out := make([]any, len(v))
		for i := range v {
			out[i] = t.fill(v[i], written[i], module)
		}
		return out
	}
	return values
}

// reference is a value that is made of others, the longest of which comes first.
func reference(references []any, module any) unresolved {
	u := unresolved{Text: show(references[0])}
	parts := strings.Split(u.Text, ".")
	kind, known := arns()[parts[0]]
	if !known || len(parts) < 2 {
		return u
	}
	name, _, _ := strings.Cut(parts[1], "[")
	var same []map[string]any
	for _, r := range list(at(module, "resources")) {
		if text(at(r, "type")) == parts[0] && text(at(r, "name")) == name {
			same = append(same, object(at(r, "values")))
		}
	}
	if len(same) != 1 {
		same = []map[string]any{nil}
	}
	u.ARN, _ = arn(kind, same[0])
	return u
}

// terraformNames are the attributes whose names are not those of Lambda's API with underscores.
func terraformNames() map[string]string {
	return map[string]string{
		"arn": "EventSourceMappingArn", "uuid": "UUID", "kms_key_arn": "KMSKeyArn",
		"document_db_event_source_config": "DocumentDBEventSourceConfig",
		"source_access_configuration":     "SourceAccessConfigurations",
	}
}

func terraformMapping(address string, values map[string]any) found {
	f := found{where: address, called: address, kind: "resource"}
	fields := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		if blocks, isList := value.([]any); value == nil || isList && len(blocks) == 0 {
			continue
		}
		switch name {
		case "function_arn", "function_name":
			if s := text(value); strings.Count(s, ":") > 5 {
				fields["FunctionArn"] = s
			} else if f.function = show(value); s == "" {
				f.function = functionOf(f.function)
			}
		case "enabled":
			f.note(name, value, "See processing.poll_interval.")
		case "id", "tags", "tags_all", "timeouts", "region":
			f.note(name, value, "It needs nothing here.")
		case "destination_config":
			destinations := map[string]any{}
			for _, block := range list(value) {
				for _, on := range []struct{ theirs, ours string }{
					{"on_failure", "OnFailure"}, {"on_success", "OnSuccess"},
				} {
					if one := list(at(block, on.theirs)); len(one) > 0 {
						destinations[on.ours] = map[string]any{"Destination": at(one[0], "destination_arn")}
					}
				}
			}
			fields["DestinationConfig"] = destinations
		case "filter_criteria":
			filters := []any{}
			for _, block := range list(value) {
				for _, filter := range list(at(block, "filter")) {
					filters = append(filters, map[string]any{"Pattern": at(filter, "pattern")})
				}
			}
			fields["FilterCriteria"] = map[string]any{"Filters": filters}
		case "metrics_config":
			if one := list(value); len(one) > 0 {
				fields["MetricsConfig"] = map[string]any{"Metrics": at(one[0], "metrics")}
			}
		default:
			ours := terraformNames()[name]
			if ours == "" {
				for word := range strings.SplitSeq(name, "_") {
					ours += strings.ToUpper(word[:min(1, len(word))]) + word[min(1, len(word)):]
				}
			}
			fields[ours] = value
		}
	}
	if values["enabled"] == false {
		fields["State"] = "Disabled"
	} else if fields["State"] == nil {
		fields["State"] = "Enabled"
	}
	f.fields = fields
	return f
}

// functionOf is the name in the address of a function.
func functionOf(reference string) string {
	if parts := strings.Split(reference, "."); len(parts) > 1 {
		return parts[1]
	}
	return ""
}
