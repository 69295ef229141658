package takeover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"kinesis-alerter/internal/config"
)

// Bounds of what is read as a tree. A template has at most 1 MB, by CloudFormation's own rule.
const (
	maxTemplate = 1 << 20
	maxDepth    = 100
	maxNodes    = 200_000
)

// tree reads JSON or YAML into maps, lists, texts, numbers and truths. YAML's short forms of intrinsic functions become
// their long ones: !Ref X is {"Ref": "X"}.
func (x *LambdaExplainer) tree(data []byte) (any, error) {
	if bytes.ContainsAny(data[:1], "{[") {
		return x.jsonTree(data)
	}
	fault := func(line, column int, rule string, args ...any) error {
		p := x.Fault("", "", rule, args...)
		if line > 0 {
			p.Line, p.Column = line, column
		}
		return config.FieldErrors{p}
	}
	if len(data) > maxTemplate {
		return nil, fault(0, 0, "is larger than 1 MiB, which no template in YAML is; %s", Wanted)
	}
	load := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := load.Decode(&doc); err != nil {
		return nil, fault(0, 0, "neither JSON nor YAML: %v; %s", err, Wanted)
	}
	if err := load.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault(0, 0, "has more than one YAML document; want one; %s", Wanted)
	}
	r := yamlReader{fault: fault}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return r.value(doc.Content[0], 0)
	}
	return r.value(&doc, 0)
}

// jsonTree reads JSON, and refuses what says a thing twice.
func (x *LambdaExplainer) jsonTree(data []byte) (any, error) {
	var valid any
	if err := json.Unmarshal(data, &valid); err != nil {
		p := x.Fault("", "", "not valid JSON: %v; %s", err, Wanted)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			before := data[:min(int(syntax.Offset), len(data))]
			p.Line, p.Column = 1+bytes.Count(before, []byte("\n")),
				max(1, len(before)-1-bytes.LastIndexByte(before, '\n'))
		}
		return nil, config.FieldErrors{p}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var read func(depth int) (any, error)
	read = func(depth int) (any, error) {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		if depth > maxDepth {
			return nil, fmt.Errorf("is nested more than %d deep", maxDepth)
		}
		switch token {
		case json.Delim('['):
			list := []any{}
			for d.More() {
				item, err := read(depth + 1)
				if err != nil {
					return nil, err
				}
				list = append(list, item)
			}
			_, err = d.Token()
			return list, err
		case json.Delim('{'):
			object := map[string]any{}
			for d.More() {
				key, err := d.Token()
				if err != nil {
					return nil, err
				}
				name, _ := key.(string)
				if _, twice := object[name]; twice {
					line := 1 + bytes.Count(data[:d.InputOffset()], []byte("\n"))
					return nil, fmt.Errorf("line %d has the key %q a second time", line, name)
				}
				if object[name], err = read(depth + 1); err != nil {
					return nil, err
				}
			}
			_, err = d.Token()
			return object, err
		}
		return token, nil
	}
	root, err := read(0)
	if err != nil {
		return nil, config.FieldErrors{x.Fault("", "", "%v; %s", err, Wanted)}
	}
	return root, nil
}

// yamlReader makes a tree of YAML. Aliases are followed as long as they do not make it large.
type yamlReader struct {
	nodes int
	fault func(line, column int, rule string, args ...any) error
}

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	r.nodes++
	switch {
	case depth > maxDepth:
		return nil, r.fault(n.Line, n.Column, "is nested more than %d deep, or an alias contains itself", maxDepth)
	case r.nodes > maxNodes:
		return nil, r.fault(n.Line, n.Column, "is more than %d values, with its aliases", maxNodes)
	case n.Kind == yaml.AliasNode:
		return r.value(n.Alias, depth+1)
	}
	value, err := r.plain(n, depth)
	tag, own := strings.CutPrefix(n.Tag, "!")
	if err != nil || !own || strings.HasPrefix(tag, "!") || tag == "" {
		return value, err
	}
	switch tag {
	case "Ref", "Condition":
		return map[string]any{tag: value}, nil
	case "GetAtt":
		if text, ok := value.(string); ok {
			resource, attribute, _ := strings.Cut(text, ".")
			value = []any{resource, attribute}
		}
	}
	return map[string]any{"Fn::" + tag: value}, nil
}

// plain is a value without its tag.
func (r *yamlReader) plain(n *yaml.Node, depth int) (any, error) {
	if n.Kind == yaml.MappingNode {
		return r.mapping(n, depth)
	}
	if n.Kind == yaml.SequenceNode {
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			item, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	}
	switch n.Tag {
	case "!!null":
		return nil, nil
	case "!!bool":
		return n.Value == "true" || n.Value == "True" || n.Value == "TRUE", nil
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 0, 64); err == nil {
			return json.Number(strconv.FormatInt(i, 10)), nil
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil {
			if text, err := json.Marshal(f); err == nil {
				return json.Number(text), nil
			}
		}
	}
	return n.Value, nil
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) (any, error) {
	object := make(map[string]any, len(n.Content)/2)
	var merged []any
	for pair := range slices.Chunk(n.Content, 2) {
		key, value := pair[0], pair[1]
		if key.Kind != yaml.ScalarNode {
			return nil, r.fault(key.Line, key.Column, "has a key that is no text")
		}
		if _, twice := object[key.Value]; twice {
			return nil, r.fault(key.Line, key.Column, "has the key %q a second time", key.Value)
		}
		v, err := r.value(value, depth+1)
		if err != nil {
			return nil, err
		}
		if key.Tag == "!!merge" {
			if list, ok := v.([]any); ok {
				merged = append(merged, list...)
			} else {
				merged = append(merged, v)
			}
			continue
		}
		object[key.Value] = v
	}
	for _, m := range merged {
		from, ok := m.(map[string]any)
		if !ok {
			return nil, r.fault(n.Line, n.Column, "<< wants a mapping")
		}
		for name, v := range from {
			if _, own := object[name]; !own {
				object[name] = v
			}
		}
	}
	return object, nil
}

// The parts of a tree: nothing where it is something else.
func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func list(v any) []any { l, _ := v.([]any); return l }

func text(v any) string { s, _ := v.(string); return s }

// at is what is in a tree by the names on the way.
func at(v any, names ...string) any {
	for _, name := range names {
		v = object(v)[name]
	}
	return v
}
