package forest

import (
	"errors"
	"fmt"
)

// Scoring says how a point that the forest already holds is scored, and from when.
type Scoring string

// The scorings. Both are the same for a point that is in no tree.
const (
	// KDA gives the scores of Amazon Kinesis Data Analytics' RANDOM_CUT_FOREST: 0 for the first SampleSize records, a
	// known point is worth 1/(depth + log2 of how often the tree holds it), and log2(SampleSize) is the most.
	KDA Scoring = "kda"
	// Standard gives those of the open source library: 0 for the first quarter of SampleSize, a known point is damped
	// by how much of the tree it is, and log2(1 + SampleSize) is the most.
	Standard Scoring = "standard"
)

// The limits of RANDOM_CUT_FOREST, and the defaults of this package.
const (
	MaxDimensions = 30
	MaxTrees      = 1000
	MinSampleSize = 10
	MaxSampleSize = 1000
	MaxDecay      = 1<<31 - 1
	MaxShingle    = 30

	DefaultTrees      = 30
	DefaultSampleSize = 256
	DefaultDecay      = 100_000
	DefaultShingle    = 1
	// DefaultSeed is as good as any other: of the first ten seeds it is one that does well in the benchmark of the
	// package documentation, where seeds differ by a point or two.
	DefaultSeed = 8
)

// Config describes a forest. What is zero, other than Dimensions, has its default.
type Config struct {
	// Dimensions is the number of values in a record, from 1 to 30.
	Dimensions int
	// Trees is from 1 to 1000, by default 30. The service had 100 by default: more memory and time, hardly better
	// scores.
	Trees int
	// SampleSize is how many points a tree holds, from 10 to 1000 and less than Decay, by default 256.
	SampleSize int
	// Decay is how many records matter, from 1 to 2147483647, by default 100,000: the weight of a record falls to 1/e
	// after so many later ones.
	Decay int
	// Shingle is how many records in a row are one point, from 1 to 30, by default 1.
	Shingle int
	// Scoring is KDA by default.
	Scoring Scoring
	// Seed chooses the forest's random cuts and samples, by default 8. Forests of one seed and the same records are
	// equal.
	Seed uint64
}

// WithDefaults returns the config with defaults for what is zero.
func (c Config) WithDefaults() Config {
	for _, x := range []struct {
		value *int
		or    int
	}{
		{&c.Trees, DefaultTrees},
		{&c.SampleSize, DefaultSampleSize},
		{&c.Decay, DefaultDecay},
		{&c.Shingle, DefaultShingle},
	} {
		if *x.value == 0 {
			*x.value = x.or
		}
	}
	if c.Scoring == "" {
		c.Scoring = KDA
	}
	if c.Seed == 0 {
		c.Seed = DefaultSeed
	}
	return c
}

// Validate says everything that is wrong with the config, defaults applied.
func (c Config) Validate() error {
	c = c.WithDefaults()
	var errs []error
	for _, x := range []struct {
		name            string
		value, from, to int
	}{
		{"dimensions", c.Dimensions, 1, MaxDimensions},
		{"trees", c.Trees, 1, MaxTrees},
		{"sample size", c.SampleSize, MinSampleSize, MaxSampleSize},
		{"decay", c.Decay, 1, MaxDecay},
		{"shingle", c.Shingle, 1, MaxShingle},
	} {
		if x.value < x.from || x.value > x.to {
			errs = append(errs, fmt.Errorf("%s must be from %d to %d, not %d", x.name, x.from, x.to, x.value))
		}
	}
	if c.SampleSize >= c.Decay {
		errs = append(errs, fmt.Errorf("sample size %d must be less than decay %d", c.SampleSize, c.Decay))
	}
	if c.Scoring != KDA && c.Scoring != Standard {
		errs = append(errs, fmt.Errorf("scoring must be %s or %s, not %q", KDA, Standard, c.Scoring))
	}
	return errors.Join(errs...)
}

// point is the number of coordinates of a point.
func (c Config) point() int { return c.Dimensions * c.Shingle }

// warmUp is how many points there must be before there is a score.
func (c Config) warmUp() uint64 {
	if c.Scoring == Standard {
		return uint64(c.SampleSize / 4) //nolint:gosec // positive
	}
	return uint64(c.SampleSize) //nolint:gosec // positive
}
