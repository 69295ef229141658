package daemon

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const v2, v1 = "sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"
	file := func(path, text string) fstest.MapFS { return fstest.MapFS{path: &fstest.MapFile{Data: []byte(text)}} }
	tests := map[string]struct {
		root fstest.MapFS
		env  string
		want int64
	}{
		"container with cgroup v2":    {root: file(v2, "268435456\n"), want: 241591905},
		"container with cgroup v1":    {root: file(v1, "268435456\n"), want: 241591905},
		"no limit, v2":                {root: file(v2, "max\n")},
		"no limit, v1":                {root: file(v1, "9223372036854771712\n")},
		"not a container":             {root: fstest.MapFS{}},
		"the operator decided":        {root: file(v2, "268435456\n"), env: "100MiB"},
		"not a number: do not guess":  {root: file(v2, "many\n")},
		"nonsense: zero is no budget": {root: file(v2, "0\n")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := func(string) (string, bool) { return test.env, test.env != "" }
			require.InDelta(t, test.want, MemoryLimit(test.root, env), 10)
		})
	}
}
