// Command schemas writes the JSON schemas against which kubeconform validates what the Helm chart and the kustomize
// base render: those of Kubernetes itself, of the Prometheus Operator and of KEDA.
//
// They are taken from the modules of these projects, which Go verifies against its checksum database and this file
// against the pinned sums, so that the check needs nothing that a build of the daemon does not need. They are strict:
// a key that the API does not have is an error, where the API server would drop it without a word.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// layout is part of the name of a finished folder; a change of what is written needs another one.
const layout = "1"

// module is a module of Go's, used for the files in it and never built. sum is what go.sum would hold.
type module struct{ path, version, sum string }

// kubernetes are the releases that are validated against: the oldest one that is still maintained, and the newest.
func kubernetes() []module {
	return []module{
		{"k8s.io/kubernetes", "v1.34.2", "h1:WQdDvYJazkmkwSncgNwGvVtaCt4TYXIU3wSMRgvp3MI="},
		{"k8s.io/kubernetes", "v1.37.2", "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE="},
	}
}

// crd are files of custom resource definitions in a module.
type crd struct {
	module
	files []string
}

func crds() []crd {
	return []crd{
		{
			module{
				"github.com/prometheus-operator/prometheus-operator", "v0.85.0",
				"h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
			},
			[]string{
				"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
				"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
				"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
			},
		},
		{
			module{"github.com/kedacore/keda/v2", "v2.21.0", "h1:R6z2HZvstK4RLUMxroNACzBj74xGxt3kG59b5Xc+Xps="},
			[]string{
				"config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml",
			},
		},
	}
}

