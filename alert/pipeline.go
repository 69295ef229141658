package alert

import (
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/alert/payload"
)

// Deps are the dependencies of a Pipeline. All but Input are required.
type Deps struct {
	// Stream is the ARN of the stream, which is part of every alert id.
	Stream string
	// Input is the hash of how Kinesis records are taken apart; empty where they are taken as they are. It is part of
	// the ids of alerts about records inside Kinesis records.
	Input string
	Log   *zap.Logger
	// Registerer registers the package's metrics; it can serve only one Pipeline.
	Registerer prometheus.Registerer
}

// Pipeline decides what records mean. It is safe for concurrent use. Its rules change only by Update, as a whole.
type Pipeline struct {
	stream  string
	input   string
	log     *zap.Logger
	metrics *metrics
	// hidden are the built-in names that hide a field and have been logged.
	hidden [condition.BuiltinSlots]atomic.Bool
	// deep is how many unreadable records were examined closely.
	deep    atomic.Uint64
	hints   hints
	current atomic.Pointer[compiled]
	// edits is what the last Update did to rules (edited_rules.go).
	edits atomic.Pointer[map[string]string]
}

// compiled is a compiled Config: one version of the rules. It does not change.
type compiled struct {
	schema *condition.Schema
	// filter is nil if every record passes.
	filter *filter.Set
	// filtered are the top-level members of the payload that the filter looks at.
	filtered map[string]bool
	// scores are the forests, and scored the schema of what they look at.
	scores []*score
	scored *condition.Schema
	rules  []*rule
	// outputs are in the order of their names.
	outputs []*output
	// every is the route of each record's alert in the mode without rules; nil otherwise.
	every    *route
	index    *condition.Index
	watch    *fieldWatch
	silences []*silence
	// covers are the conditions of the silences, each once.
	covers   []*cover
	watchdog *watchdog
	// needNonMatches are the rules whose memory of a key changes with records that do not match.
	needNonMatches condition.RuleSet
	// topics are the names of the configured topics.
	topics            map[string]bool
	maxKeys           int
	deadLetterInvalid bool
	stateful          bool
	// readsRows says that rules read a record that is a row as it is; otherwise they need its JSON text.
	readsRows bool
}

// Rules are a valid Config, compiled. They belong to the one Pipeline that takes them.
type Rules struct {
	set atomic.Pointer[compiled]
}

// Compile returns the rules that c describes, or every fault of c, each as a *ConfigError, joined. It applies the
// defaults first.
func (c Config) Compile() (*Rules, error) {
	set, err := compileConfig(c.WithDefaults())
	if err != nil {
		return nil, err
	}
	rules := new(Rules)
	rules.set.Store(set)
	return rules, nil
}

func (r *Rules) take() (*compiled, error) {
	set := r.set.Swap(nil)
	if set == nil {
		return nil, errors.New("alert: the rules belong to a pipeline already: compile the configuration again")
	}
	return set, nil
}

// route is one destination of a rule. The rule is nil in the mode without rules.
type route struct {
	rule       *rule
	topic      string
	render     *renderer
	savedWords []byte // the words of the topic as a snapshot keeps them
}

// New makes a pipeline that runs rules. Its error says which dependency is missing, or that another pipeline has the
// rules.
func New(rules *Rules, deps Deps) (*Pipeline, error) {
	switch {
	case deps.Stream == "":
		return nil, errors.New("alert: Deps.Stream is empty: alert ids need the stream's ARN")
	case deps.Log == nil:
		return nil, errors.New("alert: Deps.Log is nil")
	case deps.Registerer == nil:
		return nil, errors.New("alert: Deps.Registerer is nil")
	}
	c, err := rules.take()
	if err != nil {
		return nil, err
	}
	p := &Pipeline{stream: deps.Stream, input: deps.Input, log: deps.Log, metrics: newMetrics(deps.Registerer)}
	p.install(c)
	return p, nil
}

// Update activates other rules. Every evaluator switches between two records, and keeps the memory of rules whose
// definition is the same. It fails only if another pipeline has the rules; then nothing has changed.
func (p *Pipeline) Update(rules *Rules) error {
	c, err := rules.take()
	if err != nil {
		return err
	}
	old := p.current.Load()
	p.edits.Store(new(editsOf(old, c)))
	p.install(c)
	p.metrics.forget(old, c)
	return nil
}

func (p *Pipeline) install(c *compiled) {
	p.metrics.adopt(c)
	if old := p.current.Load(); old != nil {
		c.countOn(old)
	}
	for _, to := range c.routes() {
		to.render.stream = p.stream
	}
	p.current.Store(c)
}

// Shard makes the evaluator of a shard. It is cheap and belongs to one goroutine.
func (p *Pipeline) Shard(id string) *Evaluator { return newEvaluator(p, id) }

// Rewound makes the evaluator of a shard that was rewound generation times. Its alert ids differ from those of every
// other generation. Generation 0 is the same as Shard.
func (p *Pipeline) Rewound(id string, generation uint32) *Evaluator {
	e := newEvaluator(p, id)
	e.out.generation = generation
	return e
}

// Poison returns the decision on a malformed record, such as an aggregate that cannot be unpacked: Invalid, and a dead
// letter if the configuration keeps such records. It is safe for concurrent use.
func (p *Pipeline) Poison(reason Reason) Decision {
	p.unreadable(nil, reason)
	d := Poison(reason)
	d.DeadLetter = p.current.Load().deadLetterInvalid
	return d
}

// HasTopic reports whether the rules that run now were configured with a topic. It is safe for concurrent use.
func (p *Pipeline) HasTopic(name string) bool { return p.current.Load().topics[name] }

// Resolved counts the outcome of a record that is done: its alerts have all been accepted, or it had none. The consumer
// calls it once for each record, and may have changed the outcome to Expired, Invalid or DeadLettered. It is safe for
// concurrent use.
func (p *Pipeline) Resolved(d Decision) {
	if int(d.Outcome) < len(p.metrics.records) {
		p.metrics.records[d.Outcome].Inc()
	}
	if d.Outcome != Invalid && (d.Outcome != DeadLettered || d.Reason == "" || d.Reason == ReasonOverBudget) {
		return
	}
	counter, ok := p.metrics.invalid[d.Reason]
	if !ok {
		counter = p.metrics.invalid[ReasonOther]
	}
	counter.Inc()
}

// unreadable counts a record that cannot be read. If most records are bad, only a sample is examined closely.
func (p *Pipeline) unreadable(data []byte, reason Reason) {
	const all, some = 64, 64
	n := p.deep.Add(1)
	if c := p.metrics.likely[payload.LikelyCause(data, payload.Defect(reason), n <= all || n%some == 0)]; c != nil {
		c.Inc()
	}
}

// shadowed counts a field that a built-in name hides, and logs it once.
func (p *Pipeline) shadowed(slot int) {
	p.metrics.shadowed[slot].Inc()
	if !p.hidden[slot].Swap(true) {
		p.log.Warn("records have a field that a built-in name hides from the rules",
			zap.String("field", condition.BuiltinNames()[slot]))
	}
}

// routes returns all routes of all rules.
func (c *compiled) routes() []*route {
	var all []*route
	if c.every != nil {
		all = append(all, c.every)
	}
	for _, r := range c.rules {
		all = append(all, r.routes...)
	}
	if c.watchdog != nil {
		all = append(all, c.watchdog.rule.routes...)
	}
	return all
}
