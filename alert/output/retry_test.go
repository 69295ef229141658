package output_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/internal/fakeaws"
)

func throttled(shardID string) *fakeaws.Error {
	return &fakeaws.Error{
		Code:    "ProvisionedThroughputExceededException",
		Message: "Rate exceeded for shard " + shardID + " in stream scores.",
	}
}

// Every third attempt of an entry fails: what was accepted is never sent again, and no later record overtakes.
func TestFailedEntriesGoAloneAndInOrder(t *testing.T) {
	bubble(t, func(w *world) {
		seen := map[string]int{}
		w.Kinesis.RefuseEntries(func(shardID, key string) *fakeaws.Error {
			seen[key]++
			switch {
			case seen[key]%3 == 1:
				return throttled(shardID)
			case seen[key]%5 == 0:
				return &fakeaws.Error{Code: "InternalFailure", Message: "Internal service failure."}
			}
			return nil
		})
		s := w.shard()
		s.putMany(40, 20)
		s.quiet()
		w.inOrder(40, 20, false)
		require.Positive(t, w.metric("retries_total", "output", "scored", "reason", "throttled"))
		require.Positive(t, w.metric("retries_total", "output", "scored", "reason", "service_error"))
		s.feed.Stop(errEnough)
	})
}

// A shard of the output that takes nothing holds its keys, and no other.
func TestSlowOutputShardHoldsOnlyItsKeys(t *testing.T) {
	bubble(t, func(w *world) {
		slow := w.Kinesis.OpenShards("scores")[1]
		held := map[string]bool{}
		w.Kinesis.RefuseEntries(func(shardID, key string) *fakeaws.Error {
			if shardID == slow {
				held[key] = true
				return throttled(shardID)
			}
			return nil
		})
		s := w.shard()
		s.putMany(100, 10)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.NotEmpty(t, held)
		require.Equal(t, (100-len(held))*10, s.ended())
		require.Less(t, len(w.wire.seen()), 300, "the slow ones are paced")
		got := w.status()
		require.Equal(t, len(held), got.FailingKeys)
		require.Equal(t, alert.Reason("throttled"), got.Failing)
		require.Contains(t, got.Error, "Rate exceeded for shard "+slow)
		require.Contains(t, got.Remedy, "more shards")
		require.Zero(t, got.Failures, "the output itself is fine")
		w.Kinesis.RefuseEntries(nil)
		s.quiet()
		w.inOrder(100, 10, false)
		require.Zero(t, w.status().FailingKeys)
		s.feed.Stop(errEnough)
	})
}

func TestCallsThatFailAreMadeAgain(t *testing.T) {
	for name, fault := range map[string]fakeaws.Fault{
		"throttled":   fakeaws.Throttle(fakeaws.ServiceKinesis, "PutRecords"),
		"503":         {Err: &fakeaws.Error{Code: "ServiceUnavailable", Status: http.StatusServiceUnavailable}},
		"timeout":     {Kind: fakeaws.BlackHole},
		"connection":  {Kind: fakeaws.Partition},
		"KMS":         {Err: &fakeaws.Error{Code: "KMSThrottlingException"}},
		"credentials": {Err: &fakeaws.Error{Code: "ExpiredTokenException"}},
		"no answer":   {Rewrite: func(a *fakeaws.Answer) { a.Status, a.Body = 200, []byte("{}") }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				remove := w.fault(fault)
				s := w.shard()
				s.putMany(600, 2)
				time.Sleep(time.Minute)
				require.Zero(t, s.ended())
				require.Less(t, len(w.wire.seen()), 80, "it backs off")
				got := w.status()
				require.Positive(t, got.Failures)
				require.Empty(t, got.Fault)
				require.NotEmpty(t, got.Failing)
				warning := "writing to the output stream fails, records wait and are tried again"
				require.Equal(t, 1, w.logs.FilterMessage(warning).Len())
				remove()
				s.quiet()
				w.inOrder(600, 2, false)
				require.Zero(t, w.status().Failures)
				require.Equal(t, 1, w.logs.FilterMessage("output stream accepts records again").Len())
				s.feed.Stop(errEnough)
			})
		})
	}
}

// A lost answer repeats the record; the first copies are in order.
func TestLostAnswersRepeat(t *testing.T) {
	bubble(t, func(w *world) {
		n := 0
		w.fault(fakeaws.Fault{Kind: fakeaws.After, When: func() bool { n++; return n%3 == 0 }})
		s := w.shard()
		s.putMany(50, 10)
		s.quiet()
		w.inOrder(50, 10, true)
		s.feed.Stop(errEnough)
	})
}

// Somebody corrects a role: what waits is written at once, not when the next probe is due.
func TestHurry(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.shard()
		s.putMany(5, 2)
		time.Sleep(10 * time.Minute)
		before := len(w.wire.seen())
		w.Kinesis.Create("scores", 1)
		w.Hurry()
		synctest.Wait()
		require.Len(t, w.wire.seen(), before+1, "no probe was due")
		s.feed.Stop(errEnough)
	}, shards(0))
}

