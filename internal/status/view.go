package status

import (
	"cmp"
	"fmt"
	"html/template"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
)

// view is a Status in the words of the page.
type view struct {
	Status

	Style  template.CSS
	Script template.JS
	Icon   template.URL
	Title  string

	Records, Alerts     curve
	Lag                 curve
	Coverage            coverage
	Chapters            []chapter
	Advice              string
	List                []Problem
	Outcomes            []labelled
	Resolved            uint64
	ShardTable          shardTable
	Crew                crew
	RuleRows            []ruleView
	SilenceRows         []silenceView
	TopicRows           []topicView
	OutputRows          []outputView
	AlertRows, Earlier  []alertView
	Letters             *lettersView
	UpWords, ReloadLine string
	BuildLine           string
}

// crew is all workers: a row for each, and for the totals those with most shards and how many there are besides.
type crew struct {
	Rows   []workerView
	Shares []workerShare
	More   string
}

type labelled struct {
	Name string
	N    uint64
}

const (
	// FewShards are all shown one by one. Of more, those that need a look are, and the others are folded up in chunks.
	FewShards      = 60
	shardChunkSize = 100
	// alertsShown are shown at once; the earlier ones are folded up.
	alertsShown = 10
)

// NewView prepares a status for the template.
func NewView(st *Status) *view {
	v := &view{
		Status:  *st,
		Style:   template.CSS(statusCSS), //nolint:gosec // compiled in
		Script:  template.JS(statusJS),   //nolint:gosec // compiled in
		UpWords: words(seconds(st.Uptime)),
		Icon:    icon(st.Level),

		Coverage: newCoverage(st),
	}
	for _, c := range Glossary() {
		if c.Key != "outputs" || len(st.Outputs) > 0 {
			v.Chapters = append(v.Chapters, c)
		}
	}
	if len(st.Problems) == 1 { // the headline is what it says
		v.Advice = st.Problems[0].Remedy
	} else {
		v.List = st.Problems
	}
	v.BuildLine = st.Build.Version
	if r := st.Build.Revision; r != "unknown" { // as in a test
		v.BuildLine += " (" + r + ")"
	}
	v.Title = mark(st.Level) + " " + st.Stream.Name + " – kinesis-alerter"
	for _, name := range []string{
		"alerted", "suppressed", "unmatched", "filtered", "invalid", "over_budget", "expired", "dead_lettered",
	} {
		if n, ok := st.Records[name]; ok {
			label := strings.ReplaceAll(name, "_", " ")
			if name == "unmatched" { // some of them matched a rule that waits for more
				label = "no alert"
			}
			v.Outcomes = append(v.Outcomes, labelled{label, n})
			v.Resolved += n
		}
	}
	v.ShardTable = newShardTable(st)
	v.curves(st)
	for i := range st.Workers {
		v.Crew.Rows = append(v.Crew.Rows, newWorkerView(&st.Workers[i], st))
	}
	v.shares(st)
	for i := range st.Rules {
		v.RuleRows = append(v.RuleRows, newRuleView(&st.Rules[i]))
	}
	for i := range st.Silences {
		v.SilenceRows = append(v.SilenceRows, newSilenceView(&st.Silences[i], st.At))
	}
	for i := range st.Topics {
		v.TopicRows = append(v.TopicRows, newTopicView(&st.Topics[i], st.At))
	}
	for i := range st.Outputs {
		v.OutputRows = append(v.OutputRows, newOutputView(&st.Outputs[i], st))
	}
	for i := range st.Alerts {
		row := newAlertView(&st.Alerts[i], st.At.Add(-st.Ahead()))
		if i < alertsShown {
			v.AlertRows = append(v.AlertRows, row)
		} else {
			v.Earlier = append(v.Earlier, row)
		}
	}
	if d := st.DeadLetters; d != nil {
		v.Letters = newLettersView(d, st.At)
	}
	if r := st.Reload; r != nil {
		v.ReloadLine = "reloaded " + words(st.At.Sub(r.At)) + " ago: " + cmp.Or(
			strings.Join(r.Changes, ", "), "nothing changed",
		)
		if !r.OK {
			v.ReloadLine = "a reload was refused " + words(st.At.Sub(r.At)) + " ago: " + r.Error
		}
	}
	return v
}

