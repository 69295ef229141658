package output

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/delivery"
)

// naive is what the schedule promises, without any of its lists: for each key its items in order, and which of them is
// where.
type naive struct {
	queues map[string][]*Item
	state  map[*Item]string // flying, delayed, held, mailing, doomed; "" waits
	due    map[*Item]time.Time
	gone   map[*Item]string
	order  []*Item
}

func (n *naive) heads(state string) (out []*Item) {
	for _, it := range n.order {
		if q := n.queues[it.Key]; n.gone[it] == "" && len(q) > 0 && q[0] == it && n.state[it] == state {
			out = append(out, it)
		}
	}
	return out
}

func (n *naive) end(it *Item, how string) {
	n.gone[it] = how
	delete(n.state, it)
	n.queues[it.Key] = slices.DeleteFunc(n.queues[it.Key], func(x *Item) bool { return x == it })
}

// The schedule and the model agree about every step: at most one item of a key is in a call, items of a key end in
// order, nothing is lost and nothing ends twice, and the sums are right.
func TestScheduleKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := &delivery.Health{}
		s := newSchedule(h)
		n := &naive{
			queues: map[string][]*Item{}, state: map[*Item]string{}, due: map[*Item]time.Time{},
			gone: map[*Item]string{},
		}
		now := time.Unix(1000, 0)
		var calls [][]*Item
		feeds := []*Feed{{}, {}}
		ended := map[*Item]int{}
		finish := func(it *Item, how string) {
			require.Same(t, n.queues[it.Key][0], it, "only the first of a key ends")
			require.Same(t, it, s.done(it.lane, now))
			n.end(it, how)
			ended[it]++
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 20).Draw(t, "n") {
					it := &Item{feed: rapid.SampledFrom(feeds).Draw(t, "feed"), cost: 1}
					it.Key = "k" + strconv.Itoa(rapid.IntRange(0, 7).Draw(t, "key"))
					sizes := rapid.SampledFrom([]int{1, 1000, mostBytes / 2, mostBytes + 1})
					it.Data = make([]byte, sizes.Draw(t, "size"))
					s.push(it, now)
					n.queues[it.Key] = append(n.queues[it.Key], it)
					n.order = append(n.order, it)
				}
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
			},
			"call": func(t *rapid.T) {
				may, wait := s.next(now)
				for _, it := range n.heads("delayed") {
					if !n.due[it].After(now) {
						delete(n.state, it)
					}
				}
				sendable := n.heads("")
				if !may {
					require.NotEqual(t, time.Duration(0), wait, "it says when to look again, or waits for an event")
					idle := len(calls) == 0 && h.Wait(now) == 0 && len(sendable) > 0
					require.False(t, idle && wait > gap, "with nothing under way a call goes soon")
					return
				}
				require.NotEmpty(t, sendable)
				require.Less(t, len(calls), inFlight)
				old := map[*Item]bool{}
				sent, expired := s.take(now, nil, func(it *Item) bool {
					old[it] = rapid.IntRange(0, 9).Draw(t, "old") == 0
					return old[it]
				})
				size := 0
				for _, it := range sent {
					require.Contains(t, sendable, it)
					require.False(t, old[it])
					size += it.size()
					n.state[it] = "flying"
				}
				require.True(t, size <= mostBytes || len(sent) == 1)
				require.LessOrEqual(t, len(sent), mostRecords)
				if h.Fault() != "" {
					require.LessOrEqual(t, len(sent), 1)
				}
				for _, it := range expired {
					require.True(t, old[it])
					finish(it, "expired")
				}
				if len(sent) > 0 {
					calls = append(calls, sent)
				}
			},
			"answer": func(t *rapid.T) {
				if len(calls) == 0 {
					t.Skip("none is under way")
				}
				i := rapid.IntRange(0, len(calls)-1).Draw(t, "call")
				items := calls[i]
				calls = slices.Delete(calls, i, i+1)
				s.landed(len(items))
				for _, it := range items {
					if it.dropped {
						finish(it, "dropped")
						continue
					}
					switch rapid.IntRange(0, 5).Draw(t, "end") {
					case 0:
						delete(n.state, it)
						s.again(it.lane, now)
					case 1:
						wait := time.Duration(rapid.IntRange(1, 5000).Draw(t, "backoff")) * time.Millisecond
						n.state[it], n.due[it] = "delayed", now.Add(wait)
						s.delay(it.lane, now, wait)
					case 2:
						if rapid.IntRange(0, 5).Draw(t, "held") == 0 {
							n.state[it] = "held"
							s.hold(it.lane)
							break
						}
						n.state[it] = "mailing"
						s.post(it.lane, letter{})
					default:
						finish(it, "accepted")
					}
				}
				switch rapid.IntRange(0, 6).Draw(t, "health") {
				case 0:
					h.Failed(now, h.Epoch(), "", .5)
				case 1:
					h.Failed(now, h.Epoch(), reasonMissing, .5)
				default:
					h.Answered(h.Epoch())
				}
			},
			"letter": func(*rapid.T) {
				for _, it := range n.heads("mailing") {
					finish(it, "letter")
				}
				s.mail = nil
			},
			"shed": func(t *rapid.T) {
				most := rapid.IntRange(1, 5).Draw(t, "n")
				var want []*Item
				for _, it := range n.order {
					if st, q := n.state[it], n.queues[it.Key]; len(want) < most && n.gone[it] == "" && q[0] == it &&
						(st == "" || st == "delayed") && it.feed == feeds[0] {
						want = append(want, it)
					}
				}
				mine := func(it *Item) bool { return it.waitsAtHead() && it.feed == feeds[0] }
				for i, ln := range s.pick(most, mine) {
					require.Same(t, want[i], ln.first, "the oldest go first")
					n.state[ln.first] = "mailing"
					s.post(ln, letter{})
				}
			},
			"drop": func(t *rapid.T) {
				if rapid.IntRange(0, 4).Draw(t, "really") != 0 {
					t.Skip("seldom")
				}
				feed := rapid.SampledFrom(feeds).Draw(t, "feed")
				dropped := s.drop(now, func(it *Item) bool { return it.feed == feed })
				for _, it := range slices.Clone(n.order) {
					if n.gone[it] != "" || it.feed != feed {
						continue
					}
					if st := n.state[it]; st == "flying" || st == "mailing" {
						require.True(t, it.dropped)
						require.NotContains(t, dropped, it)
						continue
					}
					require.Contains(t, dropped, it)
					n.end(it, "dropped")
				}
			},
			"": func(t *rapid.T) {
				left, lanes, ready, bytes, held, mailing, flying := 0, 0, 0, 0, 0, 0, 0
				for key, q := range n.queues {
					if left += len(q); len(q) == 0 {
						require.NotContains(t, s.lanes, key)
						continue
					}
					lanes++
					switch n.state[q[0]] {
					case "", "delayed":
						if s.lanes[key].phase == waiting {
							require.Equal(t, "delayed", n.state[q[0]])
							break
						}
						ready++
						bytes += q[0].size()
					case "held":
						held++
					case "mailing":
						mailing++
					case "flying":
						flying++
					}
					var in []*Item
					for it := s.lanes[key].first; it != nil; it = it.behind {
						in = append(in, it)
					}
					require.Equal(t, q, in, "the order of "+key)
				}
				require.Equal(
					t, fmt.Sprint(left, lanes, ready, bytes, held, mailing, flying, len(calls)),
					fmt.Sprint(s.items, len(s.lanes), s.ready, s.readyBytes, s.held, s.mailing, s.flying, s.calls),
				)
				failing := 0
				for _, ln := range s.lanes {
					if ln.failures > 0 {
						failing++
					}
				}
				require.Equal(t, failing, s.failing)
				require.Equal(t, failing > 0, !s.failingSince.IsZero())
			},
		})
		for it, times := range ended {
			require.Equal(t, 1, times, "%s", it.Key)
		}
	})
}
