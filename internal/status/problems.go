package status

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// catalog has every problem of the page, by what it is about. Problems of one level are shown in this order: causes
// before what they cause. What is about credentials up to shards can make shards lag.
func catalog() []subject {
	return []subject{
		{"credentials", credentialsKinds()},
		{"daemon", daemonKinds()},
		{"answers", answerKinds()},
		{"table", tableKinds()},
		{"topic", topicKinds()},
		{"output", outputKinds()},
		{"dead_letters", deadLetterKinds()},
		{"kinesis", kinesisKinds()},
		{"owners", ownerKinds()},
		{"shards", shardKinds()},
		{"records", recordKinds()},
		{"rules", ruleKinds()},
		{"lag", lagKinds()},
		{"configuration", configurationKinds()},
	}
}

// subject is what problems are about.
type subject struct {
	name  string
	kinds []kind
}

// kind is one kind of problem.
type kind struct {
	// code is stable: it is the label of a metric and the name of a section in deploy/runbooks/problems.md.
	code string
	// symptomOf are the codes that explain this one: it is hidden while one of them is found about the same object, or
	// about none.
	symptomOf []string
	// remedy is what to do about it, where a finding has none of its own; empty where waiting is all.
	remedy string
	// after is how long it may last.
	after thresholds
	// find returns what is wrong now. It looks at the model alone.
	find func(m *model, after thresholds) findings
}

// thresholds are the durations from which on a problem is of a level. The alerting rules have thresholds of their own;
// what makes them page is critical here (TestEveryPageHasAProblem). A level with zero is never reached.
type thresholds struct{ info, warning, critical time.Duration }

// level is empty where d is below all thresholds.
func (t thresholds) level(d time.Duration) Level {
	switch {
	case t.critical > 0 && d >= t.critical:
		return LevelCritical
	case t.warning > 0 && d >= t.warning:
		return LevelWarning
	case t.info > 0 && d >= t.info:
		return LevelInfo
	}
	return ""
}

// findings are of one kind.
type findings []finding

// finding is one thing that is wrong now. symptomOf adds to that of its kind.
type finding struct {
	level                Level
	text, object, remedy string
	symptomOf            []string
}

// found is one finding, or none where the level is empty.
func found(level Level, format string, args ...any) findings {
	if level == "" {
		return nil
	}
	return findings{{level: level, text: fmt.Sprintf(format, args...)}}
}

// when is the level where something is so.
func when(so bool, level Level) Level {
	if !so {
		return ""
	}
	return level
}

// advise gives the findings a remedy of their own.
func (f findings) advise(remedy string) findings {
	for i := range f {
		f[i].remedy = remedy
	}
	return f
}

// model is what kinds of problems look at: the snapshot, and what several of them need to know of it.
type model struct {
	*Status
	hung    bool                   // the lease loop is stuck
	owners  ownership              // of the shards
	stalled map[string]*shardGroup // what this process does not read on, by cause
}

func newModel(st *Status, hung bool) *model {
	return &model{Status: st, hung: hung, owners: ownershipOf(st), stalled: stalledShards(st)}
}

// ago is how long something has lasted; 0 where it is not so.
func (st *Status) ago(since *time.Time) time.Duration {
	if since == nil {
		return 0
	}
	return st.At.Sub(*since)
}

// Problems returns what is wrong, the most severe first. It looks at nothing but the snapshot, so that a reader of the
// JSON can see how it comes about. hung says that the loop of the lease table is stuck.
func Problems(st *Status, hung bool) []Problem {
	type candidate struct {
		Problem
		symptomOf []string
	}
	m, there, all := newModel(st, hung), map[problemKey]bool{}, []candidate(nil)
	for _, subject := range catalog() {
		from := len(all)
		for _, k := range subject.kinds {
			for _, f := range k.find(m, k.after) {
				there[problemKey{k.code, f.object}] = true
				all = append(all, candidate{Problem{
					Level: f.level, Code: k.code, Subject: subject.name, Object: f.object, Text: f.text,
					Remedy: cmp.Or(f.remedy, k.remedy),
				}, slices.Concat(k.symptomOf, f.symptomOf)})
			}
		}
		slices.SortStableFunc(all[from:], func(a, b candidate) int { return cmp.Compare(a.Object, b.Object) })
	}
	list := []Problem{}
	for _, c := range all {
		explained := func(code string) bool { return there[problemKey{code, c.Object}] || there[problemKey{code, ""}] }
		if !slices.ContainsFunc(c.symptomOf, explained) {
			list = append(list, c.Problem)
		}
	}
	levels := problemLevels()
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Compare(slices.Index(levels, a.Level), slices.Index(levels, b.Level))
	})
	return list
}

// ProblemSubjects are the codes of all problems that the status page can show, each with what it is about.
func ProblemSubjects() map[string]string {
	out := map[string]string{}
	for _, s := range catalog() {
		for _, k := range s.kinds {
			out[k.code] = s.name
		}
	}
	return out
}

// subjects are in the order of the catalog.
func subjects() (names []string) {
	for _, s := range catalog() {
		names = append(names, s.name)
	}
	return names
}
