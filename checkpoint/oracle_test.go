package checkpoint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// graph is a stream's history, in epochs: which shards there were, from when to when, and whose children they are.
type graph []graphShard

type graphShard struct {
	from, to int // to is 0 for an open shard
	parents  []int
}

// The two graphs of HierarchicalShardSyncerTest in the KCL for Java.
//
//	A:  0 1 2 3 4 5      to 102         B:  0   3   6   9
//	    \ / \ / | |                          \ / \ / \ /
//	     6   7  4 5      103 to 205           2   5   8
//	      \ /   | |\                         / \ / \ / \
//	       8    4 9 10   from 206           1   4   7   10
//
// Shard 10 of graph A names 5 as its adjacent parent only.
func graphA() graph {
	return graph{
		{from: 11, to: 102},
		{from: 11, to: 102},
		{from: 11, to: 102},
		{from: 11, to: 102},
		{from: 11},
		{from: 11, to: 205},
		{from: 103, to: 205, parents: []int{0, 1}},
		{from: 103, to: 205, parents: []int{2, 3}},
		{from: 206, parents: []int{6, 7}},
		{from: 206, parents: []int{5}},
		{from: 206, parents: []int{5}},
	}
}

func graphB() graph {
	return graph{
		{from: 1000, to: 1049},
		{from: 1000, to: 1049},
		{from: 1050, to: 1099, parents: []int{0, 1}},
		{from: 1100, to: 1149, parents: []int{2}},
		{from: 1100, to: 1149, parents: []int{2}},
		{from: 1150, to: 1199, parents: []int{3, 4}},
		{from: 1200, to: 1249, parents: []int{5}},
		{from: 1200, to: 1249, parents: []int{5}},
		{from: 1250, to: 1299, parents: []int{6, 7}},
		{from: 1300, parents: []int{8}},
		{from: 1300, parents: []int{8}},
	}
}

func numbered(shard int) string {
	return table.ShardPrefix + fmt.Sprintf("%0*d", table.ShardDigits, shard)
}

func (g graph) listing(trimmed []int) []types.Shard {
	var out []types.Shard
	for i, s := range g {
		if slices.Contains(trimmed, i) {
			continue
		}
		sh := types.Shard{
			ShardId:             aws.String(numbered(i)),
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String(strconv.Itoa(s.from))},
		}
		if s.to > 0 {
			sh.SequenceNumberRange.EndingSequenceNumber = aws.String(strconv.Itoa(s.to))
		}
		switch {
		case len(s.parents) == 2:
			sh.ParentShardId, sh.AdjacentParentShardId = aws.String(numbered(s.parents[0])),
				aws.String(numbered(s.parents[1]))
		case len(s.parents) == 1 && i == len(g)-1:
			sh.AdjacentParentShardId = aws.String(numbered(s.parents[0]))
		case len(s.parents) == 1:
			sh.ParentShardId = aws.String(numbered(s.parents[0]))
		}
		out = append(out, sh)
	}
	return out
}

func (g graph) origin(epoch int) *table.Origin {
	o := &table.Origin{T0: time.Unix(int64(epoch), 0), Open: map[string]bool{}, Closed: map[string]bool{}}
	for i, s := range g {
		switch id := numbered(i); {
		case s.from > epoch:
		case s.to > 0 && s.to < epoch:
			o.Closed[id] = true
		default:
			o.Open[id] = true
		}
	}
	return o
}

// reading plays the stream through: everything that may be read is, shards that are closed are read to their end, and
// then what may be read after that. A shard is its number and where it starts: T for TRIM_HORIZON, @ for a time, + for
// behind its checkpoint.
func (g graph) reading(start table.Start, o *table.Origin, rows map[string]*table.Row, trimmed []int) string {
	l := lineage.New()
	l.Listed(g.listing(trimmed), nil, time.Now(), true)
	for _, id := range l.Missing() {
		l.Sought(id, false)
	}
	begun := map[string]bool{}
	var waves []string
	for {
		var wave, ended []string
		for i, s := range g {
			id := numbered(i)
			if l.Shards[id] == nil || begun[id] || lineage.Finished(id, rows, o, start) ||
				!l.GateOpen(id, rows, o, start) {
				continue
			}
			wave = append(wave, strconv.Itoa(i)+where(l, id, rows, o, start))
			begun[id] = true
			if s.to > 0 {
				ended = append(ended, id)
			}
		}
		if len(wave) == 0 {
			return strings.Join(waves, " > ")
		}
		waves = append(waves, strings.Join(wave, " "))
		for _, id := range ended {
			rows[id] = &table.Row{ID: id, Position: position.Position{Sequence: position.ShardEnd}}
		}
	}
}

