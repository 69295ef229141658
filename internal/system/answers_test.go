package system

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// badAnswer is a way in which the answers of an operation cannot be used.
type badAnswer struct {
	name, service, operation string
	rewrite                  func(*fakeaws.Answer)
	kind                     fakeaws.Kind // Changed unless the operation has no effect
	start                    bool         // from the start on, or once all is well
	lasts                    time.Duration
	times                    int
	lie                      bool // a legal one: the page need not name it
	silent                   bool // harmless: the page must not name anything
}

func body(text string) func(*fakeaws.Answer) {
	return func(a *fakeaws.Answer) { a.Status, a.Body = 200, []byte(text) }
}

// member makes a change of one member of an answer that is a success; gone takes it out.
func member(path string, value any) func(*fakeaws.Answer) {
	names := strings.Split(path, ".")
	return func(a *fakeaws.Answer) {
		if a.Status == 200 {
			a.JSON(func(doc map[string]any) { setMember(doc, names, value) })
		}
	}
}

// gone is the value of a member that is not there.
type gone struct{}

// setMember sets a member; * is every element of a list, and + one more.
func setMember(at any, path []string, value any) any {
	switch x := at.(type) {
	case map[string]any:
		switch _, remove := value.(gone); {
		case len(path) > 1:
			if below, there := x[path[0]]; there {
				x[path[0]] = setMember(below, path[1:], value)
			}
		case remove:
			delete(x, path[0])
		default:
			x[path[0]] = value
		}
	case []any:
		if path[0] == "+" {
			return append(x, value)
		}
		for i := range x {
			if len(path) > 1 {
				x[i] = setMember(x[i], path[1:], value)
			} else {
				x[i] = value
			}
		}
	}
	return at
}

func half(a *fakeaws.Answer) {
	a.Length, a.Body, a.Rest = int64(len(a.Body)), a.Body[:len(a.Body)/2],
		iotest.ErrReader(errors.New("connection reset"))
}

func endlessBody(a *fakeaws.Answer) { a.Rest = io.LimitReader(spaces{}, 300<<20) }

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func html(a *fakeaws.Answer) {
	a.Body = []byte("<html><body>Gateway</body></html>")
	a.Header.Set("Content-Type", "text/html")
}

func badAnswerRows() []badAnswer {
	kinesis, dynamodb, sns := fakeaws.ServiceKinesis, fakeaws.ServiceDynamoDB, fakeaws.ServiceSNS
	return []badAnswer{
		{name: "half a body", service: kinesis, operation: "GetRecords", rewrite: half},
		{
			name: "html 503", service: kinesis, operation: "GetRecords", rewrite: func(a *fakeaws.Answer) {
				html(a)
				a.Status = 503
			},
		},
		{name: "an object", service: kinesis, operation: "GetRecords", rewrite: body("{}")},
		{name: "one empty body", service: kinesis, operation: "GetRecords", rewrite: body(""), times: 1, silent: true},
		{name: "no list", service: kinesis, operation: "GetRecords", rewrite: member("Records", gone{})},
		{name: "a null", service: kinesis, operation: "GetRecords", rewrite: member("Records.+", nil)},
		{name: "no data", service: kinesis, operation: "GetRecords", rewrite: member("Records.*.Data", gone{})},
		{
			name: "no keys", service: kinesis, operation: "GetRecords",
			rewrite: member("Records.*.PartitionKey", gone{}), silent: true,
		},
		{
			name: "no arrival times", service: kinesis, operation: "GetRecords", silent: true,
			rewrite: member("Records.*.ApproximateArrivalTimestamp", gone{}),
		},
		{name: "endless", service: kinesis, operation: "GetRecords", rewrite: endlessBody, times: 6, lie: true},
		{name: "a list of shards", service: kinesis, operation: "GetRecords", rewrite: body(`{"Shards": []}`)},
		{name: "redirect", service: kinesis, operation: "GetRecords", rewrite: func(a *fakeaws.Answer) {
			a.Status = 307
			a.Header.Set("Location", "http://elsewhere.test/")
		}},
		{name: "no iterator", service: kinesis, operation: "GetShardIterator", rewrite: body("{}"), start: true},
		{
			name: "empty list", service: kinesis, operation: "ListShards", rewrite: member("Shards", []any{}),
			start: true, lie: true,
		},
		{name: "empty body", service: kinesis, operation: "ListShards", rewrite: body(""), start: true},
		{
			name: "a null", service: kinesis, operation: "ListShards", rewrite: member("Shards.+", nil),
			lasts: 85 * time.Second,
		},
		{
			name: "the same token", service: kinesis, operation: "ListShards", rewrite: member("NextToken", "again"),
			start: true,
		},
		{name: "empty body", service: kinesis, operation: "DescribeStreamSummary", rewrite: body(""), start: true},
		{
			name: "no creation time", service: kinesis, operation: "DescribeStreamSummary", start: true,
			rewrite: member("StreamDescriptionSummary.StreamCreationTimestamp", gone{}),
		},
		{
			name: "no ARN", service: kinesis, operation: "DescribeStreamSummary", lasts: 85 * time.Second,
			rewrite: member("StreamDescriptionSummary.StreamARN", gone{}),
		},
		{name: "empty body", service: dynamodb, operation: "DescribeTable", rewrite: body(""), start: true},
		{name: "html", service: dynamodb, operation: "PutItem", rewrite: html, start: true},
		{name: "empty body", service: dynamodb, operation: "UpdateItem", rewrite: body("")},
		{name: "empty body", service: dynamodb, operation: "Scan", rewrite: body(""), lasts: 20 * time.Second},
		{
			name: "values without type", service: dynamodb, operation: "Scan",
			rewrite: member("Items.*.leaseEpoch", map[string]any{}), lasts: 20 * time.Second,
		},
		{
			name: "the same key", service: dynamodb, operation: "Scan", lasts: 20 * time.Second,
			rewrite: member("LastEvaluatedKey", map[string]any{"leaseKey": map[string]any{"S": "a"}}),
		},
		{name: "endless", service: dynamodb, rewrite: endlessBody, times: 6, lie: true},
		{name: "empty body", service: sns, operation: "PublishBatch", rewrite: body("")},
		{
			name: "empty body, not accepted", service: sns, operation: "PublishBatch", kind: fakeaws.Before,
			rewrite: body(""),
		},
		{
			name: "no message ids, not accepted", service: sns, operation: "PublishBatch", kind: fakeaws.Before,
			rewrite: body("<PublishBatchResponse><PublishBatchResult><Successful><member><Id>0</Id></member></Successful></PublishBatchResult></PublishBatchResponse>"),
		},
	}
}

