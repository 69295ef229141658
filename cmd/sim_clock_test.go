package cmd

import (
	"fmt"
	"time"

	"pgregory.net/rapid"
)

// simClock is how the wall clock of a worker's machine is wrong: from the start of the simulation, by so much more for each hour, and
// from a moment on. Its monotonic clock is right, as it is on a machine whose clock somebody sets.
type simClock struct {
	Off    time.Duration `json:"off,omitempty"`
	Hourly time.Duration `json:"hourly,omitempty"`
	JumpAt time.Duration `json:"jumpAt,omitempty"`
	Jump   time.Duration `json:"jump,omitempty"`
}

// simClocks is how many machines there are; workers take them in turn.
const simClocks = 5

// drawSimClocks draws wrong clocks, up to ten minutes off.
func drawSimClocks(t *rapid.T) []simClock {
	off := rapid.SampledFrom([]int{-600, -61, -30, -3, 0, 0, 1, 15, 60, 300, 600})
	clocks := make([]simClock, simClocks)
	for i := range clocks {
		clocks[i] = simClock{
			Off:    time.Duration(off.Draw(t, "clock off")) * time.Second,
			Hourly: time.Duration(rapid.SampledFrom([]int{0, 0, -300, 20, 300}).Draw(t, "clock drifts")) * time.Second,
			JumpAt: time.Duration(rapid.SampledFrom([]int{5, 20, 45, 90}).Draw(t, "clock jumps at")) * time.Second,
			Jump:   time.Duration(off.Draw(t, "clock jumps")) * time.Second,
		}
	}
	return clocks
}

func (c simClock) String() string {
	return fmt.Sprintf("%s off, %s an hour, %s after %s", c.Off, c.Hourly, c.Jump, c.JumpAt)
}

// machine is such a clock. A nil one is right.
func (c *simClock) machine(began time.Time) func() time.Time {
	if c == nil {
		return nil
	}
	return func() time.Time {
		now := time.Now()
		since := now.Sub(began)
		off := c.Off + time.Duration(float64(c.Hourly)*since.Hours())
		if since >= c.JumpAt {
			off += c.Jump
		}
		return now.Add(off).Round(0)
	}
}
