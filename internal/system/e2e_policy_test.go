//go:build e2e

package system_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// policyDir has the IAM policies that are shipped.
const policyDir = "../../deploy/iam"

// policyCaller is the access key of the daemons here, so that their calls are distinguished from those of the test.
const policyCaller = "DAEMON"

// authorisedBy are the operations that an action of another name allows.
var authorisedBy = map[string]string{"sns:PublishBatch": "sns:Publish"}

// notCalled are the actions that are allowed although no daemon calls them, with the reason.
var notCalled = map[string]string{
	"s3:ListBucket": "without it S3 answers a PutObject into a bucket that does not exist with AccessDenied, " +
		"and the log would blame a permission",
	"dynamodb:TagResource": "CreateTable with tags needs it",
	"kms:Decrypt":          "Kinesis, SNS, SQS and DynamoDB call KMS in the role's name",
	"kms:GenerateDataKey":  "Kinesis, SNS, SQS and DynamoDB call KMS in the role's name",
	"kms:DescribeKey":      "DynamoDB calls KMS in the role's name",
	"kms:Encrypt":          "DynamoDB calls KMS in the role's name",
	"kms:ReEncryptFrom":    "DynamoDB calls KMS in the role's name",
	"kms:ReEncryptTo":      "DynamoDB calls KMS in the role's name",
}

// grant is one action that one statement allows.
type grant struct {
	policy, sid, action string
	resources           []string
}

func (g grant) String() string { return g.policy + ", " + g.sid + ": " + g.action }

// allows reports whether the call may be made. A call that does not name its resource is held against the action alone.
func (g grant) allows(c call) bool {
	return g.action == c.action && (c.resource == "" || slices.ContainsFunc(g.resources, func(r string) bool {
		prefix, open := strings.CutSuffix(r, "*")
		return r == c.resource || open && strings.HasPrefix(c.resource, prefix)
	}))
}

// oneOrMany is what can be written as one text or as a list.
type oneOrMany []string

func (o *oneOrMany) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(o))
}

// grants are what the named policies allow in the account of the test.
func grants(t *testing.T, names ...string) []grant {
	t.Helper()
	values := map[string]string{
		"PARTITION": "aws", "REGION": "us-east-1", "ACCOUNT": "000000000000", "STREAM": "policy",
		"APPLICATION": "policy-leases", "TOPIC": "alerts",
		"DEAD_LETTERS": "letters", "PREFIX": "", "STREAM_KEY": "key", "TOPIC_KEY": "key", "DEAD_LETTERS_KEY": "key",
		"TABLE_KEY": "key", "OUTPUT": "scored", "OUTPUT_KEY": "key",
		"OTHER_ACCOUNT": motoTopics, "OTHER_ROLE": "alerter",
	}
	var all []grant
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(policyDir, name))
		require.NoError(t, err)
		text := os.Expand(string(data), func(variable string) string {
			require.Contains(t, values, variable, name)
			return values[variable]
		})
		var policy struct {
			Version   string
			Statement []struct {
				Sid, Effect      string
				Action, Resource oneOrMany
				Condition        map[string]any
			}
		}
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&policy), name)
		require.Equal(t, "2012-10-17", policy.Version)
		for _, s := range policy.Statement {
			require.Equal(t, "Allow", s.Effect)
			require.NotContains(t, s.Resource, "*", "%s of %s", s.Sid, name)
			for _, action := range s.Action {
				require.NotContains(t, action, "*", "%s of %s", s.Sid, name)
				all = append(all, grant{name, s.Sid, action, s.Resource})
			}
		}
	}
	return all
}

// call is one request of a daemon, by the action that it needs and the ARN of what it is about, where it says so.
type call struct{ action, resource string }

// policyWorld is an emulated account, and what the daemons ask of it.
type policyWorld struct {
	t       *testing.T
	binary  string
	url     string
	streams *kinesis.Client
	topic   string

	mu    sync.Mutex
	calls map[call]bool
}

// record keeps what a request of a daemon asks for, and lets it continue to next.
func (w *policyWorld) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		if strings.Contains(r.Header.Get("Authorization"), "Credential="+policyCaller+"/") {
			c := callOf(r, body)
			if by := authorisedBy[c.action]; by != "" {
				c.action = by
			}
			w.mu.Lock()
			w.calls[c] = true
			w.mu.Unlock()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(rw, r)
	})
}

