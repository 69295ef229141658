package alert

import (
	"bytes"
	"cmp"
	"container/list"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/forest"
)

// The members that a score adds to a record, for the default name: those of Kinesis Data Analytics, and whether an
// automatic threshold classifies the record as an anomaly.
const (
	defaultScoreName  = "ANOMALY_SCORE"
	scoreSuffix       = "_SCORE"
	explanationSuffix = "_EXPLANATION"
)

const (
	defaultScoreMemory = 64 << 20
	minScoreMemory     = 1 << 20
	maxScoreFields     = forest.MaxDimensions
)

// ScoreConfig is one random cut forest for each shard, or for each key of a shard.
type ScoreConfig struct {
	// The field that the score adds to a record. Several scores are a list, each with a name of its own. If the name
	// ends in _SCORE, that of the explanation and of the verdict are made of what is before it: ANOMALY_EXPLANATION,
	// ANOMALY.
	As string `yaml:"as" default:"ANOMALY_SCORE"`
	// 1 to 30 fields with numbers, which together are one point, by their paths: `heartRate`, `order.price`. A record
	// where one is missing, null, text or not finite has no score, teaches nothing and is counted.
	Fields []string `yaml:"fields" required:"true"`
	// `partition_key` or the path of a field: each of its values has a forest of its own.
	Key string `yaml:"key" unset:"one forest for the shard"`
	// How many trees the forest has: numberOfTrees of the service, where it is 100.
	Trees int `yaml:"trees" default:"30" range:"1..1000"`
	// How many points a tree holds: subSampleSize of the service.
	Samples int `yaml:"samples" default:"256" range:"10..1000"`
	// How many records matter: timeDecay of the service. It must be above `samples`.
	Decay int `yaml:"decay" default:"100000" range:"1..2147483647"`
	// How many records in a row are one point: shingleSize of the service.
	Shingle int `yaml:"shingle" default:"1" range:"1..30"`
	// `kda` agrees with the published scores of the service, with 0 for the first 256 records; `standard` are those of
	// the open source library.
	Scoring string `yaml:"scoring" default:"kda" enum:"kda|standard"`
	// Another number makes another forest of the same kind.
	Seed int `yaml:"seed" default:"8" range:"0.."`
	// Add ANOMALY_EXPLANATION, in the form of the service. It about doubles the cost.
	Explain bool `yaml:"explain" default:"false"`
	// `auto` adds ANOMALY, true where the score stands apart from those of this stream, and ANOMALY_BEGINS, true for
	// the first of several in a row. A value that has kept within 1 % of its level counts as being there while it
	// stays within 1 %; a level of 0 has no such band, so give `auto.ignore_near.amount` there. Without `auto`,
	// compare ANOMALY_SCORE in a rule.
	Threshold string `yaml:"threshold" enum:"auto"`
	// What tunes `threshold: auto`.
	Auto AutoConfig `yaml:"auto"`
	// How many bytes the forests of all keys of a shard take together, 64 MiB if left out. Beyond it the key that was
	// not used for the longest time is forgotten, and counted.
	Memory int `yaml:"memory" default:"67108864" range:"1048576..68719476736"`
}

// AutoConfig tunes an automatic threshold; see forest.ThresholdConfig.
type AutoConfig struct {
	// The share of the records that may be anomalies.
	Rate float64 `yaml:"rate" default:"0.002" range:"0..0.5"`
	// The share of the records that may be anomalies if their scores stand apart with a gap below them.
	Group float64 `yaml:"group" unset:"0.02, or rate if that is more" range:"0..0.5"`
	// The lowest threshold. No score reaches 10.25.
	Floor float64 `yaml:"floor" default:"1.5" range:"0..10.25"`
	// Ignore records whose values are all near the median of what the forest holds.
	IgnoreNear NearConfig `yaml:"ignore_near"`
}

// NearConfig is a distance: at most Amount, or at most Ratio times the expected value. Zero turns either off.
type NearConfig struct {
	// At most so far from it; 0 is not used.
	Amount float64 `yaml:"amount" default:"0" range:"0.."`
	// At most this part of it; 0 is not used.
	Ratio float64 `yaml:"ratio" default:"0" range:"0.."`
}

