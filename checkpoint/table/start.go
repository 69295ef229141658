package table

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// The bounds of a lease duration.
const (
	MinLeaseDuration = 3 * time.Second
	MaxLeaseDuration = 5 * time.Minute
)

// StartKind says where an application without checkpoints begins.
type StartKind uint8

// The kinds of start.
const (
	StartLatest StartKind = iota
	StartTrimHorizon
	StartTime
)

// Start is where an application without checkpoints begins. The zero value is latest: with what arrives after the
// application's first start. It is written as "latest", "trim_horizon" or an RFC 3339 time.
type Start struct {
	Kind StartKind
	Time time.Time // with StartTime
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Start) UnmarshalText(text []byte) error {
	switch v := string(text); v {
	case "", "latest":
		*s = Start{}
	case "trim_horizon":
		*s = Start{Kind: StartTrimHorizon}
	default:
		t, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return fmt.Errorf("%q is none of latest, trim_horizon and an RFC 3339 time such as 2026-11-22T09:00:00Z", v)
		}
		*s = Start{Kind: StartTime, Time: t}
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (s Start) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Start) String() string {
	switch s.Kind {
	case StartTrimHorizon:
		return "trim_horizon"
	case StartTime:
		return s.Time.Format(time.RFC3339)
	case StartLatest:
	}
	return "latest"
}

// Position is where to read from. It means nothing for latest, which is the moment when the application began.
func (s Start) Position() types.StartingPosition {
	if s.Kind == StartTime {
		return types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: aws.Time(s.Time)}
	}
	return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
}
