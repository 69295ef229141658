package forest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// The defaults of a threshold.
const (
	DefaultRate  = 0.002
	DefaultGroup = 0.02
	DefaultFloor = 1.5
)

// ThresholdConfig describes an automatic threshold. What is zero has its default, or is off where there is none.
type ThresholdConfig struct {
	// Rate is which part of all records may be above the threshold, above 0 and up to Group, by default 0.002.
	Rate float64
	// Group is which part of all records may be above the threshold if their scores are a group of their own, with a
	// gap below them, up to 0.5, by default 0.02. Anomalies that are more frequent are taken for normal.
	Group float64
	// Floor is the least threshold, above 0, by default 1.5.
	Floor float64
	// IgnoreNear lets records pass of which every value is near what is expected of it, however high the score.
	IgnoreNear Near
	// Decay is how many scores matter: older ones count for half after so many, and so on. From 1 to 2147483647, by
	// default 100,000.
	Decay int
}

// Near is a distance from the expected value: at most Amount, or at most Ratio times the expected value. A zero is off.
type Near struct{ Amount, Ratio float64 }

// WithDefaults returns the config with defaults for what is zero.
func (c ThresholdConfig) WithDefaults() ThresholdConfig {
	if c.Rate == 0 {
		c.Rate = DefaultRate
	}
	if c.Group == 0 {
		c.Group = max(DefaultGroup, c.Rate)
	}
	if c.Floor == 0 {
		c.Floor = DefaultFloor
	}
	if c.Decay == 0 {
		c.Decay = DefaultDecay
	}
	return c
}

// Validate says everything that is wrong with the config, defaults applied.
func (c ThresholdConfig) Validate() error {
	c = c.WithDefaults()
	var errs []error
	if !(c.Group > 0 && c.Group <= 0.5) {
		errs = append(errs, fmt.Errorf("group must be above 0 and at most 0.5, not %v", c.Group))
	}
	if !(c.Rate > 0 && c.Rate <= c.Group) {
		errs = append(errs, fmt.Errorf("rate must be above 0 and at most group, %v, not %v", c.Group, c.Rate))
	}
	if !(c.Floor > 0 && c.Floor < math.MaxFloat64) {
		errs = append(errs, fmt.Errorf("floor must be above 0, not %v", c.Floor))
	}
	if c.Decay < 1 || c.Decay > MaxDecay {
		errs = append(errs, fmt.Errorf("decay must be from 1 to %d, not %d", MaxDecay, c.Decay))
	}
	for _, x := range []struct {
		name  string
		value float64
	}{{"amount", c.IgnoreNear.Amount}, {"ratio", c.IgnoreNear.Ratio}} {
		if !(x.value >= 0 && x.value < math.MaxFloat64) {
			errs = append(errs, fmt.Errorf("ignore near: %s must be 0 or more, not %v", x.name, x.value))
		}
	}
	return errors.Join(errs...)
}

// A histogram of scores has bins of 1/64; scores do not reach 10.25, which is above log2(1 + MaxSampleSize). A score
// counts unit, so that halving it a few times leaves something.
const (
	binsPerScore = 64
	bins         = 10*binsPerScore + binsPerScore/4
	countUnit    = 1 << 20
)

// A gap in the scores ends at least gapRatio times where it begins, and holds at most gapLeak of what is above it. With
// few scores, a group may have groupSlack more than its part.
const (
	gapRatio   = 1.3
	gapLeak    = 0.1
	groupSlack = 4
)

// Threshold decides which scores of a forest are anomalies, by the distribution of those before. It belongs to one
// goroutine, and takes 5 KiB.
type Threshold struct {
	config  ThresholdConfig
	seen    uint64 // scores
	counts  [bins]uint64
	total   uint64
	bin     int    // what is above this one is at most the rate, and what is above the one before is not
	above   uint64 // of the total
	inside  bool   // an excursion
	scratch []float64
}

