package main

import (
	"fmt"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// kind is how a panel shows its queries.
type kind int

const (
	graph   kind = iota // lines over time
	stacked             // lines over time that add up
	number              // one figure, coloured by its thresholds
	list                // a table of what is now
)

// query is one query of a panel. See selectors for what its expression may hold.
type query struct {
	expr, legend string
}

// step is a threshold: the colour from a value on.
type step struct {
	from  float64
	color string
}

// column is a column of a list: a label, or the value of a query ("Value #A").
type column struct {
	field, title, unit string
	steps              []step
	words              map[string]string // in place of values, by value
	link               string
}

// panel is one panel, as this package declares them.
type panel struct {
	// id is what links to the panel point to. An id is never given to another panel.
	id    uint32
	kind  kind
	title string
	// good says what good looks like, and what to do when it does not look so.
	good  string
	unit  string
	w, h  uint32
	steps []step
	// exemplars asks Prometheus for single alerts behind a latency.
	exemplars bool
	// sortBy is the column of a list that is sorted by, downwards.
	sortBy string
	// alerts are those whose runbooks the panel links to.
	alerts  []string
	queries []query
	columns []column
}

// selectors writes out what most queries share: %S chooses series about a stream, %J those about a process alone (each
// with a comma: more matchers follow, up to the brace), and %R is a rate's range, which Grafana keeps at four scrapes
// or more.
func selectors(expr string) string {
	const process, stream = `job=~"$job", instance=~"$instance"`,
		`job=~"$job", stream=~"$stream", instance=~"$instance"`
	return strings.NewReplacer(
		"%S,", "{"+stream+", ", "%S", "{"+stream+"}",
		"%J,", "{"+process+", ", "%J", "{"+process+"}",
		"%R", "$__rate_interval",
	).Replace(expr)
}

func datasource() common.DataSourceRef {
	return common.DataSourceRef{Type: new("prometheus"), Uid: new("${datasource}")}
}

// build makes Grafana's panel, at a place on the grid of 24 columns.
func (p *panel) build(x, y uint32) (dashboard.Panel, error) {
	made, err := p.shape()
	if err != nil {
		return dashboard.Panel{}, fmt.Errorf("panel %d, %s: %w", p.id, p.title, err)
	}
	made.Id = &p.id
	made.Title, made.Description = &p.title, &p.good
	made.Datasource = new(datasource())
	made.GridPos = &dashboard.GridPos{X: x, Y: y, W: p.w, H: p.h}
	for i, q := range p.queries {
		target, err := p.target(string(rune('A'+i)), q)
		if err != nil {
			return dashboard.Panel{}, fmt.Errorf("panel %d, %s: %w", p.id, p.title, err)
		}
		made.Targets = append(made.Targets, target)
	}
	for _, alert := range p.alerts {
		made.Links = append(made.Links, runbookLink(alert))
	}
	if made.FieldConfig == nil {
		made.FieldConfig = dashboard.NewFieldConfigSource()
	}
	if p.unit != "" {
		made.FieldConfig.Defaults.Unit = &p.unit
	}
	if len(p.steps) > 0 {
		made.FieldConfig.Defaults.Thresholds = thresholds(p.steps)
	}
	return made, nil
}

// shape is what only panels of one kind have.
func (p *panel) shape() (dashboard.Panel, error) {
	switch p.kind {
	case number:
		return stat.NewPanelBuilder().
			ColorMode(common.BigValueColorModeBackground).
			GraphMode(common.BigValueGraphModeArea).
			Orientation(common.VizOrientationAuto).
			ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
			ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdThresholds)).
			NoValue("no data").
			Build()
	case list:
		return p.listShape()
	case graph, stacked:
		b := timeseries.NewPanelBuilder().
			ColorScheme(dashboard.NewFieldColorBuilder().Mode(dashboard.FieldColorModeIdPaletteClassic)).
			LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeNever).
			Min(0).
			Legend(common.NewVizLegendOptionsBuilder().
				DisplayMode(common.LegendDisplayModeTable).Placement(common.LegendPlacementBottom).ShowLegend(true).
				Calcs([]string{"lastNotNull", "max"}).SortBy("Max").SortDesc(true)).
			Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).
				Sort(common.SortOrderDescending))
		if p.kind == stacked {
			b.FillOpacity(40).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
		}
		if len(p.steps) > 0 {
			b.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
		}
		return b.Build()
	}
	return dashboard.Panel{}, fmt.Errorf("there is no kind %d", p.kind)
}

// listShape joins the queries of a list by the labels that they share, and shows the columns in their order.
func (p *panel) listShape() (dashboard.Panel, error) {
	hidden, order, names := map[string]bool{"Time": true}, map[string]int{}, map[string]string{}
	b := table.NewPanelBuilder().ShowHeader(true).CellHeight(common.TableCellHeightSm).
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{}))
	for i, c := range p.columns {
		order[c.field] = i
		names[c.field] = c.title
		var properties []dashboard.DynamicConfigValue
		if c.unit != "" {
			properties = append(properties, dashboard.DynamicConfigValue{Id: "unit", Value: c.unit})
		}
		if len(c.steps) > 0 {
			properties = append(properties,
				dashboard.DynamicConfigValue{Id: "thresholds", Value: thresholds(c.steps)},
				dashboard.DynamicConfigValue{
					Id: "custom.cellOptions", Value: map[string]string{"type": "color-background", "mode": "basic"},
				})
		}
		if len(c.words) > 0 {
			results := map[string]dashboard.ValueMappingResult{}
			for value, word := range c.words {
				results[value] = dashboard.ValueMappingResult{Text: &word}
			}
			properties = append(properties, dashboard.DynamicConfigValue{Id: "mappings", Value: []any{
				dashboard.ValueMap{Type: dashboard.MappingTypeValueToText, Options: results},
			}})
		}
		if c.link != "" {
			properties = append(properties, dashboard.DynamicConfigValue{Id: "links", Value: []map[string]any{
				{"title": "Status page", "url": c.link, "targetBlank": true},
			}})
		}
		if len(properties) > 0 {
			b.OverrideByName(c.title, properties)
		}
	}
	if p.sortBy != "" {
		b.SortBy([]cog.Builder[common.TableSortByFieldState]{
			common.NewTableSortByFieldStateBuilder().DisplayName(p.sortBy).Desc(true),
		})
	}
	return b.
		WithTransformation(dashboard.DataTransformerConfig{Id: "merge", Options: map[string]any{}}).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": hidden, "indexByName": order, "renameByName": names,
		}}).
		Build()
}

func (p *panel) target(ref string, q query) (variants.Dataquery, error) {
	b := prometheus.NewDataqueryBuilder().
		RefId(ref).Datasource(datasource()).
		Expr(selectors(q.expr)).LegendFormat(q.legend).
		EditorMode(prometheus.QueryEditorModeCode)
	if p.kind == list {
		b.Instant().Format(prometheus.PromQueryFormatTable)
	} else {
		b.Range()
	}
	if p.exemplars {
		b.Exemplar(true)
	}
	return b.Build()
}

func thresholds(steps []step) *dashboard.ThresholdsConfig {
	out := dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute}
	for i, s := range steps {
		t := dashboard.Threshold{Color: s.color}
		if i > 0 { // the first one is from minus infinity on
			t.Value = &s.from
		}
		out.Steps = append(out.Steps, t)
	}
	return &out
}

func runbookLink(alert string) dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title: "Runbook " + alert, Type: dashboard.DashboardLinkTypeLink, Icon: "doc", Tags: []string{},
		TargetBlank: true,
		Url:         new("${runbooks}/" + alert + ".md"),
	}
}