// mark shows a level where there is no colour, such as in the title of a tab.
func mark(l Level) string {
	switch l {
	case LevelCritical:
		return "✕"
	case LevelWarning:
		return "!"
	case LevelInfo, LevelOK:
	}
	return "✓"
}

// Mark is the sign of the whole page's level.
func (v *view) Mark() string { return mark(v.Level) }

// icon is the page's icon in the browser's tab, by form and colour.
func icon(l Level) template.URL {
	form := `%3Ccircle cx='8' cy='8' r='6' fill='%231a7f4b'/%3E`
	switch l {
	case LevelCritical:
		form = `%3Crect x='2' y='2' width='12' height='12' fill='%23c62828'/%3E`
	case LevelWarning:
		form = `%3Cpath d='M8 1.5 15 14H1z' fill='%23b26a00'/%3E`
	case LevelInfo, LevelOK:
	}
	return template.URL( //nolint:gosec // constants
		`data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E` + form + `%3C/svg%3E`,
	)
}

// rate writes a figure a second.
func rate(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return grouped(uint64(math.Round(x)))
}

// shardView is a row of the shards.
type shardView struct {
	ID, Short            string
	Row                  string // classes of the row
	Depth                int
	Parents              string
	State, Sign, Class   string
	Owner, OwnerShort    string
	Lag, Behind, Checked string
	Waiting, Held        string
	Gathered             string // how many of Waiting are in digests
	LagClass, HeldClass  string
	Rate                 string
	Ended                bool
	// severity is how much the row needs a look: 0 not at all, then from an operator's own doing to what nothing
	// handles.
	severity int
	lag      float64
}

// shardChunk is a folded part of many shards.
type shardChunk struct {
	ID, From, To, Text string
	Rows               []shardView
}

// shardTable is the shards as a table: all open ones of a few, or those of many that need a look.
type shardTable struct {
	Line          string // how many are open
	Lag, LagWhere string
	RestNote      string // what is folded up
	Families      []shardView
	Chunks        []shardChunk // the others of many
	PastLine      string
	Past          []shardView // ended and skipped shards
}

func newShardTable(st *Status) (v shardTable) {
	shown := make(map[string]bool) // open shards, and their parents
	index := make(map[string]*Shard, len(st.Shards))
	open, read := 0, 0
	v.Lag, v.LagWhere = "–", "no shard is read here"
	worst := -1.0
	for i := range st.Shards {
		s := &st.Shards[i]
		index[s.ID] = s
		if over(s) {
			continue
		}
		open++
		shown[s.ID] = true
		for _, p := range s.Parents {
			shown[p] = true
		}
		if r := s.Reading; r != nil {
			read++
			if r.Lag > worst {
				worst = r.Lag
				v.Lag, v.LagWhere = words(seconds(r.Lag)), "greatest on "+shortShard(s.ID)
			}
		}
	}
	v.Line = fmt.Sprintf("%s open", grouped(uint64(open)))
	if worst == 0 && read > 1 {
		v.LagWhere = "on all shards"
	}
	if open > FewShards {
		v.manyShards(st, open)
		return v
	}
	depth := make(map[string]int)
	var rows []shardView
	for i := range st.Shards {
		s := &st.Shards[i]
		row := newShardView(s, st)
		for _, p := range s.Parents {
			if shown[p] && index[p] != nil {
				depth[s.ID] = min(3, max(depth[s.ID], depth[p]+1))
			}
		}
		if !shown[s.ID] {
			depth[s.ID] = 0
			v.Past = append(v.Past, row)
			continue
		}
		if over(s) {
			depth[s.ID] = 0 // its own parents are folded up
		}
		if row.Ended {
			row.Row = "past"
		}
		if d := depth[s.ID]; d > 0 {
			row.Depth = d
			row.Row = strings.TrimSpace(fmt.Sprintf("%s d%d", row.Row, d))
			if len(s.Parents) == 1 {
				row.Parents = "" // the row above
			}
		}
		rows = append(rows, row)
	}
	v.Families = rows
	if n := len(v.Past); n > 0 {
		v.PastLine = Number(n, "shard") + " before these, whose records are done with"
	}
	return v
}