// Verdict is what a threshold says of a record.
type Verdict struct {
	// Threshold is what the score was compared with: a score up to Floor with that alone. It is 0 as long as there is
	// none.
	Threshold float64
	// Anomaly says that the score is above the threshold, and the record not near what is expected.
	Anomaly bool
	// Begins says that the record before was no anomaly: of an excursion of several, it is true for the first alone.
	Begins bool
}

// NewThreshold makes a threshold that has seen nothing. The error is that of ThresholdConfig.Validate.
func NewThreshold(config ThresholdConfig) (*Threshold, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	return &Threshold{config: config.WithDefaults()}, nil
}

// WarmUp is how many more scores are to come before there is a threshold: 1/Group in all.
func (t *Threshold) WarmUp() int {
	need := uint64(math.Ceil(1 / t.config.Group))
	return int(min(need-min(t.seen, need), math.MaxInt32))
}

// Value is the threshold as it is, to the next 1/64: the quantile of the scores at 1 - Rate, or the middle of the
// widest gap between that at 1 - Group and there, but at least Floor; 0 as long as there is none. It takes some
// microseconds.
func (t *Threshold) Value() float64 {
	if t.WarmUp() > 0 {
		return 0
	}
	return max(float64(t.place())/binsPerScore, t.config.Floor)
}

// place is the first bin above the threshold, Floor aside.
func (t *Threshold) place() int {
	first, above := t.bin+1, t.above // above is from first on
	for most := t.config.Group*float64(t.total) + groupSlack*countUnit; first > 1 &&
		float64(above+t.counts[first-1]) <= most; {
		first--
		above += t.counts[first]
	}
	place, widest := t.bin+1, gapRatio
	for ; first <= t.bin; first++ {
		end, held := first, uint64(0)
		for end < bins && float64(held+t.counts[end]) <= gapLeak*float64(above) {
			held += t.counts[end]
			end++
		}
		if ratio := float64(end) / float64(first); end < bins && ratio >= widest {
			place, widest = min((first+end)/2, t.bin+1), ratio
		}
		above -= t.counts[first]
	}
	return place
}

// Judge decides about a record by its score, which is of the forest's Score, and counts it. The forest is asked for
// what is expected, if it matters, so it must not be updated before. A score of 0 is no opinion: no anomaly, and not
// counted.
func (t *Threshold) Judge(f *Forest, values []float64, score float64) Verdict {
	var v Verdict
	if t.WarmUp() == 0 {
		v.Threshold = t.config.Floor
		if score > t.config.Floor { // few are
			v.Threshold = t.Value()
			v.Anomaly = score > v.Threshold && !t.near(f, values) && !t.steady(f, values, v.Threshold)
		}
	}
	v.Begins = v.Anomaly && !t.inside
	t.inside = v.Anomaly
	if score > 0 {
		t.count(score)
	}
	return v
}

// near says whether every value is near what is expected of it.
func (t *Threshold) near(f *Forest, values []float64) bool {
	n := t.config.IgnoreNear
	if n.Amount == 0 && n.Ratio == 0 {
		return false
	}
	t.scratch = f.Expected(t.scratch[:0])
	if len(t.scratch) == 0 || len(t.scratch) != len(values) {
		return false
	}
	for i, e := range t.scratch {
		if d := math.Abs(values[i] - e); d > n.Amount && d > n.Ratio*math.Abs(e) {
			return false
		}
	}
	return true
}

// steadyRatio is by how much of its level a value that hardly ever changes may change and still count as the same.
const steadyRatio = 0.01

// steady says whether the score is high only for values that have left a constant by a hair. A forest knows no scale
// but the spread of what it has seen, and a constant has none: 72.001 after a thousand times 72 has the highest score
// that there is, as 720 has. So what has kept within 1 % of its level is taken to be there as long as it stays within 1
// %, and the score is that of the other dimensions. A level of 0 has no such band: whatever leaves it is judged by its
// score.
func (t *Threshold) steady(f *Forest, values []float64, threshold float64) bool {
	if n := t.config.IgnoreNear; n.Amount != 0 || n.Ratio != 0 || f.number == 0 || len(values) != f.config.Dimensions {
		return false // a configured distance is the scale
	}
	t.scratch = append(t.scratch[:0], values...)
	changed := false
	for d, v := range values {
		least, level, greatest := f.spread(d)
		band := steadyRatio * math.Abs(level)
		if v != level && math.Abs(v-level) <= band && greatest-least <= band {
			t.scratch[d], changed = level, true
		}
	}
	return changed && f.Score(t.scratch) <= threshold
}