func main() {
	out := flag.String("out", "", "the `FOLDER` to write to; a finished one is left alone")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(context.Background(), *out); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

// write fills out with a folder for each release of Kubernetes: GROUP/KIND_VERSION.json, where the core group is called
// v1. The names of the releases are printed, one a line.
func write(ctx context.Context, out string) error {
	for _, k := range kubernetes() {
		release := strings.TrimPrefix(k.version, "v")
		fmt.Println(release)
		mark := filepath.Join(out, k.version, "complete-"+layout)
		if _, err := os.Stat(mark); err == nil {
			continue
		}
		if err := writeRelease(ctx, filepath.Join(out, k.version), k); err != nil {
			return fmt.Errorf("schemas of Kubernetes %s: %w", release, err)
		}
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func writeRelease(ctx context.Context, dir string, k module) error {
	root, err := k.download(ctx)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(root, //nolint:gosec // a file of a verified module
		"api/openapi-spec/swagger.json"))
	if err != nil {
		return err
	}
	var api struct {
		Definitions map[string]schema `json:"definitions"`
	}
	if err := json.Unmarshal(text, &api); err != nil {
		return fmt.Errorf("swagger.json: %w", err)
	}
	definitions := definitions(api.Definitions)
	for name, s := range definitions {
		kinds, _ := s["x-kubernetes-group-version-kind"].([]any)
		// A definition with several kinds is one that all groups share, such as DeleteOptions; nobody puts it into a
		// file.
		if len(kinds) != 1 {
			continue
		}
		kind, err := parseKind(kinds[0])
		if err != nil {
			return fmt.Errorf("definition %s: %w", name, err)
		}
		if err := kind.write(dir, definitions, s); err != nil {
			return err
		}
	}
	for _, c := range crds() {
		root, err := c.download(ctx)
		if err != nil {
			return err
		}
		for _, file := range c.files {
			if err := writeCRD(dir, filepath.Join(root, file), definitions); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return nil
}

// download returns the folder of the module's files. It runs outside of any module, so that no go.mod takes part.
func (m module) download(ctx context.Context) (string, error) {
	dir, err := os.MkdirTemp("", "schemas")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", //nolint:gosec // a constant of this file
		m.path+"@"+m.version)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	var said bytes.Buffer
	cmd.Stderr = &said
	text, err := cmd.Output()
	var got struct{ Dir, Sum, Error string }
	if decodeErr := json.Unmarshal(text, &got); decodeErr != nil {
		return "", errors.Join(err, decodeErr)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("module %s %s: %w: %s%s", m.path, m.version, err, got.Error, said.String())
	case got.Sum != m.sum:
		return "", fmt.Errorf("module %s %s has the sum %s, and not the pinned %s", m.path, m.version, got.Sum, m.sum)
	}
	return got.Dir, nil
}

// schema is an OpenAPI or JSON schema.
type schema map[string]any

// definitions is Kubernetes' API, by the names that $ref uses.
type definitions map[string]schema

const (
	prefix     = "#/definitions/"
	objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
)

// kind is what a manifest says of itself.
type kind struct{ group, version, kind string }

func parseKind(x any) (kind, error) {
	m, _ := x.(map[string]any)
	group, ok1 := m["group"].(string)
	version, ok2 := m["version"].(string)
	name, ok3 := m["kind"].(string)
	if !ok1 || !ok2 || !ok3 {
		return kind{}, fmt.Errorf("%v is no group, version and kind", x)
	}
	return kind{group, version, name}, nil
}

// write puts s, with every definition that it needs, into a file of its own.
func (k kind) write(dir string, all definitions, s schema) error {
	strict, _ := s.strict().(map[string]any)
	properties, ok := strict["properties"].(map[string]any)
	if !ok {
		return nil // nothing to check
	}
	apiVersion := k.version
	if k.group != "" {
		apiVersion = k.group + "/" + k.version
	}
	properties["apiVersion"] = map[string]any{"const": apiVersion}
	properties["kind"] = map[string]any{"const": k.kind}
	required, _ := strict["required"].([]any)
	strict["required"] = append(required, "apiVersion", "kind")
	needed := map[string]any{}
	all.collect(strict, needed)
	strict["definitions"] = needed
	text, err := json.Marshal(strict)
	if err != nil {
		return err
	}
	folder := k.group
	if folder == "" {
		folder = k.version
	}
	file := filepath.Join(dir, folder, strings.ToLower(k.kind)+"_"+k.version+".json")
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// collect adds to needed every definition that s refers to, made strict.
func (d definitions) collect(s any, needed map[string]any) {
	switch s := s.(type) {
	case map[string]any:
		if ref, ok := s["$ref"].(string); ok {
			name := strings.TrimPrefix(ref, prefix)
			if _, done := needed[name]; !done {
				needed[name] = d.strict(name)
				d.collect(needed[name], needed)
			}
		}
		for _, key := range slices.Sorted(maps.Keys(s)) {
			d.collect(s[key], needed)
		}
	case []any:
		for _, item := range s {
			d.collect(item, needed)
		}
	}
}

// strict is the definition of that name. Two are texts in OpenAPI that a manifest may write as numbers.
func (d definitions) strict(name string) any {
	switch name {
	case "io.k8s.apimachinery.pkg.util.intstr.IntOrString":
		return map[string]any{"type": []any{"string", "integer"}}
	case "io.k8s.apimachinery.pkg.api.resource.Quantity":
		return map[string]any{"type": []any{"string", "number"}}
	}
	return d[name].strict()
}

// strict returns a copy in which objects take no other keys than those that they name.
func (s schema) strict() any { return strict(map[string]any(s)) }

func strict(x any) any {
	switch x := x.(type) {
	case map[string]any:
		m := map[string]any{}
		for key, value := range x {
			switch {
			case key == "properties":
				of := map[string]any{}
				properties, _ := value.(map[string]any)
				for name, property := range properties {
					of[name] = strict(property)
				}
				m[key] = of
			case key == "format", key == "nullable", key == "description", key == "default",
				strings.HasPrefix(key, "x-kubernetes-"):
			default:
				m[key] = strict(value)
			}
		}
		_, open := x["additionalProperties"]
		if _, named := x["properties"]; named && !open && x["x-kubernetes-preserve-unknown-fields"] != true {
			m["additionalProperties"] = false
		}
		if x["x-kubernetes-int-or-string"] == true {
			delete(m, "anyOf")
			m["type"] = []any{"string", "integer"}
		}
		if x["nullable"] == true {
			m["type"] = []any{m["type"], "null"}
		}
		return m
	case []any:
		list := make([]any, len(x))
		for i, item := range x {
			list[i] = strict(item)
		}
		return list
	}
	return x
}

// writeCRD writes the schema of every version of a custom resource. Its metadata are those of every object.
func writeCRD(dir, file string, all definitions) error {
	text, err := os.ReadFile(file) //nolint:gosec // a file of a verified module
	if err != nil {
		return err
	}
	var resource struct {
		Spec struct {
			Group    string `json:"group"`
			Names    struct{ Kind string }
			Versions []struct {
				Name   string `json:"name"`
				Schema struct {
					OpenAPIV3Schema schema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(text, &resource); err != nil {
		return err
	}
	for _, v := range resource.Spec.Versions {
		properties, ok := v.Schema.OpenAPIV3Schema["properties"].(map[string]any)
		if !ok {
			return fmt.Errorf("version %s has no schema", v.Name)
		}
		properties["metadata"] = map[string]any{"$ref": prefix + objectMeta}
		k := kind{resource.Spec.Group, v.Name, resource.Spec.Names.Kind}
		if err := k.write(dir, all, v.Schema.OpenAPIV3Schema); err != nil {
			return err
		}
	}
	return nil
}
