package cmd
import ("testing";"strings";"os";"fmt";"go.yaml.in/yaml/v4")
func nodeCount(n *yaml.Node) int { c:=1; for _,x:=range n.Content{c+=nodeCount(x)}; return c}
func TestZZ(t *testing.T){
 for name,s:=range map[string]string{
  "comma": "["+strings.Repeat("a,",1000)+"]",
  "braces": "["+strings.Repeat("{},",1000)+"]",
  "dashes": strings.Repeat("-\n",1000),
  "flowmap": "{"+strings.Repeat("a,",1000)+"}",
  "colons": "["+strings.Repeat("a: ,",1000)+"]",
  "colons2": "["+strings.Repeat("? ,",1000)+"]",
  "json": "["+strings.Repeat(`{"a":1},`,1000)+"]",
  "quest": strings.Repeat("? a\n",1000),
  "rules": "rules:\n"+strings.Repeat("  - name: a\n    when: x > 3 and y == \"a, b: c\"\n    topics: [a, b]\n    key: host\n    severity: critical\n    message: \"{{ .Fields.a }}, is: bad\"\n",100),
 }{
  var root yaml.Node
  err:=loadNode([]byte(s),&root)
  fmt.Println(name,valuesAtMost([]byte(s)),nodeCount(&root),err)
 }
 os.WriteFile("/tmp/f/worst1.yaml",[]byte("stream: {name: s}\nx: {"+strings.Repeat("a,",59950)+"}\n"),0o644)
 os.WriteFile("/tmp/f/worst2.yaml",[]byte("stream: {name: s}\nfilter: [{data: {a: ["+strings.Repeat("1,",59950)+"]}}]\n"),0o644)
 os.WriteFile("/tmp/f/worst3.yaml",[]byte("stream: {name: s}\nrules:\n"+strings.Repeat("-\n",159950)),0o644)
 var b strings.Builder
 b.WriteString("stream: {name: s}\ntopics: {t: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}}\nrules:\n")
 for i:=range 7200 { fmt.Fprintf(&b,"  - name: rule-%d\n    when: f%d > %d and y == 3\n    key: host\n    severity: critical\n    message: \"{{ .Fields.a }} is bad\"\n",i,i,i)}
 os.WriteFile("/tmp/f/legit.yaml",[]byte(b.String()),0o644)
}
