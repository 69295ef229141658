package system

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// What no command plays, and why.
func unplayed() map[string]string {
	return map[string]string{
		"alert/forest/nab_test.go":              "the benchmark's data are not ours to keep",
		"internal/system/sim_cases_test.go":     "TestSimRecorded judges a history that a failed run wrote",
		"internal/system/bench_figures_test.go": "TestBareSDK is a process that make bench starts",
		"alert/condition/condition_test.go":     "a fuzz target passes over inputs that may cost seconds",
	}
}

// TestEveryTestIsPlayed: make test leaves out what takes long. Whatever it leaves out, one of the commands of .ci/run
// plays.
func TestEveryTestIsPlayed(t *testing.T) {
	t.Parallel()
	const root = "../.."
	ci := testkit.TextOf(t, filepath.Join(root, ".ci", "run"))
	played := func(command string) bool {
		return regexp.MustCompile(`(?m)^(step|waiting) .* ` + command + `( |$)`).MatchString(ci)
	}
	for _, command := range []string{"make test", "make test-race", "make sim", "make hostile"} {
		require.True(t, played(command), command)
	}
	packages := func(target ...string) func(dir string) bool {
		args := append([]string{"-C", root, "-n"}, target...)
		out, err := exec.CommandContext(t.Context(), "make", args...).Output() //nolint:gosec // the targets are ours
		require.NoError(t, err, "%s", out)
		words := strings.Fields(string(out))
		return func(dir string) bool { return slices.Contains(words, "./"+dir+"/") }
	}
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("make is not on the PATH; make test needs it")
	}
	race, sim, alone := packages("test-race"), packages("sim"), packages("sim", "RUNS=3")

	words := regexp.MustCompile(`make [a-z-]+`)
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "tools" || d.Name() == "bin"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		dir := filepath.Dir(name)
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		require.NoError(t, err)
		files++
		for _, i := range f.Imports {
			switch p, _ := strconv.Unquote(i.Path.Value); p {
			case "sync", "sync/atomic", "testing/synctest", "go.uber.org/goleak":
				require.True(t, race(dir), "make test-race does not play %s, which imports %s", dir, p)
			case "pgregory.net/rapid":
				require.True(t, sim(dir), "make sim does not play %s, which has properties", dir)
			}
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if strings.HasPrefix(fn.Name.Name, "TestSim") {
				require.True(t, sim(dir), "make sim does not play %s of %s", fn.Name.Name, dir)
				require.True(t, alone(dir), "make sim RUNS=3 does not play %s of %s", fn.Name.Name, dir)
			}
			for what, text := range leftOut(fn) {
				where := name + ": " + fn.Name.Name
				switch what {
				case "Short":
					require.Equal(t, "internal/testkit/effort.go", name, "%s asks testing.Short, not testkit", where)
				case "testkit":
					require.True(t, sim(dir), "make sim does not play %s", where)
				case "Skip":
					require.True(t, unplayed()[name] != "" ||
						slices.ContainsFunc(words.FindAllString(text, -1), played),
						"%s skips with %s, which names no command of .ci/run", where, text)
				}
			}
		}
		return nil
	}))
	require.Greater(t, files, 300)
}

// leftOut finds how a function leaves something out: testing.Short, the functions of testkit, and Skip of what is not
// a property's draw, with its text.
func leftOut(fn *ast.FuncDecl) map[string]string {
	out := map[string]string{}
	draws := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncType:
			for _, p := range n.Params.List {
				for _, name := range p.Names {
					draws[name.Name] = types.ExprString(p.Type) == "*rapid.T"
				}
			}
		case *ast.CallExpr:
			sel, _ := n.Fun.(*ast.SelectorExpr)
			if sel == nil {
				break
			}
			on, _ := sel.X.(*ast.Ident)
			switch {
			case on == nil:
			case on.Name == "testing" && sel.Sel.Name == "Short":
				out["Short"] = ""
			case on.Name == "testkit" && slices.Contains([]string{"Long", "Runs", "Cases", "Named"}, sel.Sel.Name):
				out["testkit"] = sel.Sel.Name
			case strings.HasPrefix(sel.Sel.Name, "Skip") && !draws[on.Name] &&
				regexp.MustCompile(`^([btf]|t[bt])$`).MatchString(on.Name):
				out["Skip"] = "nothing"
				if len(n.Args) > 0 {
					out["Skip"] = types.ExprString(n.Args[0])
				}
			}
		}
		return true
	})
	return out
}
