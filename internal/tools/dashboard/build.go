package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

const (
	// uid is in every link that anybody has kept.
	uid   = "kinesis-alerter"
	title = "kinesis-alerter"
	// runbooks is where the runbooks are published; the variable of that name has it, so that it can be changed in one
	// place.
	runbooks = "https://runbooks.example.com/kinesis-alerter"
)

// section is a row of the dashboard and what is in it. The first one has no title and is never folded.
type section struct {
	id     uint32
	title  string
	folded bool
	panels []panel
}

// build puts the dashboard together. Panels fill lines of 24 columns from left to right.
func build() (dashboard.Dashboard, error) {
	b := dashboard.NewDashboardBuilder(title).
		Uid(uid).
		Description("Are records read, do alerts go out, and which stream, shard or topic is in trouble. Made by "+
			"internal/tools/dashboard: change it there.").
		Tags([]string{"kinesis-alerter", "kinesis", "sns", "prometheus"}).
		Time("now-1h", "now").Refresh("30s").Timezone("browser").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Editable()
	for _, v := range variables() {
		b.WithVariable(v)
	}
	for _, a := range annotations() {
		b.Annotation(a)
	}
	board, err := b.Build()
	if err != nil {
		return dashboard.Dashboard{}, err
	}
	y := uint32(0)
	for _, s := range sections() {
		var row *dashboard.RowPanel
		if s.title != "" {
			row = dashboard.NewRowPanel()
			row.Id, row.Title, row.Collapsed = s.id, &s.title, s.folded
			row.GridPos = &dashboard.GridPos{Y: y, W: 24, H: 1}
			board.Panels = append(board.Panels, dashboard.PanelOrRowPanel{RowPanel: row})
			y++
		}
		x, lineHeight := uint32(0), uint32(0)
		for _, p := range s.panels {
			if x+p.w > 24 {
				x, y, lineHeight = 0, y+lineHeight, 0
			}
			made, err := p.build(x, y)
			if err != nil {
				return dashboard.Dashboard{}, err
			}
			if s.folded {
				row.Panels = append(row.Panels, made)
			} else {
				board.Panels = append(board.Panels, dashboard.PanelOrRowPanel{Panel: &made})
			}
			x, lineHeight = x+p.w, max(lineHeight, p.h)
		}
		y += lineHeight
	}
	board.Links = []dashboard.DashboardLink{{
		Title: "Runbooks", Type: dashboard.DashboardLinkTypeLink, Icon: "doc", Tags: []string{}, TargetBlank: true,
		Tooltip: "What each alert means and what to do", Url: new("${runbooks}/README.md"),
	}}
	for i := range board.Annotations.List {
		// on the graphs, as ever; the SDK's default is a place that Grafana 10 does not know
		board.Annotations.List[i].Placement = nil
	}
	for i, v := range board.Templating.List {
		if v.Name == "runbooks" { // an address, not a choice
			board.Templating.List[i].Hide = cog.ToPtr(dashboard.VariableHideHideVariable)
			board.Templating.List[i].SkipUrlSync = new(true)
		}
	}
	return board, board.Validate()
}

// variables are the choices above the dashboard: each one lists what is left by those before it.
func variables() []cog.Builder[dashboard.VariableModel] {
	all := dashboard.VariableOption{
		Selected: new(true),
		Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
		Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
	}
	choice := func(name, label, what, query string) cog.Builder[dashboard.VariableModel] {
		return dashboard.NewQueryVariableBuilder(name).Label(label).Description(what).
			Datasource(datasource()).
			Query(dashboard.StringOrMap{Map: map[string]any{"query": query, "refId": "StandardVariableQuery"}}).
			Definition(query).
			Current(all).Multi(true).IncludeAll(true).AllValue(".+").
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc)
	}
	return []cog.Builder[dashboard.VariableModel]{
		dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus").
			Current(dashboard.VariableOption{
				Selected: new(true),
				Text:     dashboard.StringOrArrayOfString{String: new("Prometheus")},
				Value:    dashboard.StringOrArrayOfString{String: new("prometheus")},
			}),
		choice("job", "Job", "The scrape job; one for each application.",
			`label_values(kinesis_alerter_build_info, job)`),
		choice("stream", "Stream", "The Kinesis stream.",
			`label_values(kinesis_alerter_leases_held{job=~"$job"}, stream)`),
		choice("instance", "Process", "One process of the daemon.",
			`label_values(kinesis_alerter_leases_held{job=~"$job", stream=~"$stream"}, instance)`),
		dashboard.NewConstantVariableBuilder("runbooks").Label("Runbooks").Description("Where deploy/runbooks is published.").
			Value(dashboard.StringOrMap{String: new(runbooks)}),
	}
}

// annotations mark on every graph what an operator asks first: did something start, did shards move, did rules change?
func annotations() []cog.Builder[dashboard.AnnotationQuery] {
	mark := func(name, color, expr, titled, text string) cog.Builder[dashboard.AnnotationQuery] {
		return dashboard.NewAnnotationQueryBuilder().Name(name).Datasource(datasource()).
			Enable(true).Hide(false).IconColor(color).
			Expr(selectors(expr)).Step("60s").TitleFormat(titled).TextFormat(text).TagKeys("job,instance").
			Target(prometheus.NewDataqueryBuilder().RefId("Anno").Datasource(datasource()).Expr(selectors(expr)).
				Range())
	}
	return []cog.Builder[dashboard.AnnotationQuery]{
		mark("Restarts", "blue",
			`process_start_time_seconds%J > time() - 60 and on (job, instance) kinesis_alerter_build_info`,
			"Started", "{{instance}}"),
		mark("Lease moves", "orange",
			`sum by (job, instance, stream, event) (increase(kinesis_alerter_lease_events_total%S,event=~"acquired|stolen|received|lost|expired"}[2m])) > 0`,
			"Lease {{event}}", "{{stream}} {{instance}}"),
		mark("Reloads", "purple",
			`sum by (job, instance, result) (increase(kinesis_alerter_config_reloads_total%J[2m])) > 0`,
			"Reload {{result}}", "{{instance}}"),
	}
}