func where(l *lineage.Tree, id string, rows map[string]*table.Row, o *table.Origin, start table.Start) string {
	if r := rows[id]; r != nil && r.Progressed() {
		return "+"
	}
	if l.From(id, rows, o, start).Type == types.ShardIteratorTypeTrimHorizon {
		return "T"
	}
	return "@"
}

// TestShardTreeOracle has the scenarios of the KCL's own test of the same question: which shards are read, from where,
// after what. kcl is what the KCL for Java does there; where we differ, why tells the reason.
func TestShardTreeOracle(t *testing.T) {
	latest, trim := table.Start{}, table.Start{Kind: table.StartTrimHorizon}
	moment := table.Start{Kind: table.StartTime, Time: time.Unix(150, 0)}
	const (
		same      = "the same"
		allOfA    = "0T 1T 2T 3T 4T 5T > 6T 7T 9T 10T > 8T"
		beforeTwo = 50  // the application began before any reshard of A
		betweenA  = 150 // between the two
		afterA    = 300
		afterB    = 2000
	)
	for _, c := range []struct {
		name    string
		g       graph
		start   table.Start
		t0      int    // the epoch in which the application began
		rows    string // number:end, number:checkpoint, or number: for a row without a checkpoint
		trimmed []int
		reads   string
		kcl     string
		why     string
	}{
		// Graph A, no rows.
		{
			name: "A latest", g: graphA(), start: latest, t0: afterA, reads: "4@ 8@ 9@ 10@", kcl: "4 8 9 10 at LATEST",
			why: "LATEST is wherever the stream is when the iterator is made; T0 is fixed",
		},
		{
			name: "A latest, begun between the reshards, nothing stored", g: graphA(), start: latest, t0: betweenA,
			reads: "4@ 5@ 6@ 7@ > 8T 9T 10T", kcl: "4 8 9 10 at LATEST",
			why: "a crash before the first checkpoint must not skip what came since T0",
		},
		{
			name: "A latest, begun before the reshards, nothing stored", g: graphA(), start: latest, t0: beforeTwo,
			reads: "0@ 1@ 2@ 3@ 4@ 5@ > 6T 7T 9T 10T > 8T", kcl: "4 8 9 10 at LATEST",
			why: "the same, across two reshards",
		},
		{name: "A trim_horizon", g: graphA(), start: trim, t0: afterA, reads: allOfA, kcl: same},
		{
			name: "A at a time", g: graphA(), start: moment, t0: afterA, reads: "0@ 1@ 2@ 3@ 4@ 5@ > 6@ 7@ 9@ 10@ > 8@",
			kcl: "4 5 6 7 and their children",
			why: "a shard that was closed before that time ends with its first page; no listing with a filter is " +
				"needed",
		},
		{
			name: "A at a time, begun between the reshards", g: graphA(), start: moment, t0: betweenA,
			reads: "0@ 1@ 2@ 3@ 4@ 5@ > 6@ 7@ 9T 10T > 8T", kcl: "the children at AT_TIMESTAMP",
			why: "a child that is younger than T0 holds nothing older, and its producers' clocks do not matter",
		},
		// Graph A, the oldest shards past the retention.
		{
			name: "A latest, trimmed", g: graphA(), start: latest, t0: afterA, trimmed: []int{0, 1, 2, 3},
			reads: "4@ 8@ 9@ 10@", kcl: same,
		},
		{
			name: "A trim_horizon, trimmed", g: graphA(), start: trim, t0: afterA, trimmed: []int{0, 1, 2, 3},
			reads: "4T 5T 6T 7T > 8T 9T 10T", kcl: same,
		},
		{
			name: "A latest, begun before the reshards, parents trimmed since", g: graphA(), start: latest,
			t0: beforeTwo, trimmed: []int{0, 1, 2, 3}, reads: "4@ 5@ 6T 7T > 8T 9T 10T", kcl: "4 8 9 10 at LATEST",
			why: "what is still there of the time since T0 is read",
		},
		// Graph A, rows that exist without a checkpoint: (3, 4, 5) and (4, 5, 7) as in the KCL's test.
		{
			name: "A trim_horizon, rows 3 4 5", g: graphA(), start: trim, t0: afterA, rows: "3: 4: 5:", reads: allOfA,
			kcl: same,
		},
		{
			name: "A trim_horizon, rows 4 5 7", g: graphA(), start: trim, t0: afterA, rows: "4: 5: 7:", reads: allOfA,
			kcl: "2 and 3 are never read, 7 is there already",
			why: "a row says nothing of its parents; only their own end does",
		},
		{
			name: "A latest, rows 3 4 5", g: graphA(), start: latest, t0: afterA, rows: "3: 4: 5:",
			reads: "4@ 8@ 9@ 10@", kcl: "3 4 5 are read, 2 and 6 at LATEST, 7 8 9 10 at TRIM_HORIZON",
			why: "closed before T0, so nothing in them is newer than T0",
		},
		{
			name: "A latest, rows 4 5 7", g: graphA(), start: latest, t0: afterA, rows: "4: 5: 7:",
			reads: "4@ 8@ 9@ 10@", kcl: "4 5 7 are read, 6 at LATEST, 8 9 10 at TRIM_HORIZON",
			why: "closed before T0, so nothing in them is newer than T0",
		},
		{
			name: "A at a time, rows 3 4 5", g: graphA(), start: moment, t0: afterA, rows: "3: 4: 5:",
			reads: "0@ 1@ 2@ 3@ 4@ 5@ > 6@ 7@ 9@ 10@ > 8@", kcl: same,
		},
		{
			name: "A at a time, rows 4 5 7", g: graphA(), start: moment, t0: afterA, rows: "4: 5: 7:",
			reads: "0@ 1@ 2@ 3@ 4@ 5@ > 6@ 7@ 9@ 10@ > 8@",
			kcl:   "0 1 6 8 9 10 get leases at AT_TIMESTAMP, 2 and 3 none", why: "a row says nothing of its parents",
		},
		// Graph A, progress.
		{
			name: "A latest, in the middle of the second reshard", g: graphA(), start: latest, t0: betweenA,
			rows: "4:200 5:end 6:end 7:160", reads: "4+ 7+ 9T 10T > 8T", kcl: same,
		},
		{
			name: "A latest, one parent of a merge still read", g: graphA(), start: latest, t0: beforeTwo,
			rows: "0:end 1:90 2:end 3:end 4:200 5:120", reads: "1+ 4+ 5+ 7T > 6T 9T 10T > 8T", kcl: same,
		},
		{
			name: "A latest, complete", g: graphA(), start: latest, t0: beforeTwo,
			rows: "0:end 1:end 2:end 3:end 4:300 5:end 6:end 7:end 8:300 9:300 10:300", reads: "4+ 8+ 9+ 10+",
			kcl: same,
		},
		{
			name: "A latest, parents ended, rows of the children missing", g: graphA(), start: latest, t0: beforeTwo,
			rows: "0:end 1:end 2:end 3:end 4:300 5:end 6:end 7:end", reads: "4+ 8T 9T 10T", kcl: same,
		},
		{
			name: "A latest, a shard closed at T0 has a checkpoint", g: graphA(), start: latest, t0: afterA,
			rows: "7:160", reads: "4@ 7+ 9@ 10@ > 8T", kcl: "6 at LATEST too; 8 at TRIM_HORIZON after 7",
			why: "6 was closed before T0; 7 was imported or rewound, so it is read to its end, and 8 follows on",
		},
		{
			name: "A trim_horizon, a child has a checkpoint and its parents' rows are lost", g: graphA(), start: trim,
			t0: afterA, rows: "4:200 5:150 7:160", reads: "0T 1T 2T 3T 4+ 5+ > 6T 7+ 9T 10T > 8T",
			kcl: "2 and 3 are not read again",
			why: "a lost row may have been behind: reading again repeats, skipping would lose",
		},
		// Graph B.
		{name: "B latest", g: graphB(), start: latest, t0: afterB, reads: "9@ 10@", kcl: "9 10 at LATEST", why: "T0"},
		{
			name: "B trim_horizon", g: graphB(), start: trim, t0: afterB,
			reads: "0T 1T > 2T > 3T 4T > 5T > 6T 7T > 8T > 9T 10T", kcl: same,
		},
		{
			name: "B at a time", g: graphB(), start: moment, t0: afterB,
			reads: "0@ 1@ > 2@ > 3@ 4@ > 5@ > 6@ 7@ > 8@ > 9@ 10@", kcl: same,
		},
		{
			name: "B latest, begun in the middle", g: graphB(), start: latest, t0: 1120,
			reads: "3@ 4@ > 5T > 6T 7T > 8T > 9T 10T", kcl: "9 10 at LATEST", why: "T0",
		},
		{
			name: "B trim_horizon, row of the last shard alone", g: graphB(), start: trim, t0: afterB, rows: "9:",
			reads: "0T 1T > 2T > 3T 4T > 5T > 6T 7T > 8T > 9T 10T", kcl: "the ancestors of 9 alone are not read",
			why: "a row says nothing of its parents",
		},
		{
			name: "B trim_horizon, one parent of the merge at its end", g: graphB(), start: trim, t0: afterB,
			rows: "0:end 1:end 2:end 3:end 4:1130", reads: "4+ > 5T > 6T 7T > 8T > 9T 10T", kcl: same,
		},
		{
			name: "B trim_horizon, one child of the split under way", g: graphB(), start: trim, t0: afterB,
			rows: "0:end 1:end 2:end 3:end 4:end 5:end 6:1210", reads: "6+ 7T > 8T > 9T 10T", kcl: same,
		},
		{
			name: "B latest, trimmed up to the merge that is read", g: graphB(), start: latest, t0: 1120,
			rows: "3:end 4:end 5:1160", trimmed: []int{0, 1, 2, 3, 4}, reads: "5+ > 6T 7T > 8T > 9T 10T", kcl: same,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := map[string]*table.Row{}
			for field := range strings.FieldsSeq(c.rows) {
				number, checkpoint, _ := strings.Cut(field, ":")
				n, err := strconv.Atoi(number)
				require.NoError(t, err)
				if checkpoint == "end" {
					checkpoint = position.ShardEnd
				}
				rows[numbered(n)] = &table.Row{
					ID:       numbered(n),
					Position: position.Position{Sequence: checkpoint, Sub: position.WholeRecord},
				}
			}
			require.Equal(t, c.reads, c.g.reading(c.start, c.g.origin(c.t0), rows, c.trimmed))
			require.Equal(t, c.kcl != same, c.why != "", "a difference has a reason")
		})
	}
}

