package system

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	debug.SetGCPercent(300) // a sixth of the tests' time, for 50 MB
	goleak.VerifyTestMain(m)
}
