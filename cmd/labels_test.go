package cmd

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/credentials"
)

// labelSources are the expressions that label values come from, each with what closes the set. A text from outside would make
// series without end, and one that is not UTF-8 a panic.
func labelSources() map[string]string {
	const (
		ours    = "a constant of the package"
		names   = "a name of the configuration, by a pattern, and bounded by the file"
		shards  = "a shard that this process holds, by the pattern of Kinesis' ids: see isShardID"
		service = "a service and an operation of the SDK"
	)
	return map[string]string{
		"alert/message.go: part": ours, "alert/message.go: rule": names,
		"alert/metrics.go: name": "a built-in name", "alert/metrics.go: o.String()": ours, "alert/metrics.go: r.name": names,
		"alert/metrics.go: rule": names, "alert/metrics.go: string(l)": ours, "alert/metrics.go: string(r)": ours,
		"alert/metrics.go: string(reason)": ours, "alert/metrics.go: v.cause()": ours, "alert/metrics.go: x.config.As": names, "alert/metrics.go: x.name": names,
		"alert/deadletter/metrics.go: string(r)": ours,
		"alert/dispatch/metrics.go: condition":   ours, "alert/dispatch/metrics.go: name": names,
		"alert/dispatch/metrics.go: rule": names, "alert/dispatch/metrics.go: string(r)": ours,
		"alert/dispatch/metrics.go: t.name": names, "alert/dispatch/metrics.go: topic": names,
		"alert/sns/metrics.go: state": ours, "alert/sns/metrics.go: topic": names,
		"checkpoint/incident.go: string(kind)": ours, "checkpoint/metrics.go: shard": shards, "checkpoint/metrics.go: string(e)": ours,
		"checkpoint/metrics.go: string(k)": ours, "checkpoint/metrics.go: string(r)": ours,
		"checkpoint/metrics.go: string(resultIgnored)": ours, "checkpoint/metrics.go: string(resultUnstorable)": ours,
		"checkpoint/metrics.go: string(state)":            ours,
		"cmd/aws.go: awsmiddleware.GetOperationName(ctx)": service, "cmd/aws.go: awsmiddleware.GetServiceID(ctx)": service,
		"cmd/aws.go: call[0]": ours, "cmd/aws.go: call[1]": ours, "cmd/aws.go: closedCode(resultCode(err))": "closedCode",
		"cmd/status_problem_watch.go: code": "problemSubjects", "cmd/status_problem_watch.go: string(level)": ours,
		"cmd/version.go: b.Go": "the build", "cmd/version.go: b.Revision": "the build", "cmd/version.go: b.Version": "the build",
		"consumer/metrics.go: labels": "the calls of gauge: see shardCollector, " + shards, "consumer/metrics.go: r": ours,
		"consumer/metrics.go: string(r)": ours, "consumer/state.go: gapFuture": ours, "consumer/state.go: reason": ours,
		"internal/answer/watch.go: operation": service, "internal/answer/watch.go: service": service,
	}
}

// TestLabelsComeFromClosedSets walks every place that gives a metric its labels.
func TestLabelsComeFromClosedSets(t *testing.T) {
	t.Parallel()
	behind := map[string]int{ // the call, and how many arguments stand before the labels
		"WithLabelValues": 0, "With": 0, "MustCurryWith": 0, "CurryWith": 0, "GetMetricWithLabelValues": 0, "GetMetricWith": 0,
		"MustNewConstMetric": 3, "NewConstMetric": 3, "MustNewConstHistogram": 4, "MustNewConstSummary": 4,
	}
	known, found := labelSources(), map[string]bool{}
	files := token.NewFileSet()
	for _, folder := range []string{"alert", "checkpoint", "cmd", "consumer", "internal/answer", "internal/counts", "internal/credentials", "internal/guard"} {
		require.NoError(t, filepath.WalkDir(filepath.Join("..", folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(files, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				method, ok := call.Fun.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				skip, labels := behind[method.Sel.Name]
				if pkg, isName := method.X.(*ast.Ident); !labels || isName && (pkg.Name == "promauto" || pkg.Name == "answer") || isLogger(method.X) {
					return true
				}
				for _, arg := range call.Args[min(skip, len(call.Args)):] {
					if _, literal := arg.(*ast.BasicLit); literal {
						continue
					}
					var text bytes.Buffer
					require.NoError(t, printer.Fprint(&text, files, arg))
					found[strings.TrimPrefix(filepath.ToSlash(path), "../")+": "+text.String()] = true
				}
				return true
			})
			return nil
		}))
	}
	require.Equal(t, slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(found)), "say in labelSources what closes the set of a new label")
}

// isLogger says that the receiver of a With is one of zap's.
func isLogger(x ast.Expr) bool {
	var name string
	switch x := x.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		name = x.Sel.Name
	}
	return strings.Contains(strings.ToLower(name), "log")
}

// TestCodesOfAWSAreAClosedSet: an endpoint cannot make series, or end the process, by what it calls its errors.
func TestCodesOfAWSAreAClosedSet(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"ProvisionedThroughputExceededException": "ProvisionedThroughputExceededException", "Throttling": "Throttling",
		"ThrottlingException": "ThrottlingException", "ConditionalCheckFailedException": "ConditionalCheckFailedException",
		"KMS.Throttling": "KMS.Throttling", credentials.CodeUnavailable: credentials.CodeUnavailable,
		"Bad\xff\xfe": "other", "E\x1b[2J": "other", "": "other", "Invented": "other", "OKException": "other",
	} {
		require.Equal(t, want, closedCode(code), code)
	}
	reg := prometheus.NewRegistry()
	clients := newClients(emulated(nil), reg, nil)
	for i := range 50 {
		code := fmt.Sprintf("Code%d", i)
		options := clients.kinesis.Options()
		options.HTTPClient = clientFunc(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusBadRequest, Header: http.Header{"X-Amzn-Errortype": {code}, "Content-Type": {"application/x-amz-json-1.1"}},
				Body: http.NoBody,
			}, nil
		})
		_, err := kinesis.New(options).ListShards(context.WithoutCancel(t.Context()), &kinesis.ListShardsInput{})
		var api smithy.APIError
		require.ErrorAs(t, err, &api)
		require.Equal(t, code, api.ErrorCode(), "the page and the log have it as it is")
	}
	n, err := testutil.GatherAndCount(reg, "kinesis_alerter_aws_requests_total")
	require.NoError(t, err)
	require.LessOrEqual(t, n, 10)
}

type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }
