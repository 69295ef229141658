package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

const deploy = "../../../deploy"

func committed(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(deploy, "grafana", "kinesis-alerter.json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decode reads a dashboard as strictly as its schema allows. Without the plugins, what a query holds would not be
// looked at.
func decode(text []byte) (dashboard.Dashboard, error) {
	plugins.RegisterDefaultPlugins()
	var board dashboard.Dashboard
	err := board.UnmarshalJSONStrict(text)
	// The SDK (v0.0.22) answers with a list of no faults, which is not nil, and leaves the panels out then: the list is
	// the judgement, and the panels are read once more.
	if list, ok := errors.AsType[cog.BuildErrors](err); err != nil && (!ok || len(list) > 0) {
		return board, err
	}
	board = dashboard.Dashboard{}
	if err := json.Unmarshal(text, &board); err != nil {
		return board, err
	}
	return board, board.Validate()
}

func TestCommittedIsGenerated(t *testing.T) {
	var want bytes.Buffer
	if err := run(&want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want.Bytes(), committed(t)) {
		t.Error("deploy/grafana/kinesis-alerter.json is not what this program prints; run: go run -C " +
			"internal/tools/dashboard . > deploy/grafana/kinesis-alerter.json")
	}
}

func TestStrictlyDecodes(t *testing.T) {
	text := committed(t)
	if _, err := decode(text); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string][2]string{
		"an unknown key":      {`"uid": "kinesis-alerter",`, `"uid": "kinesis-alerter", "uuid": "x",`},
		"a wrong type":        {`"refresh": "30s"`, `"refresh": 30`},
		"a misspelt query":    {`"legendFormat"`, `"legendFromat"`},
		"a misspelt panel":    {`"gridPos"`, `"gridpos"`},
		"a folded panel":      {`"title": "CPU"`, `"titel": "CPU"`},
		"an impossible value": {`"graphTooltip": 1`, `"graphTooltip": "both"`},
	} {
		broken := strings.Replace(string(text), change[0], change[1], 1)
		if broken == string(text) {
			t.Errorf("%s: nothing to change", what)
		}
		if _, err := decode([]byte(broken)); err == nil {
			t.Errorf("%s is not found", what)
		}
	}
}

// panels are all panels, those of folded rows too.
func panels(board dashboard.Dashboard) (panels []dashboard.Panel, ids []uint32) {
	for _, p := range board.Panels {
		if p.Panel != nil {
			panels, ids = append(panels, *p.Panel), append(ids, *p.Panel.Id)
			continue
		}
		ids = append(ids, p.RowPanel.Id)
		for _, folded := range p.RowPanel.Panels {
			panels, ids = append(panels, folded), append(ids, *folded.Id)
		}
	}
	return panels, ids
}

func TestConventions(t *testing.T) {
	board, err := decode(committed(t))
	if err != nil {
		t.Fatal(err)
	}
	all, ids := panels(board)
	seen := map[uint32]bool{}
	for _, id := range ids {
		if id == 0 || seen[id] {
			t.Errorf("the id %d is missing or given twice", id)
		}
		seen[id] = true
	}
	titles := map[string]bool{}
	taken := map[[2]uint32]string{}
	for _, p := range all {
		name := *p.Title
		if titles[name] {
			t.Errorf("two panels are called %s", name)
		}
		titles[name] = true
		if p.Description == nil || len(*p.Description) < 20 {
			t.Errorf("%s does not say what good looks like", name)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if x >= 24 || taken[[2]uint32{x, y}] != "" {
					t.Errorf("%s is outside the grid or on %s", name, taken[[2]uint32{x, y}])
				}
				taken[[2]uint32{x, y}] = name
			}
		}
		if len(p.Targets) == 0 {
			t.Errorf("%s asks nothing", name)
		}
		for _, target := range p.Targets {
			q, ok := target.(*prometheus.Dataquery)
			if !ok || q.Datasource == nil || *q.Datasource.Uid != "${datasource}" {
				t.Errorf("%s does not ask the datasource that was chosen", name)
				continue
			}
			if !strings.Contains(q.Expr, `job=~"$job"`) || !strings.Contains(q.Expr, `instance=~"$instance"`) ||
				strings.Contains(q.Expr, "%") {
				t.Errorf("%s does not heed the choices: %s", name, q.Expr)
			}
			if regexp.MustCompile(`rate\([^\[]*\[(\d+s|[12]m)\]`).MatchString(q.Expr) {
				t.Errorf("%s has a range that does not fit every scrape interval: %s", name, q.Expr)
			}
		}
		for _, link := range p.Links {
			page := strings.Replace(*link.Url, "${runbooks}", filepath.Join(deploy, "runbooks"), 1)
			if _, err := os.Stat(page); err != nil {
				t.Errorf("%s links to a page that is not there: %v", name, err)
			}
		}
	}
}
