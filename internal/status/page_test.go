package status_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/status/statustest"
)

// Names are text, whoever chose them.
func TestStatusPageEscapes(t *testing.T) {
	t.Parallel()
	page := status.NewPage(func() status.Status {
		s := statustest.ExampleStatus()
		s.Stream.Name, s.Rules[0].Name, s.Topics[0].Name = `</title><script>1</script>`, `"><img src=x>`, `<b>`
		s.Configuration = "</pre><script>2</script>"
		return s
	}, zaptest.NewLogger(t))
	w := httptest.NewRecorder()
	page.HTML(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	require.Equal(t, 1, strings.Count(w.Body.String(), "<script"))
	require.NotContains(t, w.Body.String(), "<img")
	require.NotContains(t, w.Body.String(), "<b>")
}

// A thousand shards make a page that a phone can load: those that need a look, and the others folded up.
func TestStatusPageOfManyShards(t *testing.T) {
	t.Parallel()
	page := status.NewPage(func() status.Status { return statustest.ManyShards(1000) }, zaptest.NewLogger(t))
	w := httptest.NewRecorder()
	page.HTML(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	require.Less(t, w.Body.Len(), 512<<10)
	require.Equal(t, 10, strings.Count(w.Body.String(), `<details id="shards-`))
	require.Contains(
		t, w.Body.String(), "Of 1,000 open shards, those that need a look are shown, the most severe first",
	)
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Accept-Encoding", "gzip, br")
	w = httptest.NewRecorder()
	page.HTML(w, r)
	require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
	require.Less(t, w.Body.Len(), 40<<10)
	s := statustest.ManyShards(1000)
	text := status.Text(&s)
	require.Less(t, strings.Count(text, "\n"), 60, "a terminal shows it")
}

// Of more shards in need of a look than there is room for, the most severe are shown, and the page says how many there
// are.
func TestStatusPageShowsTheMostSevereShards(t *testing.T) {
	t.Parallel()
	s := statustest.ManyShards(1000)
	for i := range s.Shards {
		switch shard := &s.Shards[i]; {
		case shard.Reading == nil:
		case shard.ID == "shardId-000000001998":
			shard.Reading.LastFetch, shard.Reading.ReadError = nil, "AccessDeniedException"
			shard.Reading.Since = status.Moment(s.At.Add(-4 * time.Hour))
			shard.Reading.Lag = 4 * 3600
		case shard.ID == "shardId-000000001996":
			shard.Reading.HeldKeys = 1
		case shard.ID < "shardId-000000001400":
			shard.Reading.Lag = 61
		}
	}
	v := status.NewView(&s)
	require.Len(t, v.ShardTable.Families, status.FewShards)
	require.Equal(t, "shardId-000000001996", v.ShardTable.Families[0].ID)
	require.Equal(t, "shardId-000000001998", v.ShardTable.Families[1].ID)
	require.Equal(t, "held, read fails (AccessDeniedException)", v.ShardTable.Families[1].State)
	require.Contains(
		t, v.ShardTable.RestNote,
		"Of 1,000 open shards, 202 need a look: the most severe 60 are shown, the others are folded up.",
	)
	require.Contains(t, status.Text(&s), v.ShardTable.RestNote)
	shown := len(v.ShardTable.Families)
	for i := range v.ShardTable.Chunks {
		shown += len(v.ShardTable.Chunks[i].Rows)
	}
	require.Equal(t, 1000, shown, "nothing is left out")
}

func BenchmarkStatusPageOfThousandShards(b *testing.B) {
	s := statustest.ManyShards(1000)
	page := status.NewPage(func() status.Status { return s }, zap.NewNop())
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for b.Loop() {
		page.HTML(httptest.NewRecorder(), r)
	}
}
