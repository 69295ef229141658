package system

import (
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var simRecorded = flag.String("sim.history", "", "a recorded history for TestSimRecorded to judge again")

// TestSimRecorded judges a history that a failed simulation has left, without running anything.
func TestSimRecorded(t *testing.T) {
	t.Parallel()
	if *simRecorded == "" {
		t.Skip("no -sim.history")
	}
	content, err := os.ReadFile(*simRecorded)
	require.NoError(t, err)
	var r simRecording
	require.NoError(t, json.Unmarshal(content, &r))
	require.Empty(t, simCheck(r.Rules, r.History), "%s", r.Plan)
}

// simStory writes a history by hand; every event is half a second after the one before.
type simStory []simEvent

func (s *simStory) Add(e simEvent) {
	e.At = time.Duration(len(*s)) * time.Second / 2
	*s = append(*s, e)
}

func (s *simStory) put(n int, shard, sequence, key string) {
	s.Add(simEvent{
		Kind: simPut, N: []int{n}, Shard: shard, Sequence: sequence, Key: key, Arrival: int64(1000 * (n + 1)),
	})
}

func (s *simStory) row(id string, before, after *simRow) {
	s.Add(simEvent{Kind: simRowChange, Shard: id, Old: before, New: after})
}

func (s *simStory) publish(who string, n int, id string) {
	s.Add(simEvent{Kind: simAttempt, Who: who, N: []int{n}})
	s.Add(simEvent{Kind: simPublish, Who: who, N: []int{n}, ID: id})
	s.Add(simEvent{Kind: simAnswered, Who: who, N: []int{n}})
}

// TestSimModelCanFail shows that the model finds each breach of the contract, in a history that is without one up to
// the last events.
func TestSimModelCanFail(t *testing.T) {
	t.Parallel()
	const shard, child = "shardId-000000000000", "shardId-000000000001"
	beat := func(n int64) *simRow { return &simRow{Counter: n} }
	mine := func(checkpoint string) *simRow { return &simRow{Owner: "a/1", Epoch: 1, Checkpoint: checkpoint} }
	// a and b are in the fleet; a reads the shard, published record 1 and has committed it. Record 2 is still to come.
	begin := func() *simStory {
		s := &simStory{}
		s.put(1, shard, "100", "key")
		s.put(2, shard, "101", "key")
		s.Add(simEvent{Kind: simStarted, Who: "a"})
		s.row(simWorker+"a/1", nil, beat(1))
		s.row(simWorker+"b/1", nil, beat(1))
		s.row(shard, nil, mine(""))
		s.publish("a", 1, "id-1")
		s.row(shard, mine(""), mine("100"))
		return s
	}
	tests := map[string]struct {
		then func(*simStory)
		want string // empty: there is nothing wrong
	}{
		"a good history": {then: func(s *simStory) {
			s.publish("a", 2, "id-2")
			s.row(shard, mine("100"), &simRow{Owner: "b/1", Epoch: 2, Checkpoint: "101"})
			s.Add(simEvent{Kind: simEnd})
		}},
		"a record is lost": {want: "record 2 of " + shard + " (101) was never published", then: func(s *simStory) {
			s.Add(simEvent{Kind: simEnd})
		}},
		"a checkpoint moves back": {want: `went back from "100" to "99"`, then: func(s *simStory) {
			s.row(shard, mine("100"), mine("99"))
		}},
		"an ended shard is read again": {want: `went back from "SHARD_END" to "101"`, then: func(s *simStory) {
			s.row(shard, mine(simShardEnd), mine("101"))
		}},
		"a checkpoint passes a record": {want: "record 2 (101) was not published", then: func(s *simStory) {
			s.row(shard, mine("100"), mine("101"))
		}},
		"a stretch claims a record": {want: "record 2 (101) was not published", then: func(s *simStory) {
			claim := mine("100")
			claim.Resolved = "100>101"
			s.row(shard, mine("100"), claim)
		}},
		"a shard ends with a record left": {want: "record 2 (101) was not published", then: func(s *simStory) {
			s.row(shard, mine("100"), &simRow{Epoch: 1, Checkpoint: simShardEnd})
		}},
		"a row is deleted": {want: "was deleted", then: func(s *simStory) {
			s.row(shard, mine("100"), nil)
		}},
		"a row that the test deletes": {then: func(s *simStory) {
			s.Add(simEvent{Kind: simForget, Shard: shard})
			s.row(shard, mine("100"), nil)
		}},
		"a takeover without a new epoch": {want: `to "b/1" in epoch 1`, then: func(s *simStory) {
			s.row(shard, mine("100"), &simRow{Owner: "b/1", Epoch: 1, Checkpoint: "100"})
		}},
		"a fenced worker beats": {want: "after it was fenced", then: func(s *simStory) {
			s.row(simWorker+"a/1", &simRow{Counter: 1, Fenced: true}, &simRow{Counter: 2, Fenced: true})
		}},
		"another worker publishes": {
			want: `b publishes record 2 of ` + shard + `, which is owned by "a/1"`,
			then: func(s *simStory) {
				s.publish("b", 2, "id-2")
			},
		},
		"a former owner publishes": {
			want: `a publishes record 2 of ` + shard + `, which is owned by "b/1"`,
			then: func(s *simStory) {
				s.row(shard, mine("100"), &simRow{Owner: "b/1", Epoch: 2, Checkpoint: "100"})
				s.publish("a", 2, "id-2")
			},
		},
		"an owner publishes outside its window": {want: "outside its trust window", then: func(s *simStory) {
			for range 20 {
				s.Add(simEvent{Kind: simFault, ID: "nothing is heard of a"})
			}
			s.publish("a", 2, "id-2")
		}},
		"a child starts first": {
			want: child + " starts before its parent " + shard + " has ended",
			then: func(s *simStory) {
				s.Add(simEvent{Kind: simOpen, Shard: child, Parents: []string{shard}})
				s.row(child, nil, &simRow{Owner: "b/1", Epoch: 1})
			},
		},
		"a child starts in time": {then: func(s *simStory) {
			s.Add(simEvent{Kind: simOpen, Shard: child, Parents: []string{shard}})
			s.publish("a", 2, "id-2")
			s.row(shard, mine("100"), &simRow{Epoch: 1, Checkpoint: simShardEnd})
			s.row(child, nil, &simRow{Owner: "b/1", Epoch: 1})
		}},
		"a key is out of order": {want: "record 2 of key key was published after record 3", then: func(s *simStory) {
			s.put(3, shard, "102", "key")
			s.publish("a", 3, "id-3")
			s.publish("a", 2, "id-2")
		}},
		"a repeat has another id": {want: "record 1 was published as id-1 and again as id-9", then: func(s *simStory) {
			s.publish("a", 1, "id-9")
		}},
		"an alert has no id": {want: "without an alert id", then: func(s *simStory) {
			s.publish("a", 2, "")
		}},
		"a handoff repeats": {want: "b publishes record 1 of " + shard +
			" again, for which a had the answer before it let go", then: func(s *simStory) {
			s.row(shard, mine("100"), &simRow{Owner: "b/1", Epoch: 2, Checkpoint: "100"})
			s.publish("b", 1, "id-1")
		}},
		"a clean stop repeats": {want: "b publishes record 1 of " + shard +
			" again, for which a had the answer before it let go", then: func(s *simStory) {
			s.row(shard, mine("100"), &simRow{Epoch: 1, Checkpoint: "100"})
			s.Add(simEvent{Kind: simStopped, Who: "a", Took: time.Second})
			s.row(shard, &simRow{Epoch: 1, Checkpoint: "100"}, &simRow{Owner: "b/1", Epoch: 2, Checkpoint: "100"})
			s.publish("b", 1, "id-1")
		}},
		"a crash repeats": {then: func(s *simStory) {
			s.row(simWorker+"a/1", beat(1), &simRow{Counter: 1, Fenced: true})
			s.row(shard, mine("100"), &simRow{Owner: "b/1", Epoch: 2, Checkpoint: "100"})
			s.row(simWorker+"b/1", beat(1), beat(2))
			s.publish("b", 1, "id-1")
		}},
		"a record of nobody": {want: "which nobody put", then: func(s *simStory) {
			s.publish("a", 7, "id-7")
		}},
		"a record that alerts nobody": {want: "which alerts nobody", then: func(s *simStory) {
			s.put(3, shard, "102", "key")
			(*s)[len(*s)-1].Quiet = true
			s.publish("a", 3, "id-3")
		}},
		"a stopped worker writes": {want: "a called PutItem after it had stopped", then: func(s *simStory) {
			s.Add(simEvent{Kind: simStopped, Who: "a", Took: time.Second})
			s.Add(simEvent{Kind: simAfterEnd, Who: "a", ID: "PutItem"})
		}},
		"a stop takes too long": {want: "a took 14s to stop", then: func(s *simStory) {
			s.Add(simEvent{Kind: simStopped, Who: "a", Took: 14 * time.Second})
		}},
		"a pool is overdrawn": {want: "a holds 2001 bytes of credits", then: func(s *simStory) {
			s.Add(simEvent{Kind: simBuffered, Who: "a", Bytes: 2001})
		}},
	}
	rules := simRules{Lease: 10 * time.Second, Budget: 12 * time.Second, Memory: 2000}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin()
			test.then(s)
			if test.want == "" {
				require.Empty(t, simCheck(rules, *s))
				return
			}
			broken := simCheck(rules, *s)
			require.NotEmpty(t, broken)
			require.Contains(t, broken[0], test.want)
		})
	}
	t.Run("a record from before the application", func(t *testing.T) {
		t.Parallel()
		latest := rules
		latest.Latest = true
		s := begin()
		s.Add(simEvent{Kind: simRowChange, Shard: "#application", New: &simRow{T0: 3000}, Arrival: 3000})
		require.Contains(t, simCheck(latest, *s)[0], "arrived before the application began")
	})
}
