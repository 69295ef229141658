package forest

// Direction says where a value lies.
type Direction string

// The directions, by the names of ANOMALY_EXPLANATION.
const (
	High Direction = "HIGH"
	Low  Direction = "LOW"
)

// Attribution is the part of a score that one dimension of the record has.
type Attribution struct {
	// Score is the ATTRIBUTION_SCORE; those of all dimensions add up to the record's score.
	Score float64
	// Direction is where the value lies, as far as it adds to the score: above or below the others.
	Direction Direction
	// Strength is how sure the direction is: from 0, as much above some as below others, to 1.
	Strength float64
}

// Attribution appends what each dimension has in the score of these values, which are not yet added. All is 0 when
// Score is.
func (f *Forest) Attribution(to []Attribution, values []float64) []Attribution {
	width := f.config.point()
	if f.scratch.low == nil {
		f.scratch.low, f.scratch.high = make([]float64, width), make([]float64, width)
	}
	low, high := f.scratch.low, f.scratch.high
	clear(low)
	clear(high)
	all := f.held()
	if x := f.enter(values); x != nil && f.WarmUp() <= 0 {
		for i := range f.trees {
			f.trees[i].attribute(x, &f.values, all, low, high)
		}
	}
	scale := f.values.most(all) / float64(len(f.trees))
	for d := range f.config.Dimensions {
		below, above := 0.0, 0.0
		for i := d; i < width; i += f.config.Dimensions {
			below += low[i]
			above += high[i]
		}
		a := Attribution{Score: (below + above) * scale, Direction: High}
		if below > above {
			a.Direction = Low
		}
		if both := below + above; both > 0 {
			a.Strength = max(above-below, below-above) / both
		}
		to = append(to, a)
	}
	return to
}
