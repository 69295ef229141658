package alert

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of events per time, written as 8/s, 10/1m or 5/h. The zero value means that none was configured.
type Rate struct {
	Events int
	Per    time.Duration
	// Unlimited is the word "unlimited".
	Unlimited bool
}

// The limits of a Rate: more alerts than a shard takes records in a day, and a year.
const (
	maxRateEvents = 100_000_000
	maxRatePer    = 365 * 24 * time.Hour
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (r *Rate) UnmarshalText(text []byte) error {
	switch string(text) {
	case "":
		*r = Rate{}
		return nil
	case "unlimited":
		*r = Rate{Unlimited: true}
		return nil
	}
	events, per, ok := strings.Cut(string(text), "/")
	n, err := strconv.Atoi(strings.TrimSpace(events))
	per = strings.TrimSpace(per)
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	d, perErr := time.ParseDuration(per)
	if !ok || err != nil || perErr != nil || n < 1 || d < time.Millisecond {
		return errors.New("want a rate such as 8/s, 10/1m or 5/h, or unlimited")
	}
	if n > maxRateEvents || d > maxRatePer {
		return fmt.Errorf(
			"want a rate of at most %d in at most %s, or unlimited", maxRateEvents, shortDuration(maxRatePer),
		)
	}
	*r = Rate{Events: n, Per: d}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String returns the rate as it is written; empty for the zero value.
func (r Rate) String() string {
	switch {
	case r.Unlimited:
		return "unlimited"
	case r.IsZero():
		return ""
	}
	per, _ := strings.CutPrefix(shortDuration(r.Per), "1")
	if per == "" || per[0] >= '0' && per[0] <= '9' {
		per = shortDuration(r.Per)
	}
	return fmt.Sprintf("%d/%s", r.Events, per)
}

// IsZero reports whether no rate was configured.
func (r Rate) IsZero() bool { return r == Rate{} }

// PerSecond returns the rate in events per second; 0 for the zero value and for unlimited.
func (r Rate) PerSecond() float64 {
	if r.Per <= 0 {
		return 0
	}
	return float64(r.Events) / r.Per.Seconds()
}

// Stretch is a number of records in a row, written as a number, or a length of time, written as a duration. The zero
// value means that neither was configured.
type Stretch struct {
	Records int
	Time    time.Duration
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Stretch) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = Stretch{}
		return nil
	}
	if n, err := strconv.Atoi(string(text)); err == nil && n > 0 {
		*s = Stretch{Records: n}
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d <= 0 {
		return errors.New("want a number of records, such as 3, or a duration, such as 30s")
	}
	*s = Stretch{Time: d}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (s Stretch) MarshalText() ([]byte, error) {
	switch {
	case s.Records > 0:
		return strconv.AppendInt(nil, int64(s.Records), 10), nil
	case s.Time > 0:
		return []byte(shortDuration(s.Time)), nil
	}
	return nil, nil
}

// IsZero reports whether neither was configured.
func (s Stretch) IsZero() bool { return s == Stretch{} }

// shortDuration formats a duration without the zero units that time.Duration prints: 5m, not 5m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