// score is one compiled score. It does not change.
type score struct {
	config    ScoreConfig
	place     int
	names     scoreNames
	slots     []int // of the fields
	taken     []int // of the members that it adds
	keySlot   int   // -1: partition key or none
	keyed     bool
	forest    forest.Config
	threshold *forest.ThresholdConfig
	// fingerprint is a hash of what the remembered forests depend on.
	fingerprint [16]byte
	metrics     scoreMetrics
}

// scoreNames are the members that a score adds.
type scoreNames struct{ score, explanation, anomaly, begins string }

type scoreMetrics struct {
	skipped map[Reason]prometheus.Counter
	evicted prometheus.Counter
}

// Why a record has no score.
const (
	// reasonField is a field that is missing, null, not a number, or not finite.
	reasonField Reason = "field"
	// reasonScored is a record that already has a member that the score would add.
	reasonScored Reason = "scored"
)

func skipReasons() []Reason { return []Reason{reasonField, reasonScored} }

// scoreMemory is what one score remembers: a forest for each key, the last used last.
type scoreMemory struct {
	score   *score
	agreed  *agreement // of the memory that it is a part of
	byKey   map[string]*scored
	used    list.List // of all *scored, the last used last
	bytes   int
	values  []float64
	parts   []forest.Attribution
	keyText []byte
}

// scored is the forest of a key.
type scored struct {
	key       string
	used      *list.Element // its place in the order of use
	bytes     int
	forest    *forest.Forest
	threshold *forest.Threshold
}

// scoring is an evaluator's working memory for scores: a decoder for the fields of all scores, and the payload buffer.
type scoring struct {
	decoder *condition.Decoder
	slots   []condition.Value
	payload []byte
}

// apply scores a record and returns its payload with the scores added. If there is nothing to score, it returns the
// record's own payload: later stages report what is wrong with it.
func (s *scoring) apply(c *compiled, m *memory, rec *Record) []byte {
	for _, slot := range s.decoder.Touched {
		s.slots[slot] = condition.Value{}
	}
	if s.decoder.Decode(rec.Data, s.slots) != "" {
		return rec.Data
	}
	end := bytes.LastIndexByte(rec.Data, '}')
	s.payload = append(s.payload[:0], rec.Data[:end]...)
	first := bytes.TrimRight(s.payload, " \t\r\n")
	empty := len(first) > 0 && first[len(first)-1] == '{'
	added := false
	for i, x := range c.scores {
		if slices.ContainsFunc(x.taken, func(slot int) bool { return s.slots[slot].Kind != condition.Absent }) {
			x.metrics.skipped[reasonScored].Inc()
			continue
		}
		before := len(s.payload)
		if s.payload = m.scores[i].append(s.payload, s.slots, rec, !empty || added); len(s.payload) > before {
			added = true
		}
	}
	if !added {
		return rec.Data
	}
	s.payload = append(s.payload, rec.Data[end:]...)
	return s.payload
}

// append appends the members of one score to an unfinished payload; nothing if the record has no point.
func (m *scoreMemory) append(to []byte, slots []condition.Value, rec *Record, comma bool) []byte {
	x := m.score
	m.values = m.values[:0]
	for _, slot := range x.slots {
		v := &slots[slot]
		if v.Kind != condition.Number || math.IsInf(v.Num, 0) || math.IsNaN(v.Num) {
			x.metrics.skipped[reasonField].Inc()
			return to
		}
		m.values = append(m.values, v.Num)
	}
	f := m.find(m.keyOf(slots, rec))
	if !f.forest.Valid(m.values) {
		x.metrics.skipped[reasonField].Inc()
		return to
	}
	figure := f.forest.Score(m.values)
	if comma {
		to = append(to, ',')
	}
	to = appendMember(to, x.names.score)
	to = strconv.AppendFloat(to, figure, 'g', -1, 64)
	if x.config.Explain {
		to = appendMember(append(to, ','), x.names.explanation)
		to = m.explain(to, f)
	}
	if f.threshold != nil {
		v := f.threshold.Judge(f.forest, m.values, figure)
		to = appendMember(append(to, ','), x.names.anomaly)
		to = strconv.AppendBool(to, v.Anomaly)
		to = appendMember(append(to, ','), x.names.begins)
		to = strconv.AppendBool(to, v.Begins)
	}
	f.forest.Update(m.values)
	m.weigh(f)
	return to
}

