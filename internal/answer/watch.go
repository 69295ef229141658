package answer

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"
)

const (
	// warnAfter is how long the answers of an operation may be bad, and twiceInARow how often, before that is reported.
	warnAfter   = 5 * time.Second
	twiceInARow = 2
	// forgotten is when a bad answer is out of date: every call that fails is retried sooner.
	forgotten = 45 * time.Second
	// forgottenRow is that of one row of a table, which may never be asked for again.
	forgottenRow = 10 * time.Second
)

// Watch knows the operations whose answers are bad now. It is safe for concurrent use.
type Watch struct {
	log   *zap.Logger
	count map[string]prometheus.Counter // by service and operation

	open   atomic.Int64 // entries of states, so that good answers cost nothing
	mu     sync.Mutex
	states map[place]*state
}

// place is an operation, of one shard, topic or the like where these can be bad alone.
type place struct{ service, operation, subject string }

// outdated reports whether a bad answer is too old to say anything about now.
func (p place) outdated(age time.Duration) bool {
	if strings.Contains(p.subject, ofRow) {
		return age > forgottenRow
	}
	return age > forgotten
}

// shown is the subject for people: of the row of a table, the table.
func (p place) shown() string {
	table, _, _ := strings.Cut(p.subject, ofRow)
	return table
}

type state struct {
	since, last time.Time
	inRow       int
	what        string
	reported    bool
}

// NewWatch makes a watch, with a series for each operation.
func NewWatch(log *zap.Logger, reg prometheus.Registerer) *Watch {
	w := &Watch{log: log, states: map[place]*state{}, count: map[string]prometheus.Counter{}}
	counts := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_bad_answers_total",
		Help: "Answers of AWS that could not be used: promised members missing, another call's body, too long, a " +
			"redirect and the like.",
	}, []string{"service", "operation"})
	for name := range table() {
		service, operation, _ := strings.Cut(name, ".")
		w.count[name] = counts.WithLabelValues(service, operation)
	}
	return w
}

func placeOf(ctx context.Context, subject string) place {
	return place{awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), subject}
}

func (w *Watch) good(ctx context.Context, subjects ...string) {
	if w == nil || w.open.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, subject := range subjects {
		w.heal(placeOf(ctx, subject))
	}
}

// heal ends what was bad. Call it with mu held.
func (w *Watch) heal(at place) {
	s := w.states[at]
	if s == nil {
		return
	}
	w.drop(at)
	if s.reported && !w.reportedElsewhere(at) {
		w.log.Info("answers of AWS are fine again", zap.String("service", at.service), zap.String(
			"operation", at.operation,
		),
			zap.Duration("after", time.Since(s.since)))
	}
}

// bad notes a bad answer, about each of these subjects.
func (w *Watch) bad(ctx context.Context, err *BadError, subjects ...string) {
	if w == nil {
		return
	}
	if n := w.count[err.Service+"."+err.Operation]; n != nil {
		n.Inc()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, subject := range subjects {
		w.note(placeOf(ctx, subject), err, time.Now())
	}
}

// note notes it about one of them. Call it with mu held.
func (w *Watch) note(at place, err *BadError, now time.Time) {
	s := w.states[at]
	if s == nil || at.outdated(now.Sub(s.last)) {
		s = &state{since: now, reported: s != nil && s.reported}
		w.states[at] = s
		w.open.Store(int64(len(w.states)))
	}
	s.last, s.what = now, err.What
	s.inRow++
	if s.reported || !s.lasts(now) {
		return
	}
	elsewhere := w.reportedElsewhere(at)
	if s.reported = true; !elsewhere {
		w.log.Warn("answers of AWS cannot be used, trying again", zap.String("service", at.service), zap.String(
			"operation", at.operation,
		),
			zap.String("subject", at.shown()), zap.String("what", err.What), zap.Error(err.Err))
	}
}

func (w *Watch) drop(at place) {
	delete(w.states, at)
	w.open.Store(int64(len(w.states)))
}

// reportedElsewhere reports whether the operation was reported already, for another subject.
func (w *Watch) reportedElsewhere(at place) bool {
	for p, s := range w.states {
		if p != at && p.service == at.service && p.operation == at.operation && s.reported {
			return true
		}
	}
	return false
}

func (s *state) lasts(now time.Time) bool {
	return s.inRow >= twiceInARow || now.Sub(s.since) >= warnAfter
}

// Trouble is an operation whose answers cannot be used.
type Trouble struct {
	Service, Operation string
	// What is wrong with the last of them.
	What string
	// Since is when the first came.
	Since time.Time
	// Subjects are what it is about, such as shards; empty where the operation has none.
	Subjects []string
}

// Troubles returns the operations that are in trouble now, by name. What a retry healed does not count.
func (w *Watch) Troubles() []Trouble {
	if w == nil || w.open.Load() == 0 {
		return nil
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[place]*Trouble{}
	for at, s := range w.states {
		if at.outdated(now.Sub(s.last)) {
			w.drop(at)
			continue
		}
		if !s.lasts(now) {
			continue
		}
		key := place{at.service, at.operation, ""}
		t := found[key]
		if t == nil {
			t = &Trouble{Service: at.service, Operation: at.operation, What: s.what, Since: s.since}
			found[key] = t
		}
		if s.since.Before(t.Since) {
			t.Since, t.What = s.since, s.what
		}
		if at.subject != "" {
			t.Subjects = append(t.Subjects, at.shown())
		}
	}
	out := make([]Trouble, 0, len(found))
	for _, t := range found {
		slices.Sort(t.Subjects)
		t.Subjects = slices.Compact(t.Subjects)
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b Trouble) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation))
	})
	return out
}