func TestConfigurationFaultHolds(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.shard()
		s.putMany(30, 2)
		time.Sleep(10 * time.Minute)
		require.Zero(t, s.ended())
		got := w.status()
		require.Equal(t, alert.Reason("stream_not_found"), got.Fault)
		require.Contains(t, got.Remedy, "create the output stream")
		require.InDelta(t, 1, w.metric("fault", "output", "scored", "reason", "stream_not_found"), 0)
		require.Equal(t, 1, w.logs.FilterLevelExact(zapcore.ErrorLevel).Len(), "it is logged once")
		for _, c := range w.wire.seen()[1:] {
			require.Len(t, c.keys, 1, "one record probes")
		}
		require.Less(t, len(w.wire.seen()), 60)
		s.quiet()
		require.True(t, s.feed.Leaves(), "nothing can be done here")
		w.Kinesis.Create("scores", 1)
		time.Sleep(time.Minute)
		s.quiet()
		w.inOrder(30, 2, false)
		require.False(t, s.feed.Leaves())
		require.Zero(t, w.metric("fault"))
		s.feed.Stop(errEnough)
	}, shards(0))
}

func TestFaultsAndTheirReasons(t *testing.T) {
	for code, reason := range map[string]alert.Reason{
		"AccessDeniedException":          "not_authorized",
		"KMSAccessDeniedException":       "kms_access_denied",
		"KMSDisabledException":           "kms_key_unusable",
		"UnrecognizedClientException":    "signature",
		"ResourceInUseException":         "stream_refused",
		"SerializationException":         "unknown",
		"NobodyHasSeenThisException":     "unknown",
		"ValidationException streamName": "stream_refused",
	} {
		t.Run(code, func(t *testing.T) {
			bubble(t, func(w *world) {
				name, message, _ := strings.Cut(code, " ")
				remove := w.fault(fakeaws.Fault{Err: &fakeaws.Error{
					Code: name, Message: "Value at '" + message + "' failed to satisfy constraint",
				}})
				s := w.shard()
				s.putMany(3, 2)
				time.Sleep(time.Minute)
				require.Equal(t, reason, w.status().Fault)
				require.NotEmpty(t, w.status().Remedy)
				require.Empty(t, w.letters.sent(), "nothing is given up")
				remove()
				time.Sleep(time.Minute)
				s.quiet()
				w.inOrder(3, 2, false)
				s.feed.Stop(errEnough)
			}, deadLetters)
		})
	}
}

// Kinesis refuses a call as a whole for one record. The others are written, and it is found.
func TestCulpritIsFound(t *testing.T) {
	put := func(s *shard) {
		s.put(newItem("key0", "key0/0"), newItem("large", strings.Repeat("x", 1<<20+1)),
			newItem(strings.Repeat("k", 257), "long key"), newItem("large", "after the large one"))
		for i := 1; i < 600; i++ {
			s.put(newItem("key"+strconv.Itoa(i), "key"+strconv.Itoa(i)+"/0"))
		}
	}
	t.Run("dead letters", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			put(s)
			s.quiet()
			require.Len(t, w.Kinesis.Records("scores"), 601)
			letters := w.letters.sent()
			require.Len(t, letters, 2)
			for _, l := range letters {
				want := output.ReasonInvalidParameter
				if l.OutputKey == "large" {
					want = output.ReasonTooLarge
				}
				require.Equal(t, want, l.Reason)
				require.Equal(t, alert.ConditionRetries, l.Condition)
				require.Equal(t, "scored", l.Output)
				require.NotEmpty(t, l.Record.Data)
				require.Positive(t, l.Attempts)
			}
			require.Equal(t, alert.DeadLettered, s.result("long key").Outcome)
			require.InDelta(t, 2, w.metric("records_total", "result", "dead_lettered"), 0)
			s.feed.Stop(errEnough)
		}, deadLetters)
	})
	t.Run("skipped", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			put(s)
			s.quiet()
			require.Len(t, w.Kinesis.Records("scores"), 601)
			require.Equal(t, alert.Decision{Outcome: alert.Invalid, Reason: alert.ReasonRejected}, s.result("long key"))
			require.InDelta(t, 2, w.metric("records_total", "result", "rejected"), 0)
			s.feed.Stop(errEnough)
		}, config(func(c *output.Config) { c.Skip = true }))
	})
	t.Run("held", func(t *testing.T) {
		bubble(t, func(w *world) {
			s := w.shard()
			put(s)
			s.quiet()
			require.Len(t, w.Kinesis.Records("scores"), 600)
			records, keys, _ := s.feed.Waiting()
			require.Equal(t, []int{3, 2}, []int{records, keys}, "the key waits, and what is behind")
			require.False(t, s.feed.Leaves())
			require.Equal(t, 2, w.status().HeldKeys)
			require.Equal(t, 2, w.logs.FilterLevelExact(zapcore.ErrorLevel).Len())
			s.feed.Stop(errEnough)
			require.Zero(t, w.status().Bytes)
			next := w.shard()
			next.put(newItem("large", "after"))
			next.quiet()
			require.Equal(t, 1, next.ended(), "what is held is so for its feed only")
			next.feed.Stop(errEnough)
		})
	})
}

