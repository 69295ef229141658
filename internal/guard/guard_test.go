package guard

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuard(t *testing.T) {
	require.NoError(t, Do("part", func() error { return nil }))
	broken := errors.New("broken")
	require.ErrorIs(t, Do("part", func() error { return broken }), broken)
	var reported []*PanicError
	ctx := Watched(t.Context(), func(p *PanicError) { reported = append(reported, p) })
	require.ErrorIs(t, Run(ctx, "part", func() error { return broken }), broken)
	require.Empty(t, reported, "an error is no panic")
	err := Run(ctx, "part", func() error { panic("ouch") })
	require.EqualError(t, err, "part: panic: ouch")
	require.Len(t, reported, 1)
	require.Contains(t, string(reported[0].Stack), "guard_test.go")
	require.EqualError(t, Run(t.Context(), "part", func() error { panic(1) }), "part: panic: 1")
	child, cancel := context.WithCancel(ctx)
	cancel()
	_ = Run(child, "part", func() error { panic("again") })
	require.Len(t, reported, 2, "also when the context has ended")
}