// manyShards shows those of many that need a look, and folds the other open ones up. Those that ended are counted: the
// JSON has them.
func (v *shardTable) manyShards(st *Status, open int) {
	var rest []shardView
	for i := range st.Shards {
		switch row := newShardView(&st.Shards[i], st); {
		case row.Ended:
		case row.severity > 0:
			v.Families = append(v.Families, row)
		default:
			rest = append(rest, row)
		}
	}
	slices.SortFunc(v.Families, func(a, b shardView) int {
		return cmp.Or(cmp.Compare(b.severity, a.severity), cmp.Compare(b.lag, a.lag), strings.Compare(a.ID, b.ID))
	})
	switch n := len(v.Families); {
	case n == 0:
		v.RestNote = "None of " + Number(open, "open shard") + " needs a look; they are folded up."
	case n > FewShards:
		v.RestNote = fmt.Sprintf(
			"Of %s, %s need a look: the most severe %d are shown, the others are folded up.",
			Number(open, "open shard"), grouped(uint64(n)), FewShards,
		)
		rest = append(rest, v.Families[FewShards:]...)
		v.Families = v.Families[:FewShards]
	default:
		v.RestNote = "Of " + Number(open, "open shard") + ", those that need a look are shown, the most severe " +
			"first; the others are folded up."
	}
	slices.SortFunc(rest, func(a, b shardView) int { return strings.Compare(a.ID, b.ID) })
	if n := len(st.Shards) - open; n > 0 {
		v.RestNote += " " + Number(n, "shard") + " before these ended."
	}
	for i, part := range slices.Collect(slices.Chunk(rest, shardChunkSize)) {
		v.Chunks = append(v.Chunks, newShardChunk(i, part))
	}
}

func newShardChunk(i int, rows []shardView) shardChunk {
	states, lag := map[string]int{}, 0.0
	for i := range rows {
		states[rows[i].State]++
		lag = math.Max(lag, rows[i].lag)
	}
	var parts []string
	for _, state := range slices.Sorted(maps.Keys(states)) {
		parts = append(parts, fmt.Sprintf("%d %s", states[state], state))
	}
	return shardChunk{
		ID: fmt.Sprintf("shards-%d", i), From: rows[0].Short, To: rows[len(rows)-1].Short, Rows: rows,
		Text: strings.Join(parts, ", ") + ", lag " + words(seconds(lag)),
	}
}

// over reports whether the shard is no longer read.
func over(s *Shard) bool { return s.State == "ended" || s.State == "skipped" }

func newShardView(s *Shard, st *Status) shardView {
	row := shardView{
		ID:         s.ID,
		Short:      shortShard(s.ID),
		State:      shardState(s.State),
		Owner:      s.Owner,
		OwnerShort: shortWorker(s.Owner),
		Lag:        "–",
		Behind:     "–",
		Checked:    "–",
		Waiting:    "–",
		Held:       "–",
		Rate:       "–",
		Ended:      over(s),
	}
	row.Sign, row.Class = shardSign(s.State)
	switch len(s.Parents) {
	case 0:
	case 1:
		row.Parents = "from " + shortShard(s.Parents[0])
	default:
		row.Parents = "from " + shortShard(s.Parents[0]) + " and " + shortShard(s.Parents[1])
	}
	if s.HandoffTarget != "" {
		row.State += ", moves to " + shortWorker(s.HandoffTarget)
	}
	switch {
	case s.State == "unread":
		row.severity = 3
	case s.State == "paused", s.HandoffTarget != "":
		row.severity = 1
	}
	if (s.State == "held" || s.State == "foreign") && s.BytesPerSecond > 0 {
		row.Rate = bytesWords(s.BytesPerSecond) + "/s"
	}
	r := s.Reading
	if r == nil {
		row.Row = "bare idle"
		if s.State == "foreign" && s.CaughtUp != nil {
			row.Row, row.Lag = "bare", "≤ "+words(st.At.Add(-st.Ahead()).Sub(*s.CaughtUp))
		}
		return row
	}
	if r.Phase != "reading" && s.HandoffTarget == "" {
		row.State += ", " + r.Phase
	}
	row.lag = r.Lag
	row.Lag = words(seconds(r.Lag))
	if r.LastFetch != nil {
		row.Behind = words(seconds(r.Behind))
	}
	if r.Checkpoint != nil {
		row.Checked = words(st.At.Sub(*r.Checkpoint))
	}
	row.Waiting, row.Held = Count(r.Unresolved), Count(r.HeldKeys)
	if r.Gathered > 0 {
		row.Gathered = grouped(uint64(r.Gathered)) + " in digests"
	}
	if r.Lag >= lagWarnAfter.Seconds() {
		row.LagClass, row.severity = "warn", max(row.severity, 2)
	}
	if cause, _ := stall(st, r); cause != "" {
		row.severity = max(row.severity, 2)
		row.State += ", " + stalled(cause, r)
	}
	if r.HeldKeys > 0 {
		row.HeldClass, row.severity = "bad", 3
	}
	return row
}

