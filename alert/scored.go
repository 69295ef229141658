package alert

// Scored is the payload of the record that was evaluated last as filters, rules and templates saw it: with what the scores
// added. It is valid until the next call of the evaluator, and nil where there are no scores.
func (e *Evaluator) Scored() []byte { return e.in.scored.Data }
