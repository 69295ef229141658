package kcl

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// TestLogNeverEndsTheProcess is defect 40.
func TestLogNeverEndsTheProcess(t *testing.T) {
	core, seen := observer.New(zap.DebugLevel)
	l := newLibraryLog(zap.New(core))
	l.Fatalf("fatal %d", 1)
	l.Panicf("panic %d", 2)
	l.WithFields(nil).Errorf("error %d", 3)
	require.Equal(t, 3, seen.Len())
	require.Zero(t, seen.FilterLevelExact(zap.ErrorLevel).Len(), "what matters is told where it is known")
}