// answersWorld is a daemon whose AWS answers badly for a while.
type answersWorld struct {
	t    *testing.T
	fake *fakeaws.AWS
	page *testdaemon.Page
	put  int
}

func (w *answersWorld) puts(n int) {
	for range n {
		w.fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("patient-", w.put%7),
			fmt.Appendf(nil, `{"heartRate":%d}`, 1000+w.put))
		w.put++
	}
}

// missing are the records without an alert.
func (w *answersWorld) missing() []int {
	seen := map[string]bool{}
	for _, m := range testkit.Messages(w.fake) {
		seen[m] = true
	}
	var out []int
	for i := range w.put {
		if !seen[fmt.Sprintf(`Anomaly detected ...  {"heartRate":%d}`, 1000+i)] {
			out = append(out, i)
		}
	}
	return out
}

// noOther fails the test where another host is asked.
type noOther struct {
	t    *testing.T
	next http.RoundTripper
}

func (n noOther) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "elsewhere.test" {
		n.t.Error("a redirect was followed")
	}
	return n.next.RoundTrip(r)
}

// Whatever cannot be used of an answer costs no record and no process, is on the page within ten seconds while it
// lasts, and is over within ten seconds of its end.
func TestBadAnswersCostTime(t *testing.T) {
	t.Parallel()
	for row := range testkit.Cases(badAnswerRows(), 6) {
		t.Run(row.operation+", "+row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := &answersWorld{t: t, fake: fakeaws.New(fakeaws.Options{}), page: testdaemon.NewPage()}
				w.fake.Kinesis.Create(testkit.TestStream, 2)
				testkit.CreateTopic(t, w.fake)
				kind := fakeaws.Changed
				if row.kind != 0 || strings.Contains(row.name, "not accepted") {
					kind = fakeaws.Before
				}
				fault := fakeaws.Fault{
					Service: row.service, Operation: row.operation, Kind: kind, Rewrite: row.rewrite, Times: row.times,
					Client: "worker",
				}
				end := func() {}
				w.puts(6)
				began := time.Now()
				if row.start {
					end = w.fake.Faults.Add(fault)
				}
				d := testdaemon.StartDaemon(t, w.fake, func(_ *config.Config, o *daemon.Options) {
					o.Listener = w.page
					o.AWS.HTTPClient = &http.Client{Transport: noOther{t, w.fake}}
				})
				if !row.start {
					time.Sleep(5 * time.Second)
					require.Empty(t, w.missing())
					began = time.Now()
					end = w.fake.Faults.Add(fault)
				}
				lasts := max(row.lasts, 12*time.Second)
				named, text := time.Duration(-1), ""
				for time.Since(began) < lasts {
					if time.Since(began) < 6*time.Second {
						w.puts(1)
					}
					time.Sleep(time.Second)
					s := w.page.Status(t)
					for _, p := range s.Problems {
						if p.Code == "bad_answers" && strings.Contains(p.Text, row.operation) && named < 0 {
							named, text = time.Since(began), p.Text
						}
						require.NotContains(t, p.Text, "unreachable")
						require.NotContains(t, p.Text, "106,751")
						require.NotEqual(t, "panics", p.Code)
					}
				}
				end()
				switch {
				case row.silent:
					require.Negative(t, named, text)
				case !row.lie && row.lasts < time.Minute:
					require.Positive(t, named, "the page names it")
					require.LessOrEqual(t, named, 10*time.Second, "the page names it: %s", text)
				case !row.lie:
					require.Positive(t, named, "the page names it")
				}
				w.puts(6)
				for over := time.Now(); time.Since(over) < 10*time.Second && len(w.missing()) > 0; {
					time.Sleep(250 * time.Millisecond)
				}
				require.Empty(t, w.missing(), "within ten seconds of the fault's end")
				select {
				case err := <-d.Done:
					t.Fatalf("the daemon ended: %v", err)
				default:
				}
				time.Sleep(70 * time.Second) // what was written down must not end it later
				require.Equal(t, status.LevelOK, w.page.Status(t).Level, "%v", w.page.Status(t).Problems)
				w.puts(2)
				time.Sleep(5 * time.Second)
				require.Empty(t, w.missing())
				require.NoError(t, d.End())
			})
		})
	}
}
