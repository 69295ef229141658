package rehearse

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgressBar(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	bar := NewProgressBar(&out, true, func() time.Time { clock = clock.Add(10 * time.Second); return clock })
	for i := range barSteps {
		bar.step(i+1, 0.5)
	}
	require.Equal(t, "\r[###############...............]  50 %  64 records  about 10s left", out.String())
	out.Reset()
	bar.Clear()
	require.Equal(t, "\r"+strings.Repeat(" ", 66)+"\r", out.String())
}