// callOf reads the three protocols that the daemon's services speak.
func callOf(r *http.Request, body []byte) call {
	const kinesisARN, dynamoARN, sqsARN = "arn:aws:kinesis:us-east-1:000000000000:stream/",
		"arn:aws:dynamodb:us-east-1:000000000000:table/", "arn:aws:sqs:us-east-1:000000000000:"
	target, operation, isJSON := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if isJSON {
		var about struct{ StreamName, StreamARN, TableName, QueueUrl string }
		_ = json.Unmarshal(body, &about)
		switch {
		case strings.HasPrefix(target, "Kinesis") && about.StreamName != "":
			return call{"kinesis:" + operation, kinesisARN + about.StreamName}
		case strings.HasPrefix(target, "Kinesis"):
			return call{"kinesis:" + operation, about.StreamARN}
		case strings.HasPrefix(target, "DynamoDB"):
			return call{"dynamodb:" + operation, dynamoARN + about.TableName}
		default:
			return call{"sqs:" + operation, sqsARN + path.Base(about.QueueUrl)}
		}
	}
	form, err := url.ParseQuery(string(body))
	if err == nil && form.Get("Action") == "AssumeRole" {
		return call{"sts:AssumeRole", form.Get("RoleArn")}
	}
	if err == nil && form.Get("Action") != "" {
		return call{"sns:" + form.Get("Action"), form.Get("TopicArn")}
	}
	if r.Method == http.MethodPut {
		return call{"s3:PutObject", "arn:aws:s3:::" + strings.TrimPrefix(r.URL.Path, "/")}
	}
	return call{"s3:" + r.Method, "arn:aws:s3:::" + strings.TrimPrefix(r.URL.Path, "/")}
}

// newPolicyWorld makes what an operator makes before the daemon starts, the tables included if asked for.
func newPolicyWorld(t *testing.T, binary string, tables bool) *policyWorld {
	t.Helper()
	w := &policyWorld{t: t, binary: binary, calls: map[call]bool{}}
	server := httptest.NewServer(w.record(fakeaws.New(fakeaws.Options{})))
	t.Cleanup(server.Close)
	cfg := aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("TEST", "test", ""),
		BaseEndpoint: &server.URL, HTTPClient: fakeaws.LoopbackClient(),
	}
	w.url, w.streams = server.URL, kinesis.NewFromConfig(cfg)
	ctx := t.Context()
	for _, name := range []string{"policy", "scored"} {
		_, err := w.streams.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(2)})
		require.NoError(t, err)
	}
	topics := sns.NewFromConfig(cfg)
	for _, name := range []string{"alerts", "letters"} {
		made, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name})
		require.NoError(t, err)
		w.topic = strings.Replace(*made.TopicArn, ":letters", ":alerts", 1)
	}
	_, err := sqs.NewFromConfig(cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("letters")})
	require.NoError(t, err)
	_, err = s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = true
	}).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("letters")})
	require.NoError(t, err)
	if tables {
		db := dynamodb.NewFromConfig(cfg)
		for _, name := range []string{"policy-leases", "policy-leases-state"} {
			_, err := db.CreateTable(ctx, &dynamodb.CreateTableInput{
				TableName: &name, BillingMode: dynamotypes.BillingModePayPerRequest,
				KeySchema: []dynamotypes.KeySchemaElement{
					{AttributeName: aws.String("leaseKey"), KeyType: dynamotypes.KeyTypeHash},
				},
				AttributeDefinitions: []dynamotypes.AttributeDefinition{
					{AttributeName: aws.String("leaseKey"), AttributeType: dynamotypes.ScalarAttributeTypeS},
				},
			})
			require.NoError(t, err)
		}
	}
	return w
}

// start runs a daemon whose rule remembers and whose dead letters go to the destination, with an output if it is asked
// for. role is that of the topic.
func (w *policyWorld) start(name, destination, role string, output bool) *daemon {
	w.t.Helper()
	more := ""
	if output {
		more = "outputs: {scored: {stream: scored}}\n"
	}
	config := fmt.Sprintf(`stream: {name: policy, application: policy-leases, start: trim_horizon}
leases: {duration: 3s, table: {tags: {team: oncall}, deletion_protection: true, point_in_time_recovery: true}}
rules:
  - {name: every, when: v >= 0, key: string(v), dedup: 1h, topics: [all]}
topics:
  all: {arn: "%s", role_arn: "%s", rate: unlimited, email: false}
dead_letter: {%s, invalid: true}
server: {listen: "127.0.0.1:0"}
%s`, w.topic, role, destination, more)
	d := startDaemonWith(w.t, w.binary, name, config, []string{"--fail-fast"}, []string{
		"AWS_ENDPOINT_URL=" + w.url, "AWS_ACCESS_KEY_ID=" + policyCaller,
	})
	d.ready()
	return d
}

