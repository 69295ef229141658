package system

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// labelSources are the expressions that label values come from, each with what closes the set. A text from outside
// would make series without end, and one that is not UTF-8 a panic.
func labelSources() map[string]string {
	const (
		ours    = "a constant of the package"
		names   = "a name of the configuration, by a pattern, and bounded by the file"
		shards  = "a shard that this process holds, by the pattern of Kinesis' ids: see isShardID"
		service = "a service and an operation of the SDK"
	)
	return map[string]string{
		"alert/message.go: part": ours, "alert/message.go: rule": names,
		"alert/metrics.go: name": "a built-in name", "alert/metrics.go: o.String()": ours,
		"alert/metrics.go: r.name": names,
		"alert/metrics.go: rule":   names, "alert/metrics.go: string(l)": ours, "alert/metrics.go: string(r)": ours,
		"alert/metrics.go: string(reason)": ours, "alert/metrics.go: v.Cause()": ours,
		"alert/metrics.go: x.config.As": names, "alert/metrics.go: x.name": names,
		"alert/deadletter/metrics.go: string(r)": ours,
		"alert/dispatch/metrics.go: condition":   ours, "alert/dispatch/metrics.go: name": names,
		"alert/dispatch/metrics.go: rule": names, "alert/dispatch/metrics.go: string(r)": ours,
		"alert/dispatch/metrics.go: t.name": names, "alert/dispatch/metrics.go: topic": names,
		"alert/output/metrics.go: name": names, "alert/output/metrics.go: output": names,
		"alert/output/metrics.go: r.String()": ours, "alert/output/metrics.go: string(r)": ours,
		"alert/sns/metrics.go: state": ours, "alert/sns/metrics.go: topic": names,
		"checkpoint/incident.go: string(kind)": ours, "checkpoint/metrics.go: shard": shards,
		"checkpoint/metrics.go: string(e)": ours,
		"checkpoint/metrics.go: string(k)": ours, "checkpoint/metrics.go: string(r)": ours,
		"checkpoint/metrics.go: string(resultIgnored)": ours, "checkpoint/metrics.go: string(resultUnstorable)": ours,
		"checkpoint/metrics.go: string(state)":                            ours,
		"internal/daemon/clients.go: awsmiddleware.GetOperationName(ctx)": service,
		"internal/daemon/clients.go: awsmiddleware.GetServiceID(ctx)":     service,
		"internal/daemon/clients.go: call[0]":                             ours,
		"internal/daemon/clients.go: call[1]":                             ours,
		"internal/daemon/clients.go: closedCode(resultCode(err))":         "closedCode",
		"internal/status/problem_watch.go: code":                          "problemSubjects",
		"internal/status/problem_watch.go: string(level)":                 ours,
		"internal/daemon/version.go: b.Go":                                "the build",
		"internal/daemon/version.go: b.Revision":                          "the build",
		"internal/daemon/version.go: b.Version":                           "the build",
		"consumer/metrics.go: labels": "the calls of gauge: see shardCollector, " +
			shards, "consumer/metrics.go: r": ours, "consumer/read/metrics.go: r": ours,
		"consumer/metrics.go: string(r)": ours, "consumer/memory.go: gapFuture": ours,
		"consumer/memory.go: reason": ours, "checkpoint/lease.go: strconv.FormatBool(missed)": ours,
		"internal/answer/watch.go: operation": service, "internal/answer/watch.go: service": service,
	}
}

// TestLabelsComeFromClosedSets walks every place that gives a metric its labels.
func TestLabelsComeFromClosedSets(t *testing.T) {
	t.Parallel()
	behind := map[string]int{ // the call, and how many arguments stand before the labels
		"WithLabelValues": 0, "With": 0, "MustCurryWith": 0, "CurryWith": 0, "GetMetricWithLabelValues": 0,
		"GetMetricWith":      0,
		"MustNewConstMetric": 3, "NewConstMetric": 3, "MustNewConstHistogram": 4, "MustNewConstSummary": 4,
	}
	known, found := labelSources(), map[string]bool{}
	files := token.NewFileSet()
	for _, folder := range []string{"alert", "checkpoint", "consumer", "internal"} {
		require.NoError(t, filepath.WalkDir(filepath.Join("../..", folder),
			func(path string, d fs.DirEntry, err error) error {
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
					if pkg, isName := method.X.(*ast.Ident); !labels || isName &&
						(pkg.Name == "promauto" || pkg.Name == "answer") || isLogger(method.X) {
						return true
					}
					for _, arg := range call.Args[min(skip, len(call.Args)):] {
						if _, literal := arg.(*ast.BasicLit); literal {
							continue
						}
						var text bytes.Buffer
						require.NoError(t, printer.Fprint(&text, files, arg))
						found[strings.TrimPrefix(filepath.ToSlash(path), "../../")+": "+text.String()] = true
					}
					return true
				})
				return nil
			}))
	}
	require.Equal(t, slices.Sorted(maps.Keys(known)), slices.Sorted(maps.Keys(found)),
		"say in labelSources what closes the set of a new label")
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