// shardState is a state in the words of the page.
func shardState(state string) string {
	if state == string(checkpoint.ShardForeign) {
		return "other worker"
	}
	return state
}

// stalled returns why a shard is not read on.
func stalled(cause string, r *Reading) string {
	switch cause {
	case "state_awaited":
		return "waits for its state"
	case "memory_awaited":
		return "waits for memory"
	case "alerts_awaited":
		return "waits for its alerts"
	case "outputs_awaited":
		return "waits for an output"
	case "reads_throttled":
		return "is throttled"
	case "evaluation_stuck":
		return "evaluation does not end"
	}
	return "read fails" + because(r.ReadError)
}

// shardSign is a form and a class for a state, so that colour never says it alone.
func shardSign(state string) (sign, class string) {
	switch state {
	case "held":
		return "●", "ok"
	case "foreign":
		return "○", "quiet"
	case "unread":
		return "▲", "bad"
	case "paused":
		return "■", "warn"
	case "blocked":
		return "◌", "quiet"
	}
	return "□", "quiet"
}

// shortWorker shortens the host of a worker id, and keeps what distinguishes two workers of one host.
func shortWorker(id string) string {
	host, life, ok := strings.Cut(id, "/")
	if !ok {
		return id
	}
	const most = 24
	if r := []rune(host); len(r) > most {
		host = "…" + string(r[len(r)-most:])
	}
	return host + "/" + life[:min(4, len(life))]
}

func bytesWords(x float64) string {
	switch {
	case x < 1000:
		return fmt.Sprintf("%.0f B", x)
	case x < 1e6:
		return fmt.Sprintf("%.1f kB", x/1000)
	}
	return fmt.Sprintf("%.1f MB", x/1e6)
}

type workerView struct {
	ID, Short, State, Sign, Class, Heard string
	Version, VersionClass                string
	// Config is the beginning of the hash; ConfigNote says that it is another one than here.
	Config, ConfigNote   string
	Records, Alerts, Lag string
	// Shards is how many it has, "3 of 4" where it may not have more.
	Shards string
	// Has are the first of its shards, More is how many it has besides.
	Has  []shardName
	More int
	Self bool
}

// shardName is the id of a shard and what the page shows of it.
type shardName struct{ ID, Short string }

// shardsNamed are how many shards of a worker are named.
const shardsNamed = 8