// The same with two running workers: graph B grows on a real Store, and is read from trim_horizon, generation after
// generation, and from latest at its youngest shards alone.
func TestShardTreeOnTwoWorkers(t *testing.T) {
	for start, want := range map[table.StartKind]string{
		table.StartTrimHorizon: "0T 1T > 2T > 3T 4T > 5T > 6T 7T",
		table.StartLatest:      "6@ 7@",
	} {
		t.Run(table.Start{Kind: start}.String(), func(t *testing.T) {
			bubble(t, 2, func(w *world) {
				k := w.aws.Kinesis
				k.Merge(testStream, table.ShardName(0), table.ShardName(1))
				k.Split(testStream, table.ShardName(2))
				k.Merge(testStream, table.ShardName(3), table.ShardName(4))
				k.Split(testStream, table.ShardName(5))
				open := k.OpenShards(testStream)
				var mu sync.Mutex
				begun := map[string]string{} // shard: where
				var order []string
				w.work = func(_ *process, l *Lease) {
					mu.Lock()
					_, again := begun[l.shard]
					if !again {
						from, _, _ := l.Start()
						begun[l.shard] = map[types.ShardIteratorType]string{
							types.ShardIteratorTypeTrimHorizon: "T",
							types.ShardIteratorTypeAtTimestamp: "@",
						}[from.Type]
						order = append(order, l.shard)
					}
					mu.Unlock()
					if again && !slices.Contains(open, l.shard) {
						_ = l.Finish(w.Context(), nil) // again at the next turn
					}
				}
				kind := func(c *Config) { c.Start.Kind = start }
				a, b := w.start("a", kind), w.start("b", kind)
				w.await("the open shards", time.Minute,
					func() bool { return isHeld(open[0], a, b) && isHeld(open[1], a, b) })
				time.Sleep(time.Second)
				a.stop()
				b.stop()
				var waves []string
				for wave := range strings.SplitSeq(want, " > ") {
					n := len(strings.Fields(wave))
					require.GreaterOrEqual(t, len(order), n)
					var got []string
					for _, id := range slices.Sorted(slices.Values(order[:n])) {
						number, _ := table.ShardNumber(id)
						got = append(got, fmt.Sprint(number)+begun[id])
					}
					order = order[n:]
					waves = append(waves, strings.Join(got, " "))
				}
				require.Empty(t, order)
				require.Equal(t, want, strings.Join(waves, " > "))
			})
		})
	}
}
