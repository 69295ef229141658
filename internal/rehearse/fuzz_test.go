package rehearse

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
)

// FuzzArchive: a line of an archive, which is one of a sample, too, is a record or there is a reason why not; its time
// can be shown. The names of its fields are found again.
func FuzzArchive(f *testing.F) {
	f.Add([]byte(`{"partitionKey":"k","data":"e30=","approximateArrivalTimestamp":1545084650.987}`))
	f.Add([]byte(`{"partitionKey":"k","data":{"a":{"b":[{"c.d":1}]}},"approximateArrivalTimestamp":"2026-11-22T09:00:00Z"}`))
	f.Add([]byte(`{"a":{"b":1},"":{"":2}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		s := &ArchiveSource{Every: time.Second, Text: true}
		rec, why := s.record(line, 1)
		require.NotEqual(t, rec == nil, why == "")
		if rec != nil {
			_, err := rec.Arrival.MarshalJSON()
			require.NoError(t, err)
		}
		names := config.NewFieldNames()
		names.Add(newSampleRecord("line 1", line).data)
		for i := range names.Nodes[1:] {
			node := &names.Nodes[i+1]
			require.True(t, names.Has(alert.Mention{Filter: true, Path: []string{names.Name(node)}}))
			if node.Length <= config.MostSuggested && node.Name != "" {
				require.NotEmpty(t, names.Near(alert.Mention{Filter: true, Path: strings.Split(names.Name(node), ".")}))
			}
			if i == 100 {
				break
			}
		}
	})
}
