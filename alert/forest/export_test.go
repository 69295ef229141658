package forest

// Config is what the forest was made with, defaults applied.
func (f *Forest) Config() Config { return f.config }

// ScoreAndUpdate is Score, then Update.
func (f *Forest) ScoreAndUpdate(values []float64) float64 {
	score := f.Score(values)
	f.Update(values)
	return score
}

// Config is what the threshold was made with, defaults applied.
func (t *Threshold) Config() ThresholdConfig { return t.config }
