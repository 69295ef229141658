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

// Deps are what a Pipeline is given. All are required.
type Deps struct {
	// Stream is the ARN of the stream, which is part of every alert id.
	Stream string
	Log    *zap.Logger
	// Registerer takes the package's metrics; it can be used for one Pipeline only.
	Registerer prometheus.Registerer
}

// Pipeline decides what records mean. It is safe for concurrent use. Its rules change only by Update, as a whole.
type Pipeline struct {
	stream  string
	log     *zap.Logger
	metrics *metrics
	// hidden are the built-in names that have been reported to hide a field.
	hidden [condition.BuiltinSlots]atomic.Bool
	// deep is how many unreadable records were looked at closely.
	deep    atomic.Uint64
	current atomic.Pointer[compiled]
	// edits is what the last Update did to rules (edited_rules.go).
	edits atomic.Pointer[map[string]string]
}

// compiled is a Config made ready to run: one version of the rules. It does not change.
type compiled struct {
	schema *condition.Schema
	// filter is nil where every record passes.
	filter *filter.Set
	// filtered are the top-level members of the payload that the filter looks at.
	filtered map[string]bool
	// scores are the forests, and scored the schema of what they look at.
	scores []*score
	scored *condition.Schema
	rules  []*rule
	// every is the alert of each record where there are no rules; nil otherwise.
	every    *route
	index    *condition.Index
	watch    *fieldWatch
	silences []*silence
	// covers are the conditions of the silences, each once.
	covers   []*cover
	watchdog *watchdog
	// needNonMatches are the rules to which a record that does not match means something while they remember its key.
	needNonMatches condition.RuleSet
	maxKeys        int
	letters        bool
	stateful       bool
}

// Rules are a valid Config, compiled. They count for the one Pipeline that takes them.
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

// route is one destination of a rule. The rule is nil where there are no rules.
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
	p := &Pipeline{stream: deps.Stream, log: deps.Log, metrics: newMetrics(deps.Registerer)}
	p.install(c)
	return p, nil
}

// Update makes other rules the active ones. Every evaluator changes over between two records, and keeps what rules
// remember whose definition is the same. It fails only if another pipeline has the rules; then nothing has changed.
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

// Rewound is Shard for one that was sent back so many times. Its alerts have ids that differ from those of every other
// generation; generation 0 is Shard.
func (p *Pipeline) Rewound(id string, generation uint32) *Evaluator {
	e := newEvaluator(p, id)
	e.out.generation = generation
	return e
}

// Poison is the decision on something that never became a record, such as an aggregate that cannot be taken apart:
// Invalid, and a dead letter where the configuration wants to see such records. Safe for concurrent use.
func (p *Pipeline) Poison(reason Reason) Decision {
	p.unreadable(nil, reason)
	d := Poison(reason)
	d.DeadLetter = p.current.Load().letters
	return d
}

// Resolved counts the outcome of a record whose alerts have all been accepted, or which had none. The consumer calls it
// once for each record; it may have changed the outcome to Expired, Invalid or DeadLettered. Safe for concurrent use.
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

// unreadable accounts for a record that cannot be read. Where most records are bad, only some of them are looked at
// closely.
func (p *Pipeline) unreadable(data []byte, reason Reason) {
	const all, some = 64, 64
	n := p.deep.Add(1)
	if c := p.metrics.likely[payload.LikelyCause(data, payload.Defect(reason), n <= all || n%some == 0)]; c != nil {
		c.Inc()
	}
}

// shadowed accounts for a field that a built-in name hides, and says so once.
func (p *Pipeline) shadowed(slot int) {
	p.metrics.shadowed[slot].Inc()
	if !p.hidden[slot].Swap(true) {
		p.log.Warn("records have a field that a built-in name hides from the rules",
			zap.String("field", condition.BuiltinNames()[slot]))
	}
}

// routes are all destinations.
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