func newWorkerView(w *FleetWorker, st *Status) workerView {
	row := workerView{
		ID: w.ID, Short: shortWorker(w.ID), Version: cmp.Or(w.Version, "unknown"), State: w.State, Sign: "●",
		Class:  "ok",
		Shards: Count(w.Shards), Self: w.Self, Config: cmp.Or(w.Configuration[:min(7, len(w.Configuration))],
			"unknown"),
		Records: "–", Alerts: "–", Lag: "–",
	}
	if w.MaxShards > 0 {
		row.Shards += " of " + Count(w.MaxShards)
	}
	switch {
	case w.State == workerFenced:
		row.Sign, row.Class = "▲", "warn"
	case w.State == workerLeaving:
		row.Sign, row.Class = "○", "quiet"
	case st.hasGoneSilent(w):
		row.State, row.Sign, row.Class = "silent", "▲", "warn"
	}
	row.Heard = "not yet"
	if w.Heard != nil {
		row.Heard = words(st.At.Sub(*w.Heard)) + " ago"
	}
	if w.Self {
		row.Heard = "this one"
	}
	if w.Version != st.Build.Version {
		row.VersionClass = "warn"
	}
	if w.DiffersSince != nil {
		row.ConfigNote = "differs for " + words(st.At.Sub(*w.DiffersSince))
	}
	if w.State != workerFenced && w.Records != nil && w.Alerts != nil && w.Lag != nil {
		row.Records, row.Alerts, row.Lag = rate(*w.Records), rate(*w.Alerts), words(seconds(*w.Lag))
	}
	for i := range st.Shards {
		switch s := &st.Shards[i]; {
		case s.Owner != w.ID || over(s):
		case len(row.Has) == shardsNamed:
			row.More++
		default:
			row.Has = append(row.Has, shardName{s.ID, shortShard(s.ID)})
		}
	}
	return row
}

// workerShare is how many of the shards a worker has.
type workerShare struct {
	Short      string
	Shards, Of int
	Self       bool
}

// sharesShown are as many as there is room for.
const sharesShown = 3

func (v *view) shares(st *Status) {
	of := 0
	var all []workerShare
	for i := range st.Workers {
		if w := &st.Workers[i]; w.State != workerFenced {
			all = append(all, workerShare{Short: shortWorker(w.ID), Shards: w.Shards, Self: w.Self})
			of = max(of, w.Shards)
		}
	}
	slices.SortStableFunc(all, func(a, b workerShare) int { return cmp.Compare(b.Shards, a.Shards) })
	for i := range all {
		all[i].Of = max(1, of)
	}
	if n := len(all) - sharesShown; n > 0 {
		v.Crew.More = Number(n, "more worker")
		all = all[:sharesShown]
	}
	v.Crew.Shares = all
}

// coverage is who reads the shards.
type coverage struct {
	// Read and Open are numbers; By is how many workers read them, Rest what is not read and why, Here what this
	// worker reads.
	Read, Open, By, Rest, Here string
	Class                      string
	// Sentence is all of it.
	Sentence string
}

func newCoverage(st *Status) coverage {
	t := &st.Totals
	c := coverage{
		Read: Count(t.Read), Open: Count(t.Open), By: "by " + Number(t.Readers, "worker"),
		Here: Count(st.ShardCounts[string(checkpoint.ShardHeld)]) + " here",
	}
	if t.Open == 0 {
		c.By, c.Sentence = "no shard is known yet", "no shard is known yet"
		return c
	}
	var rest []string
	for _, state := range []struct {
		state       checkpoint.ShardState
		words, sign string
	}{
		{checkpoint.ShardUnread, "without a reader", "bad"},
		{checkpoint.ShardPaused, "paused", "warn"},
		{checkpoint.ShardBlocked, "behind a parent", ""},
	} {
		if n := st.ShardCounts[string(state.state)]; n > 0 {
			rest = append(rest, Count(n)+" "+state.words)
			c.Class = cmp.Or(c.Class, state.sign)
		}
	}
	if t.Silent > 0 {
		rest = append(rest, Count(t.Silent)+" of a silent worker")
		c.Class = cmp.Or(c.Class, "warn")
	}
	c.Rest = strings.Join(rest, ", ")
	c.Sentence = fmt.Sprintf("%s of %s read %s", c.Read, Number(t.Open, "shard"), c.By)
	if c.Rest != "" {
		c.Sentence += ", " + c.Rest
	}
	return c
}

type ruleView struct {
	Name, Severity, Topics   string
	Runbook                  link
	Shadow                   bool
	State, Sign, Class       string
	Matched                  string
	Fired, Repeats, Resolves string
	Published, InDigests     string
	Undefined, Part          string
	Suppressed, Why          string
	Notes                    []string // why it does not fire
}

// link is a text that is a link if it can be followed.
type link struct{ Text, URL string }

