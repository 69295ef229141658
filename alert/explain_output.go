package alert

import (
	"slices"

	"kinesis-alerter/alert/budget"
	"kinesis-alerter/alert/condition"
)

// OutputText is what is written to an output stream, for people.
type OutputText struct {
	Output string `json:"output"`
	// Key is the partition key, and Data what is written under it.
	Key  string `json:"key"`
	Data string `json:"data"`
	// Unwritable is why the record can never be written, and Detail explains it; both are empty for one that can.
	Unwritable Reason `json:"unwritable,omitempty"`
	Detail     string `json:"detail,omitempty"`
}

// Text returns the output for people.
func (o *Output) Text() OutputText {
	return OutputText{Output: o.Name, Key: o.Key, Data: string(o.Data), Unwritable: o.Reason, Detail: o.Detail}
}

// OutputExplanation is what one output makes of a record on its own.
type OutputExplanation struct {
	Output string `json:"output"`
	// Verdict is whether the record is written, Cause why the condition is undefined, Terms its parts, and First the
	// one that does not hold.
	Verdict Verdict           `json:"verdict"`
	Cause   string            `json:"cause,omitempty"`
	Terms   []TermExplanation `json:"terms,omitempty"`
	First   string            `json:"first_failing_term,omitempty"`
	// OverBudget says which budget the condition would exceed with this record, and what to do. The record is then not
	// written.
	OverBudget string `json:"over_budget,omitempty"`
	// Writes is what is written; nil if nothing is. It lacks what scores add (DependsOn), because only earlier records
	// determine that.
	Writes    *OutputText `json:"writes,omitempty"`
	DependsOn []string    `json:"depends_on,omitempty"`
}

// explainOutputs returns what the outputs make of the record at hand. open are the members that scores would add.
func (e *Evaluator) explainOutputs(rec *Record, open []string) []OutputExplanation {
	var all []OutputExplanation
	for i, o := range e.in.set.outputs {
		all = append(all, e.in.explainOutput(o, e.in.heads[i], rec, open))
	}
	return all
}

func (in *reading) explainOutput(o *output, head []byte, rec *Record, open []string) OutputExplanation {
	x := OutputExplanation{Output: o.name, Verdict: VerdictTrue}
	if in.unwritable != "" {
		if x.Verdict = VerdictUndefined; o.always {
			x.Verdict = VerdictTrue
		}
		x.Cause = string(in.unwritable)
		out := Output{Name: o.name, Key: rec.PartitionKey, Data: rec.Data, Reason: in.unwritable}
		if o.always {
			x.Writes = new(out.Text())
		}
		return x
	}
	var depends []string
	x.Terms, x.First, depends = in.explainTerms(o.formula.When, open)
	v, _ := o.formula.Within(&in.frame)
	if v == condition.UndefinedOverBudget {
		x.Verdict, x.Cause = verdictWords(v)
		x.OverBudget = budget.Remedy(in.frame.Meter.Over)
		return x
	}
	x.Verdict, x.Cause = verdictWords(v)
	if len(depends) > 0 {
		x.Verdict, x.Cause, x.First = decided(x.Terms)
	}
	if x.Verdict != VerdictTrue && x.Verdict != VerdictDepends {
		return x
	}
	out := in.output(o, head, rec)
	x.Writes, x.DependsOn = new(out.Text()), depends
	for _, name := range open {
		if !slices.Contains(x.DependsOn, name) && o.shows(name) {
			x.DependsOn = append(x.DependsOn, name)
		}
	}
	return x
}

// decided returns the verdict of terms of which some depend on earlier records. One that does not hold decides anyway.
func decided(terms []TermExplanation) (verdict Verdict, cause, first string) {
	for _, t := range terms {
		switch {
		case t.Verdict == VerdictFalse || t.Verdict == VerdictUndefined:
			return t.Verdict, t.Cause, t.String()
		case t.Verdict == VerdictDepends && first == "":
			first = t.String()
		}
	}
	return VerdictDepends, "", first
}

// shows reports whether a member that a score adds is a part of what is written.
func (o *output) shows(name string) bool {
	return len(o.fields) == 0 || slices.ContainsFunc(o.fields, func(x outputField) bool {
		return string(x.member) == `"`+name+`":`
	})
}