// appendMember appends the name of a member; the names of scores need no escapes.
func appendMember(to []byte, name string) []byte {
	return append(append(append(to, '"'), name...), `":`...)
}

// explain appends the attribution in the form of ANOMALY_EXPLANATION, whose numbers are texts.
func (m *scoreMemory) explain(to []byte, f *scored) []byte {
	m.parts = f.forest.Attribution(m.parts[:0], m.values)
	to = append(to, '{')
	for i, p := range m.parts {
		if i > 0 {
			to = append(to, ',')
		}
		to = strconv.AppendQuote(to, m.score.config.Fields[i])
		to = fmt.Appendf(to, `:{"DIRECTION":%q,"STRENGTH":"%.4f","ATTRIBUTION_SCORE":"%.4f"}`, p.Direction, p.Strength,
			p.Score)
	}
	return append(to, '}')
}

func (m *scoreMemory) keyOf(slots []condition.Value, rec *Record) []byte {
	m.keyText = m.keyText[:0]
	switch {
	case m.score.keySlot >= 0:
		m.keyText = slots[m.score.keySlot].AppendText(m.keyText)
		if len(m.keyText) > maxKey && m.agreed.keyed() {
			short := m.agreed.key.shorten(m.keyText)
			m.keyText = nil // it may be as long as a record
			return short
		}
	case m.score.keyed:
		m.keyText = append(m.keyText, rec.PartitionKey...)
	}
	return m.keyText
}

// find returns the forest of a key, as the most recently used one, and plants it if there is none.
func (m *scoreMemory) find(key []byte) *scored {
	if f := m.byKey[string(key)]; f != nil {
		m.used.MoveToBack(f.used)
		return f
	}
	f := m.score.plant(string(key))
	m.put(f)
	return f
}

// plant makes an empty forest.
func (x *score) plant(key string) *scored {
	f := &scored{key: key}
	f.forest, _ = forest.New(x.forest) // the configuration was validated
	if x.threshold != nil {
		f.threshold, _ = forest.NewThreshold(*x.threshold)
	}
	return f
}

func (m *scoreMemory) put(f *scored) {
	m.byKey[f.key] = f
	f.used = m.used.PushBack(f)
	m.weigh(f)
}

// weigh updates how much memory a forest takes, and makes room.
func (m *scoreMemory) weigh(f *scored) {
	if now := f.forest.Size() + scoreOverhead + len(f.key); now != f.bytes {
		m.bytes += now - f.bytes
		f.bytes = now
	}
	for m.bytes > m.score.config.Memory && m.used.Len() > 1 {
		old, _ := m.used.Remove(m.used.Front()).(*scored)
		delete(m.byKey, old.key)
		m.bytes -= old.bytes
		if m.score.metrics.evicted != nil {
			m.score.metrics.evicted.Inc()
		}
	}
}

// all yields the forests, the least recently used one first.
func (m *scoreMemory) all(yield func(*scored) bool) {
	for at := m.used.Front(); at != nil; at = at.Next() {
		if f, ok := at.Value.(*scored); ok && !yield(f) {
			return
		}
	}
}

// scores compiles the scores. Their fields have a separate schema, since they are read before the filter and the rules
// run.
func (f *faults) scores(configs []ScoreConfig, format string) ([]*score, *condition.Schema) {
	s := condition.NewSchema(false)
	var out []*score
	for i, c := range configs {
		field := fmt.Sprintf("score[%d]", i)
		if format != FormatJSON {
			f.add(field, "", "needs the numbers of JSON records; format must be json")
		}
		x := &score{config: c, place: i, keySlot: -1, keyed: c.Key != ""}
		f.name(field+".as", c.As, "_")
		x.names = namesOf(c.As)
		for j, path := range c.Fields {
			if strings.TrimSpace(path) == "" || slices.Index(c.Fields, path) < j {
				f.add(fmt.Sprintf("%s.fields[%d]", field, j), path, "must be the path of a field, once")
			}
			x.slots = append(x.slots, s.Field(strings.Split(path, ".")))
		}
		if len(c.Fields) == 0 || len(c.Fields) > maxScoreFields {
			f.add(field+".fields", "", "must name 1 to %d fields with numbers", maxScoreFields)
		}
		if c.Key != "" && c.Key != "partition_key" {
			x.keySlot = s.Field(strings.Split(c.Key, "."))
		}
		for _, name := range x.adds() {
			for _, b := range out {
				if slices.Contains(b.adds(), name) {
					f.add(field+".as", c.As, "adds %s, as score[%d] does; names must be unique", name, b.place)
				}
			}
			x.taken = append(x.taken, s.Field([]string{name}))
		}
		f.scoreForest(field, c, x)
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %+v %+v", c.Fields, c.Key, x.forest, c.Threshold))
		x.fingerprint = [16]byte(sum[:16])
		out = append(out, x)
	}
	return out, s
}

