package filter

import (
	"bytes"
	"strings"
)

// fields are the paths that patterns mention, as a tree: node 0 is data. Dotted names and nesting are the same.
type fields struct {
	nodes []fieldNode
	// paths are the fields by slot.
	paths []string
}

type fieldNode struct {
	// slot is the field that ends here, -1 for none.
	slot     int
	children map[string]int
}

// slot returns the slot of a path, which is made if there is none.
func (f *fields) slot(path string) int {
	if path == partitionKeyKey {
		f.paths = append(f.paths, path)
		return len(f.paths) - 1
	}
	node := 0
	// The first step is data.
	for i, step := range strings.Split(path, ".") {
		if i == 0 {
			continue
		}
		child, ok := f.nodes[node].children[step]
		if !ok {
			child = len(f.nodes)
			f.nodes = append(f.nodes, fieldNode{slot: -1})
			if f.nodes[node].children == nil {
				f.nodes[node].children = make(map[string]int)
			}
			f.nodes[node].children[step] = child
		}
		node = child
	}
	if f.nodes[node].slot < 0 {
		f.nodes[node].slot = len(f.paths)
		f.paths = append(f.paths, path)
	}
	return f.nodes[node].slot
}

// find returns the node below one for the name of a member, or -1. dotted says that the name made several steps.
func (f *fields) find(node int, name []byte) (child int, dotted bool) {
	for {
		children := f.nodes[node].children
		dot := bytes.IndexByte(name, '.')
		if dot < 0 {
			if child, ok := children[string(name)]; ok {
				return child, dotted
			}
			return -1, dotted
		}
		dotted = true
		child, ok := children[string(name[:dot])]
		if !ok {
			return -1, dotted
		}
		node, name = child, name[dot+1:]
	}
}
