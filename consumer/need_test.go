package consumer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/position"
)

// offers is a lease that keeps what it is offered.
type offers struct {
	idleLease

	got []position.Progress
}

func (l *offers) Commit(p position.Progress) { l.got = append(l.got, p) }

// An offer that cannot say what was settled does not use up its need to be stored soon: the next one that says it has
// that need.
func TestNeedIsOfTheOfferThatSaysIt(t *testing.T) {
	s := benchShard(t, 1)
	lease := &offers{idleLease: idleLease{t}}
	p := s.progress
	p.lease = lease
	wait := func(sequence string) *part {
		e, _ := p.Wait(position.Past(sequence), time.Unix(1, 0), &alert.Decision{Outcome: alert.Alerted}, nil, 1, 0)
		return &part{entry: e}
	}
	first, second := wait("1"), wait("2")
	require.True(t, p.settle(second))
	p.offer(false) // the first record waits, and nothing above it is named
	require.Zero(t, lease.got[0].At)
	p.offer(true)
	require.NotEmpty(t, lease.got[1].Above)
	require.True(t, lease.got[1].Settled)

	require.True(t, p.settle(first))
	p.offer(false)
	require.Equal(t, position.Past("2"), lease.got[2].At)
	require.True(t, lease.got[2].Settled)
	p.offer(false)
	require.False(t, lease.got[3].Settled, "nothing was since then")
}