func newLink(text string) link {
	l := link{Text: text}
	// A template, a variable or what was cut out leads nowhere.
	if (strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://")) &&
		!strings.Contains(text, "{{") && !strings.Contains(text, "${") && !strings.Contains(text, "[redacted]") {
		l.URL = text
	}
	return l
}

// silenceView is a row of the table of silences.
type silenceView struct{ Name, Active, Muted string }

func newSilenceView(x *Silence, now time.Time) silenceView {
	row := silenceView{Name: x.Name, Muted: grouped(x.Muted)}
	var from, until time.Time
	if x.From != nil {
		from = *x.From
	}
	if x.Until != nil {
		until = *x.Until
	}
	if row.Active = ActiveWhen(from, until, now); x.Conditional {
		row.Active += ", for records that meet its condition"
	}
	return row
}

func newRuleView(r *Rule) ruleView {
	row := ruleView{
		Name: r.Name, Severity: r.Severity, Topics: strings.Join(r.Topics, ", "), Shadow: r.Mode == "shadow",
		Matched: grouped(r.Matched), Fired: grouped(r.Kinds.Firing), Repeats: grouped(r.Kinds.Repeats),
		Resolves: grouped(r.Kinds.Resolved), Published: grouped(r.Published), Undefined: grouped(r.Undefined),
		Runbook: newLink(r.Runbook),
	}
	if r.InDigests > 0 {
		row.InDigests = grouped(r.InDigests) + " in digests"
	}
	if r.Undefined > 0 && r.Judged > 0 {
		row.Part = strings.Replace(percent(min(r.Undefined, r.Judged), r.Judged), "less than ", "< ", 1)
	}
	sum := uint64(0)
	var why []string
	for _, reason := range slices.Sorted(maps.Keys(r.Suppressed)) {
		if n := r.Suppressed[reason]; n > 0 {
			sum += n
			why = append(why, strings.ReplaceAll(reason, "_", " ")+" "+grouped(n))
		}
	}
	row.Suppressed, row.Why = grouped(sum), strings.Join(why, ", ")
	row.State, row.Sign, row.Class = standingWords(r)
	switch {
	case len(r.Fields) > 0:
		for i := range r.Fields {
			row.Notes = append(row.Notes, r.Fields[i].finding())
		}
	case r.Standing.Why != "":
		row.Notes = append(row.Notes, r.Standing.Why)
	}
	return row
}

// standingWords is a rule's state in the words of the page, with its sign and class.
func standingWords(r *Rule) (state, sign, class string) {
	switch r.Standing.State {
	case standingCannot:
		return "cannot fire", "▲", "warn"
	case standingStopped:
		return "no longer fires", "▲", "warn"
	case standingFires:
		if r.WouldBe {
			return "would fire", "●", "ok"
		}
		return "fires", "●", "ok"
	case standingSuppressed:
		return "suppressed", "◆", "quiet"
	case standingWaits:
		return "alerts wait", "◆", "warn"
	case standingMatches:
		return "never fired", "○", "quiet"
	case standingWatches:
		return "watches", "●", "ok"
	case standingUnmatched:
		return "no match yet", "○", "quiet"
	}
	return "no record yet", "○", "quiet"
}

type topicView struct {
	Name, State, Sign, Class      string
	Remedy                        string
	Waiting, Gathered, Sent, Rate string
	Last, Ago                     string
}

func newTopicView(t *Topic, at time.Time) topicView {
	row := topicView{
		Name: t.Name, State: "accepts", Sign: "●", Class: "ok", Remedy: t.Remedy,
		Waiting: Count(t.Waiting), Gathered: Count(t.Gathered), Sent: Count(t.SentLastMinute), Rate: "no limit",
		Last: "never",
	}
	if t.Rate > 0 {
		row.Rate = decimals(t.Share) + " of " + decimals(t.Rate) + "/s"
	}
	if t.LastAccepted != nil {
		row.Last, row.Ago = words(at.Sub(*t.LastAccepted)), " ago"
	}
	switch {
	case t.Fault != "":
		row.State, row.Sign, row.Class = faultWords(t.Fault), "✕", "bad"
		if t.FailingSince != nil {
			row.State += " for " + words(at.Sub(*t.FailingSince))
		}
	case topicFails(t, at):
		row.State, row.Sign, row.Class = "fails for "+words(at.Sub(*t.FailingSince)), "▲", "warn"
	case t.Digesting:
		row.State, row.Sign, row.Class = "gathers digests", "◆", "warn"
	case t.Ending:
		row.State, row.Sign, row.Class = "ends", "○", "quiet"
	}
	return row
}

// outputView is a row of the output streams.
type outputView struct {
	Name, Stream, State, Sign, Class string
	Remedy                           string
	Waiting, Share, Written          string
	Last, Ago                        string
}

func newOutputView(o *Output, st *Status) outputView {
	row := outputView{
		Name: o.Name, Stream: o.Stream, State: "accepts", Sign: "●", Class: "ok", Remedy: o.Remedy,
		Waiting: Count(o.Waiting), Written: Count(o.WrittenLastMinute), Last: "never",
	}
	if o.Waiting > 0 {
		row.Share = strings.Replace(percent(uint64(max(0, o.Bytes)), uint64(max(1, o.MaxBytes))), "less than ", "< ",
			1) +
			" of its memory"
	}
	if o.LastWritten != nil {
		row.Last, row.Ago = words(st.At.Sub(*o.LastWritten)), " ago"
	}
	switch {
	case o.Fault != "":
		row.State, row.Sign, row.Class = faultWords(o.Fault), "✕", "bad"
		if o.FailingSince != nil {
			row.State += " for " + words(st.ago(o.FailingSince))
		}
	case o.HeldKeys > 0:
		row.State, row.Sign, row.Class = "holds "+Number(o.HeldKeys, "key"), "✕", "bad"
	case st.outputFails(o):
		row.State, row.Sign, row.Class = "fails for "+words(st.ago(o.FailingSince)), "▲", "warn"
	case st.outputKeysFail(o):
		row.State, row.Sign, row.Class = "refuses "+Number(o.FailingKeys, "key"), "▲", "warn"
	case o.Crowded:
		row.State, row.Sign, row.Class = "full", "◆", "warn"
	case o.Ending:
		row.State, row.Sign, row.Class = "ends", "○", "quiet"
	}
	return row
}

// decimals writes a number with at most two decimals.
func decimals(x float64) string { return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64) }