// put puts a record that alerts and an unreadable one on every shard, and waits until both have their outcome.
func (w *policyWorld) put(d *daemon, n int) {
	w.t.Helper()
	var entries []types.PutRecordsRequestEntry
	for k := range 40 {
		key := fmt.Sprint("key-", k)
		entries = append(entries,
			types.PutRecordsRequestEntry{PartitionKey: &key, Data: fmt.Appendf(nil, `{"v":%d}`, n*100+k)},
			types.PutRecordsRequestEntry{PartitionKey: &key, Data: []byte(`{"v":`)})
	}
	_, err := w.streams.PutRecords(w.t.Context(), &kinesis.PutRecordsInput{
		StreamName: aws.String("policy"), Records: entries,
	})
	require.NoError(w.t, err)
	eventually(w.t, 30*time.Second, "every record has its outcome", func() bool {
		return d.metric("kinesis_alerter_records_total", `outcome="alerted"`) >= 40 &&
			d.metric("kinesis_alerter_records_total", `outcome="dead_lettered"`) >= 40
	})
}

// TestE2EPolicyIsWhatIsCalled runs the built daemon against an account that keeps a record of its calls, and holds them
// against the policies in deploy/iam: what is called is allowed, and what is allowed is called, or has its reason.
func TestE2EPolicyIsWhatIsCalled(t *testing.T) {
	const queue = "sqs: https://sqs.us-east-1.amazonaws.com/000000000000/letters"
	binary := buildDaemon(t)
	allowed, used := map[string]string{}, map[string]bool{}
	for _, test := range []struct {
		name, destination, role string
		policies                []string
	}{
		{name: "sqs", destination: queue, policies: []string{"policy.json"}},
		{name: "outputs", destination: queue, policies: []string{"policy.json", "outputs.json"}},
		{
			name: "sns", destination: "sns: arn:aws:sns:us-east-1:000000000000:letters",
			policies: []string{"policy.json", "dead-letters-sns.json"},
		},
		{name: "s3", destination: "s3: letters", policies: []string{"policy.json", "dead-letters-s3.json"}},
		{
			name: "new tables", destination: queue,
			policies: []string{"policy.json", "create-tables.json", "table-settings.json"},
		},
		{
			name: "role", destination: queue, role: roleIn(motoTopics),
			policies: []string{"policy.json", "assume-roles.json"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newPolicyWorld(t, binary, test.name != "new tables")
			output := slices.Contains(test.policies, "outputs.json")
			first := w.start("first", test.destination, test.role, output)
			w.put(first, 1)
			first.kill()
			// The second one takes over what the first has left, and clears its row away.
			second := w.start("second", test.destination, test.role, output)
			w.put(second, 2)
			code, _ := second.terminate()
			require.Zero(t, code)

			may := grants(t, test.policies...)
			for c := range w.calls { // the daemons are gone
				i := slices.IndexFunc(may, func(g grant) bool { return g.allows(c) })
				require.NotEqual(t, -1, i, "the daemon calls %s on %s, which %v do not allow", c.action, c.resource,
					test.policies)
				for _, g := range may {
					used[g.String()] = used[g.String()] || g.allows(c)
				}
			}
		})
	}
	for _, g := range grants(t, "policy.json", "create-tables.json", "table-settings.json", "dead-letters-sns.json",
		"dead-letters-s3.json", "outputs.json", "kms.json", "assume-roles.json") {
		allowed[g.String()] = g.action
	}
	for _, name := range slices.Sorted(maps.Keys(allowed)) {
		why := notCalled[allowed[name]]
		if used[name] {
			require.Empty(t, why, "%s is called, so it needs no reason", name)
			t.Logf("called: %s", name)
		} else {
			require.NotEmpty(t, why, "%s is allowed, no daemon calls it, and no reason is given", name)
			t.Logf("not called: %s: %s", name, why)
		}
	}
}