func namesOf(as string) scoreNames {
	stem, ok := strings.CutSuffix(as, scoreSuffix)
	anomaly := stem
	if !ok || stem == "" {
		anomaly = as + "_ANOMALY"
	}
	return scoreNames{as, stem + explanationSuffix, anomaly, anomaly + "_BEGINS"}
}

// adds returns the members that a record gets.
func (x *score) adds() []string {
	names := []string{x.names.score}
	if x.config.Explain {
		names = append(names, x.names.explanation)
	}
	if x.config.Threshold != "" {
		names = append(names, x.names.anomaly, x.names.begins)
	}
	return names
}

// scoreForest checks the parameters.
func (f *faults) scoreForest(field string, c ScoreConfig, x *score) {
	if c.Memory < minScoreMemory {
		f.add(field+".memory", strconv.Itoa(c.Memory), "must be at least %d bytes", minScoreMemory)
	}
	if c.Scoring != string(forest.KDA) && c.Scoring != string(forest.Standard) {
		f.add(field+".scoring", c.Scoring, "must be %s or %s", forest.KDA, forest.Standard)
		return
	}
	if c.Seed < 0 {
		f.add(field+".seed", strconv.Itoa(c.Seed), "must not be negative")
	}
	x.forest = forest.Config{
		Dimensions: max(len(c.Fields), 1), Trees: c.Trees, SampleSize: c.Samples, Decay: c.Decay, Shingle: c.Shingle,
		Scoring: forest.Scoring(c.Scoring), Seed: uint64(max(c.Seed, 0)),
	}.WithDefaults()
	inRange := true
	for _, of := range []struct {
		name            string
		value, from, to int
	}{
		{"trees", c.Trees, 1, forest.MaxTrees},
		{"samples", c.Samples, forest.MinSampleSize, forest.MaxSampleSize},
		{"decay", c.Decay, 1, forest.MaxDecay},
		{"shingle", c.Shingle, 1, forest.MaxShingle},
	} {
		if of.value < of.from || of.value > of.to {
			f.add(field+"."+of.name, strconv.Itoa(of.value), "must be between %d and %d", of.from, of.to)
			inRange = false
		}
	}
	if err := x.forest.Validate(); err != nil && inRange && len(c.Fields) <= maxScoreFields {
		for _, cause := range leaves(err) {
			f.add(field, "", "%s", cause.Error())
		}
	}
	switch c.Threshold {
	case "":
		if c.Auto != (AutoConfig{}) {
			f.add(field+".auto", "", "needs threshold: auto")
		}
	case "auto":
		x.threshold = new(forest.ThresholdConfig{
			Rate: c.Auto.Rate, Group: c.Auto.Group, Floor: c.Auto.Floor, IgnoreNear: forest.Near(c.Auto.IgnoreNear),
			Decay: x.forest.Decay,
		}.WithDefaults())
		if err := x.threshold.Validate(); err != nil {
			for _, cause := range leaves(err) {
				f.add(field+".auto", "", "%s", cause.Error())
			}
		}
	default:
		f.add(field+".threshold", c.Threshold, "must be auto, or left out: with a number, compare %s in a rule", c.As)
	}
}