// Records near the limit of a call go in as many calls as it takes.
func TestLargeRecords(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.shard()
		for i := range 12 {
			s.put(newItem(strconv.Itoa(i), strconv.Itoa(i)+strings.Repeat("x", 1<<20-10)))
		}
		s.quiet()
		require.Len(t, w.Kinesis.Records("scores"), 12)
		require.Less(t, len(w.wire.seen()), 6)
		s.feed.Stop(errEnough)
	})
}

// An answer that does not say what became of each record proves nothing, whoever looks at it first.
func TestHostileAnswers(t *testing.T) {
	each := func(edit func(map[string]any)) func(*fakeaws.Answer) {
		return func(a *fakeaws.Answer) {
			a.JSON(func(doc map[string]any) {
				for _, e := range doc["Records"].([]any) {
					edit(e.(map[string]any))
				}
			})
		}
	}
	for name, rewrite := range map[string]func(*fakeaws.Answer){
		"empty":     func(a *fakeaws.Answer) { a.Body = nil },
		"no object": func(a *fakeaws.Answer) { a.Body = []byte(`[]`) },
		"none":      func(a *fakeaws.Answer) { a.Body = []byte(`{"FailedRecordCount":0,"Records":[]}`) },
		"null list": func(a *fakeaws.Answer) { a.Body = []byte(`{"FailedRecordCount":0,"Records":null}`) },
		"one less": func(a *fakeaws.Answer) {
			a.JSON(func(d map[string]any) { d["Records"] = d["Records"].([]any)[1:] })
		},
		"one more": func(a *fakeaws.Answer) {
			a.JSON(func(d map[string]any) { d["Records"] = append(d["Records"].([]any), d["Records"].([]any)[0]) })
		},
		"half":         func(a *fakeaws.Answer) { a.Body = a.Body[:len(a.Body)/2] },
		"neither":      each(func(e map[string]any) { delete(e, "SequenceNumber") }),
		"both":         each(func(e map[string]any) { e["ErrorCode"] = "InternalFailure" }),
		"null":         each(func(e map[string]any) { e["SequenceNumber"] = nil }),
		"empty number": each(func(e map[string]any) { e["SequenceNumber"] = "" }),
		"number":       each(func(e map[string]any) { e["SequenceNumber"] = 1 }),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				remove := w.fault(fakeaws.Fault{Kind: fakeaws.Changed, Rewrite: rewrite})
				s := w.shard()
				s.putMany(20, 3)
				time.Sleep(time.Minute)
				require.Zero(t, s.ended())
				require.Empty(t, w.letters.sent())
				require.Less(t, len(w.Kinesis.Records("scores")), 20+40, "one at a time, seldom: each may be a repeat")
				remove()
				s.quiet()
				require.Equal(t, 60, s.ended())
				w.inOrder(20, 3, true)
				s.feed.Stop(errEnough)
			}, deadLetters)
		})
	}
}

// The Writer itself takes no entry for accepted that does not say so.
func TestUncheckedAnswers(t *testing.T) {
	for name, edit := range map[string]func(doc map[string]any, entries []any){
		"both":     func(_ map[string]any, e []any) { e[3].(map[string]any)["ErrorCode"] = "InternalFailure" },
		"neither":  func(_ map[string]any, e []any) { delete(e[3].(map[string]any), "SequenceNumber") },
		"one more": func(doc map[string]any, e []any) { doc["Records"] = append(e, e[0]) },
		"one less": func(doc map[string]any, e []any) { doc["Records"] = e[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *world) {
				// Of the record that the answer says nothing about it is not known that it was written.
				remove := w.fault(fakeaws.Fault{Kind: fakeaws.Changed, Times: 1, Rewrite: func(a *fakeaws.Answer) {
					a.JSON(func(doc map[string]any) { edit(doc, doc["Records"].([]any)) })
				}})
				s := w.shard()
				items := make([]*output.Item, 5)
				for i := range items {
					items[i] = newItem(strconv.Itoa(i), strconv.Itoa(i))
					require.NoError(w.t, s.feed.Reserve(w.t.Context(), items[i], longEnough, func() {}))
				}
				for _, it := range items {
					s.feed.Submit(it)
				}
				s.quiet()
				require.Equal(w.t, 5, s.ended())
				require.Greater(w.t, len(w.Kinesis.Records("scores")), 5, "what proves nothing is sent again")
				remove()
				s.feed.Stop(errEnough)
			}, unchecked)
		})
	}
}

// An answer about some of the records settles those, and the others go again.
func TestEntryWithoutAnOutcome(t *testing.T) {
	bubble(t, func(w *world) {
		w.fault(fakeaws.Fault{Kind: fakeaws.Changed, Times: 1, Rewrite: func(a *fakeaws.Answer) {
			a.JSON(func(d map[string]any) {
				e := d["Records"].([]any)[0].(map[string]any)
				e["ErrorCode"] = "InternalFailure"
			})
		}})
		s := w.shard()
		s.putMany(20, 1)
		s.quiet()
		require.Equal(t, 20, s.ended())
		s.feed.Stop(errEnough)
	})
}