type alertView struct {
	At, Ago, Rule, Key, Topic, Kind, Severity, Value, Latency, ID, ShortID string
	Class                                                                  string
	Explain                                                                string
	Runbook                                                                link
}

func newAlertView(a *Alert, at time.Time) alertView {
	row := alertView{
		At: a.Accepted.Format(time.RFC3339), Ago: words(at.Sub(a.Accepted)), Rule: a.Rule, Key: a.Key, Topic: a.Topic,
		Kind:     a.Kind,
		Severity: a.Severity, ID: a.ID, ShortID: a.ID[:min(10, len(a.ID))], Latency: "–", Value: "–",
		Explain: a.Explain, Runbook: newLink(a.Runbook),
	}
	if a.Value != nil {
		row.Value = strconv.FormatFloat(*a.Value, 'g', 6, 64)
	}
	if !a.Occurred.IsZero() {
		row.Latency = words(a.Accepted.Sub(a.Occurred))
	}
	if a.Kind == "digest" {
		row.Rule = Number(a.Alerts, "alert")
	}
	switch {
	case a.Kind == string(alert.KindResolved):
		row.Class = "quiet"
	case a.Severity == alert.SeverityCritical:
		row.Class = "bad"
	case a.Severity == alert.SeverityWarning:
		row.Class = "warn"
	}
	return row
}

type lettersView struct {
	Kind, State, Sign, Class, Remedy, Sent, Waiting string
}

func newLettersView(d *DeadLetters, at time.Time) *lettersView {
	v := &lettersView{
		Kind: strings.ToUpper(d.Kind), State: "accepts", Sign: "●", Class: "ok", Remedy: d.Remedy,
		Sent: grouped(d.Sent), Waiting: grouped(d.Waiting),
	}
	switch {
	case d.Fault != "":
		v.State, v.Sign, v.Class = faultWords(d.Fault), "✕", "bad"
	case lettersFail(d):
		v.State, v.Sign, v.Class = "fails for "+words(at.Sub(*d.FailingSince)), "▲", "warn"
	}
	return v
}