// count adds a score, and moves the quantile.
func (t *Threshold) count(score float64) {
	if t.seen++; t.seen%uint64(t.config.Decay) == 0 { //nolint:gosec // positive
		t.halve()
	}
	i := min(int(score*binsPerScore), bins-1)
	t.counts[i] += countUnit
	t.total += countUnit
	if i > t.bin {
		t.above += countUnit
	}
	t.settle()
}

// halve makes everything count for half.
func (t *Threshold) halve() {
	t.total, t.above = 0, 0
	for i := range t.counts {
		t.counts[i] /= 2
		t.total += t.counts[i]
		if i > t.bin {
			t.above += t.counts[i]
		}
	}
}

func (t *Threshold) settle() {
	most := t.config.Rate * float64(t.total)
	for t.bin < bins-1 && float64(t.above) > most {
		t.bin++
		t.above -= t.counts[t.bin]
	}
	for t.bin > 0 && float64(t.above+t.counts[t.bin]) <= most {
		t.above += t.counts[t.bin]
		t.bin--
	}
}

// The state of a threshold is: magic, version | scores seen, excursion | number of bins that are not empty |
// { bins since the last one, trailing zeros of the count, count } ...
const (
	thresholdMagic   = "KAT"
	thresholdVersion = 1
)

// AppendBinary appends the state, of about 1 KiB. There is no error.
func (t *Threshold) AppendBinary(to []byte) ([]byte, error) {
	to = append(to, thresholdMagic...)
	to = append(to, thresholdVersion)
	to = binary.AppendUvarint(to, t.seen)
	inside := byte(0)
	if t.inside {
		inside = 1
	}
	to = append(to, inside)
	full := uint64(0)
	for _, n := range t.counts {
		if n > 0 {
			full++
		}
	}
	to = binary.AppendUvarint(to, full)
	last := 0
	for i, n := range t.counts {
		if n > 0 {
			zeros := bits.TrailingZeros64(n)
			to = binary.AppendUvarint(to, uint64(i-last)) //nolint:gosec // positive
			to = append(to, byte(zeros))                  //nolint:gosec // at most 63
			to = binary.AppendUvarint(to, n>>zeros)
			last = i
		}
	}
	return to, nil
}

// DecodeThreshold makes a threshold from its state. The configuration may be another one. It never panics; the error
// wraps ErrState or is that of ThresholdConfig.Validate.
func DecodeThreshold(config ThresholdConfig, state []byte) (*Threshold, error) {
	t, err := NewThreshold(config)
	if err != nil {
		return nil, err
	}
	if len(state) < 4 || string(state[:3]) != thresholdMagic {
		return nil, fmt.Errorf("%w: it is none of a threshold", ErrState)
	}
	if v := state[3]; v != thresholdVersion {
		return nil, fmt.Errorf("%w: it has version %d, this program reads %d", ErrState, v, thresholdVersion)
	}
	r := reader{buf: state[4:]}
	t.seen = r.uint()
	if b := r.take(1); b != nil {
		t.inside = b[0] == 1
		r.fail(b[0] > 1)
	}
	at := uint64(0)
	for n := r.uint(); n > 0 && !r.failed; n-- {
		at += r.uint()
		zeros := byte(64)
		if b := r.take(1); b != nil {
			zeros = b[0]
		}
		count := r.uint()
		r.fail(at >= bins || zeros > 63 || count == 0 || count > 1<<53>>zeros)
		if !r.failed {
			r.fail(t.counts[at] > 0)
			t.counts[at] = count << zeros
			t.total += count << zeros
		}
	}
	if r.failed || r.rest() > 0 {
		return nil, fmt.Errorf("%w: its parts do not fit together", ErrState)
	}
	t.above = t.total - t.counts[0]
	t.settle()
	return t, nil
}
