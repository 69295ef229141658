package dispatch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Keys may name people: of a short one less is shown than of a long one, and never all of it.
func TestShorten(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"": "", "a": "…", "ab": "…b", "Åsa": "Å…a", "web-7": "w…-7", "patient-0017": "pat…017", "日本語文字": "日…文字",
		strings.Repeat("日", 500): "日日日日…日日日日",
	} {
		require.Equal(t, want, shorten(key), key)
	}
}

func TestRecentKeepsTheLatest(t *testing.T) {
	t.Parallel()
	var r recent
	require.Empty(t, r.list())
	for i := range 2*maxRecent + 3 {
		r.add(Accepted{ID: fmt.Sprint(i)})
	}
	list := r.list()
	require.Len(t, list, maxRecent)
	require.Equal(t, fmt.Sprint(2*maxRecent+2), list[0].ID)
	require.Equal(t, fmt.Sprint(maxRecent+3), list[maxRecent-1].ID)
}
