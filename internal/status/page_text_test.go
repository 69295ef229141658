package status

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/internal/testkit"
)

// TestPageAsTextObeysNobody: whatever a name, an owner, an error or a version is, the page as text is printable, and
// no line of it is a stranger's.
func TestPageAsTextObeysNobody(t *testing.T) {
	t.Parallel()
	var st Status
	testkit.Fill(reflect.ValueOf(&st), testkit.HostileText)
	text := Text(&st)
	testkit.Obeyed(t, text)
	require.Greater(t, strings.Count(text, `\u001b`), 20)

	page := NewPage(func() Status { return st }, zap.NewNop())
	for _, accept := range []string{"text/html", "application/json", ""} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		page.Index(w, r)
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		for _, c := range w.Body.String() {
			require.True(t, strconv.IsPrint(c) || c == '\n' || c == '\t', "%q in %s", c, accept)
		}
		if accept == "application/json" {
			var back Status
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &back))
			require.Equal(t, testkit.HostileText, back.Summary, "the same document")
		}
	}
}
