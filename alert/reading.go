package alert

import (
	"kinesis-alerter/alert/filter"
)

// reading is the record at hand as the filter, the rules and the templates see it, and the working memory for that.
type reading struct {
	pipeline *Pipeline
	clock    *eventClock
	agreed   *agreement // of the memory
	// set is the version of the rules that the evaluator runs.
	set     *compiled
	decoder *decoder
	scoring *scoring // nil where there are no scores
	matcher *filter.Matcher
	frame   frame
	// scored is the record with what the scores add to its payload.
	scored Record
	// payload is what the alerts of a scored record keep, once one is made: the scores' own memory is used again.
	payload []byte
	// key and name are copies that the slots of the built-in names point to; keyText is the key of the rule at hand.
	key, name, keyText []byte
	// counted is what a distinct window counts of the record at hand.
	counted value
	// covered are the conditions of silences that the record meets, of those that were judged.
	covered, judged uint32
}