// withDefaults fills in the defaults.
func (c ScoreConfig) withDefaults() ScoreConfig {
	c.As = cmp.Or(c.As, defaultScoreName)
	c.Scoring = cmp.Or(c.Scoring, string(forest.KDA))
	c.Memory = cmp.Or(c.Memory, defaultScoreMemory)
	c.Fields = slices.Clone(c.Fields)
	grown := forest.Config{
		Trees: c.Trees, SampleSize: c.Samples, Decay: c.Decay, Shingle: c.Shingle,
		Seed: uint64(max(c.Seed, 0)),
	}.WithDefaults()
	c.Trees, c.Samples, c.Decay, c.Shingle = grown.Trees, grown.SampleSize, grown.Decay, grown.Shingle
	c.Seed = cmp.Or(c.Seed, int(grown.Seed)) //nolint:gosec // it was an int
	if c.Threshold == "auto" {
		t := forest.ThresholdConfig{Rate: c.Auto.Rate, Group: c.Auto.Group, Floor: c.Auto.Floor}.WithDefaults()
		c.Auto.Rate, c.Auto.Group, c.Auto.Floor = t.Rate, t.Group, t.Floor
	}
	return c
}

func newScoring(s *condition.Schema) *scoring {
	return &scoring{decoder: condition.NewDecoder(s), slots: make([]condition.Value, s.Slots)}
}

func newScoreMemory(x *score, agreed *agreement) *scoreMemory {
	return &scoreMemory{score: x, agreed: agreed, byKey: map[string]*scored{}}
}

// shortened returns what is kept of a key.
func (m *scoreMemory) shortened(key string) string {
	if len(key) <= maxKey || m.score.keySlot < 0 || !m.agreed.keyed() {
		return key
	}
	return string(m.agreed.key.shorten([]byte(key)))
}

// shorten replaces long keys by their shortened form.
func (m *scoreMemory) shorten() {
	for f := range m.all {
		if short := m.shortened(f.key); short != f.key {
			delete(m.byKey, f.key)
			f.key = short
			m.byKey[short] = f
			m.weigh(f)
		}
	}
}

// write appends what a score remembers, the least recently used key first.
func (m *scoreMemory) write(w *writer) error {
	w.uint(uint64(len(m.byKey)))
	var errs []error
	for f := range m.all {
		w.text(f.key)
		state, err := f.forest.AppendBinary(nil)
		errs = append(errs, err)
		w.blob(state)
		if f.threshold != nil {
			state, err = f.threshold.AppendBinary(nil)
			errs = append(errs, err)
			w.blob(state)
		}
	}
	return errors.Join(errs...)
}

// scoreOverhead is what a forest takes in addition to its points: the threshold and the entry.
const scoreOverhead = 6 << 10

// read reads what write appended. If there are more keys than the memory allows, it skips the least recently used ones,
// which come first.
func (m *scoreMemory) read(r *reader) {
	n := r.count()
	most := uint64(m.score.config.Memory/scoreOverhead) + 1 //nolint:gosec // positive
	for i := range n {
		key, grown, threshold := r.take(r.uint()), r.take(r.uint()), []byte(nil)
		if m.score.threshold != nil {
			threshold = r.take(r.uint())
		}
		if r.failed {
			return
		}
		if n-i > most {
			continue
		}
		f := &scored{key: m.shortened(string(key))}
		var err error
		if f.forest, err = forest.Decode(m.score.forest, grown); err != nil {
			r.fail()
			return
		}
		if m.score.threshold != nil {
			if f.threshold, err = forest.DecodeThreshold(*m.score.threshold, threshold); err != nil {
				r.fail()
				return
			}
		}
		if m.byKey[f.key] == nil { // a duplicate: no version writes one
			m.put(f)
		}
	}
}

// inherit takes over the forests of a parent: of partition keys those that this shard owns, of other keys all.
func (m *scoreMemory) inherit(parent *scoreMemory, owns func(string) bool) {
	byPartition := m.score.keyed && m.score.keySlot < 0
	for f := range parent.all {
		if known := m.byKey[f.key]; known != nil {
			if known.forest.Points() < f.forest.Points() { // of two parents, prefer the one that saw more
				known.forest, known.threshold = f.forest, f.threshold
				m.weigh(known)
			}
		} else if !byPartition || owns(f.key) {
			f.bytes = 0
			m.put(f)
		}
	}
}
