package checkpoint

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

func TestRowOfAHeldShardIsRewritten(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		id := table.ShardName(1)
		l := a.store.Lease(id)
		l.Commit(position.Progress{Settled: true, At: position.Past("77"), Above: "r", CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		epoch := l.epochNow()
		require.True(w, w.aws.DynamoDB.Delete(testTable, id))
		w.await("row back without any progress", scanEvery+2*time.Second, func() bool { return w.row(id) != nil })
		require.NoError(w, l.Context().Err())
		require.Equal(w, "77", w.row(id)[table.AttrPosition])
		require.Equal(w, "r", w.row(id)[table.AttrResolved])
		require.Equal(w, epoch+1, l.epochNow())
		l.Commit(position.Progress{Settled: true, At: position.Past("78"), CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		require.Equal(w, "78", w.row(id)[table.AttrPosition])
		require.True(w, w.aws.DynamoDB.Delete(testTable, id))
		l.Commit(position.Progress{Settled: true, At: position.Past("79"), CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		require.Equal(w, "79", w.row(id)[table.AttrPosition], "a commit finds it sooner")
		require.True(w, w.aws.DynamoDB.Delete(testTable, id))
		a.stop()
		require.Equal(w, "79", w.row(id)[table.AttrPosition], "so does a release")
		require.InDelta(w, 3, testutil.ToFloat64(a.store.m.rewritten), 0)
	})
}

func TestApplicationRowIsRewrittenFromMemory(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		before := w.row(table.KeyApplication)
		require.True(w, w.aws.DynamoDB.Delete(testTable, table.KeyApplication))
		w.await("row back", scanEvery+5*time.Second, func() bool { return w.row(table.KeyApplication) != nil })
		require.Equal(w, before, w.row(table.KeyApplication))
		require.Len(w, a.held(), 1)
		a.stop()
	})
}

// The table vanishes and comes back empty: same generation, same T0, and what this process held continues from its
// memory.
func TestTableVanishesAndIsCreatedAnew(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a", func(c *Config) { c.CreateTable = true })
		w.awaitHeld(5*time.Second, 2, a)
		before := w.row(table.KeyApplication)
		a.store.Lease(table.ShardName(0)).Commit(
			position.Progress{Settled: true, At: position.Past("10"), CaughtUp: time.Now()},
		)
		low, high := w.aws.Kinesis.Split(testStream, table.ShardName(1))
		w.finish(table.ShardName(1), nil, a)
		w.await("children", 5*time.Second, func() bool { return isHeld(low, a) && isHeld(high, a) })
		time.Sleep(2 * time.Second)
		w.aws.DynamoDB.DropTable(testTable)
		a.store.Lease(table.ShardName(0)).Commit(
			position.Progress{Settled: true, At: position.Past("11"), CaughtUp: time.Now()},
		)
		w.await("table and leases back", time.Minute, func() bool {
			return w.row(table.ShardName(0)) != nil && w.row(table.ShardName(0))[table.AttrPosition] == "11" &&
				len(a.held()) == 3
		})
		require.Equal(w, before, w.row(table.KeyApplication))
		require.True(w, isHeld(low, a) && isHeld(high, a) && isHeld(table.ShardName(0), a),
			"the ended parent is not read again")
		w.await("the parent's end is stored again", 5*time.Second,
			func() bool { return w.row(table.ShardName(1)) != nil })
		require.Equal(w, position.ShardEnd, w.row(table.ShardName(1))[table.AttrPosition])
		require.NotContains(w, w.row(table.ShardName(1)), table.AttrOwner)
		a.stop()
	})
}

// Without leave to create, a vanished table is waited for; the window closes meanwhile and everything resumes.
func TestTableVanishesAndIsRestored(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		before := w.row(table.KeyApplication)
		a.store.Lease(table.ShardName(0)).Commit(
			position.Progress{Settled: true, At: position.Past("10"), CaughtUp: time.Now()},
		)
		time.Sleep(2 * time.Second)
		w.aws.DynamoDB.DropTable(testTable)
		time.Sleep(3 * time.Second)
		require.Len(w, a.held(), 2, "the window is still open")
		time.Sleep(30 * time.Second)
		require.Empty(w, a.held())
		require.Nil(w, w.row(table.KeyApplication))
		db, _ := w.clients("operator")
		w.createTable(db, table.AttrKey)
		w.awaitHeld(30*time.Second, 2, a)
		require.Equal(w, before, w.row(table.KeyApplication))
		from, _, _ := a.store.Lease(table.ShardName(0)).Start()
		require.Equal(w, "10", *from.SequenceNumber)
		a.stop()
	})
}

func (w *world) createTable(db *dynamodb.Client, key string) {
	w.Helper()
	_, err := db.CreateTable(w.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String(testTable), BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{{AttributeName: &key, KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{
			AttributeName: &key,
			AttributeType: types.ScalarAttributeTypeS,
		}},
	})
	require.NoError(w, err)
	time.Sleep(100 * time.Millisecond)
}

// Defect 37 of the KCL: two first workers race for the table without failing, and a fault of DescribeTable is not taken
// for a missing table.
func TestTwoFirstWorkersRace(t *testing.T) {
	bubble(t, 4, func(w *world) {
		w.aws.Faults.Add(fakeaws.Fault{Operation: "DescribeTable", Kind: fakeaws.Before, Times: 5})
		a, b := w.start("a"), w.start("b")
		w.await("both at work", 10*time.Second, func() bool { return len(a.held()) == 2 && len(b.held()) == 2 })
		require.Equal(w, a.store.Status().Generation, b.store.Status().Generation)
		require.Equal(w, a.store.Status().T0, b.store.Status().T0)
		require.LessOrEqual(w, w.aws.History.Count(fakeaws.ServiceDynamoDB, "CreateTable"), 2)
		db, _ := w.clients("operator")
		out, err := db.DescribeTable(w.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(testTable)})
		require.NoError(w, err)
		require.Equal(w, types.BillingModePayPerRequest, out.Table.BillingModeSummary.BillingMode)
		a.stop()
		b.stop()
	})
}

func TestForeignTables(t *testing.T) {
	for name, c := range map[string]struct {
		key  string
		row  table.Item
		says string
	}{
		"vmware-go-kcl": {"ShardID", table.Item{"ShardID": table.Str("shardId-0")}, "ShardID"},
		"KCL for Java": {table.AttrKey, table.Item{
			table.AttrKey:       table.Str(table.ShardName(0)),
			table.AttrJavaLease: table.Num(7),
		}, "KCL for Java"},
		"anything": {table.AttrKey, table.Item{table.AttrKey: table.Str("customer-1")}, "customer-1"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				db, _ := w.clients("other")
				w.createTable(db, c.key)
				_, err := db.PutItem(w.Context(), &dynamodb.PutItemInput{TableName: aws.String(testTable), Item: c.row})
				require.NoError(w, err)
				s, _ := w.newStore("a")
				err = s.Run(w.Context())
				require.ErrorIs(w, err, table.ErrForeignTable)
				require.ErrorContains(w, err, c.says)
				require.ErrorContains(w, err, "another table name")
			})
		})
	}
}

// Defect 36 of the KCL: a stream that was recreated under the same name.
func TestRecreatedStream(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		w.aws.Kinesis.Delete(testStream)
		time.Sleep(2 * time.Second)
		w.aws.Kinesis.Create(testStream, 1)
		var err error
		select {
		case err = <-a.result:
		case <-time.After(2 * time.Minute):
		}
		require.ErrorIs(w, err, table.ErrOtherStream)
		require.ErrorContains(w, err,
			"To begin the new stream at its first record: kinesis-alerter leases reset --table "+testTable+".")
		a.cancel()
		a.wg.Wait()
		s, _ := w.newStore("b")
		require.ErrorIs(w, s.Run(w.Context()), table.ErrOtherStream)
	})
}

func TestOtherFormatIsRefused(t *testing.T) {
	bubble(t, 1, func(w *world) {
		db, _ := w.clients("other")
		w.createTable(db, table.AttrKey)
		_, err := db.PutItem(w.Context(), &dynamodb.PutItemInput{
			TableName: aws.String(testTable),
			Item:      table.Item{table.AttrKey: table.Str(table.KeyApplication), table.AttrFormat: table.Num(2)},
		})
		require.NoError(w, err)
		s, _ := w.newStore("a")
		require.ErrorIs(w, s.Run(w.Context()), table.ErrFormat)
	})
}

// One answer that names another format, or another table, ends no process.
func TestOneAnswerIsNoProofOfAForeignTable(t *testing.T) {
	for name, c := range map[string]struct {
		operation string
		change    func(map[string]any)
	}{
		"format": {"GetItem", func(doc map[string]any) {
			if it, ok := doc["Item"].(map[string]any); ok {
				it[table.AttrFormat] = map[string]any{"N": "2"}
			}
		}},
		"key": {"DescribeTable", func(doc map[string]any) {
			if table, ok := doc["Table"].(map[string]any); ok {
				table["KeySchema"] = []any{map[string]any{"AttributeName": "other", "KeyType": "HASH"}}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 1, a)
				remove := w.aws.Faults.Add(fakeaws.Fault{
					Service: fakeaws.ServiceDynamoDB, Operation: c.operation, Client: "b", Kind: fakeaws.Changed,
					Rewrite: func(answer *fakeaws.Answer) { answer.JSON(c.change) },
				})
				b := w.start("b")
				time.Sleep(12 * time.Second)
				remove()
				a.stop()
				w.awaitHeld(10*time.Second, 1, b)
				b.stop()
			})
		})
	}
}

func TestLeaseDurationOfTheTableIsInForce(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a", func(c *Config) { c.LeaseDuration = 6 * time.Second })
		w.awaitHeld(5*time.Second, 1, a)
		a.kill()
		b := w.start("b", func(c *Config) { c.LeaseDuration = time.Minute })
		took := w.awaitHeld(time.Minute, 1, b)
		require.LessOrEqual(w, took, 7*time.Second)
		require.Equal(w, 6*time.Second, b.store.Status().LeaseDuration)
		b.stop()
	})
}

func TestStartUpFaultsNameResourceAndPermission(t *testing.T) {
	denied := &fakeaws.Error{Code: "AccessDeniedException", Message: "User is not authorized"}
	for name, c := range map[string]struct {
		stream int
		fault  fakeaws.Fault
		says   string
	}{
		"no stream": {0, fakeaws.Fault{Operation: "none"}, "stream orders does not exist"},
		"CreateTable": {
			1,
			fakeaws.Fault{Operation: "CreateTable", Kind: fakeaws.Before, Err: denied},
			"permission dynamodb:CreateTable on table alerts is missing",
		},
		"DescribeTable": {
			1,
			fakeaws.Fault{Operation: "DescribeTable", Kind: fakeaws.Before, Err: denied},
			"permission dynamodb:DescribeTable on table alerts is missing",
		},
		"GetItem": {
			1,
			fakeaws.Fault{Operation: "GetItem", Kind: fakeaws.Before, Err: denied},
			"permission dynamodb:GetItem on table alerts is missing",
		},
		"PutItem": {
			1,
			fakeaws.Fault{Operation: "PutItem", Kind: fakeaws.Before, Err: denied},
			"permission dynamodb:PutItem on table alerts is missing",
		},
		"ListShards": {
			1,
			fakeaws.Fault{Operation: "ListShards", Kind: fakeaws.Before, Err: denied},
			"permission kinesis:ListShards on stream orders is missing",
		},
		"DescribeStream": {
			1,
			fakeaws.Fault{Operation: "DescribeStreamSummary", Kind: fakeaws.Before, Err: denied},
			"permission kinesis:DescribeStreamSummary on stream orders is missing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.stream, func(w *world) {
				core, logs := observer.New(zapcore.WarnLevel)
				w.log = zap.New(core)
				remove := w.aws.Faults.Add(c.fault)
				a := w.start("a")
				time.Sleep(time.Minute)
				said := logs.FilterMessage("cannot use the lease table yet, trying again").All()
				require.Len(w, said, 1, "once for each change of its text")
				require.Contains(w, said[0].ContextMap()["error"], c.says)
				require.False(w, a.store.Ready())
				require.True(w, a.store.Healthy())
				remove()
				if c.stream == 0 {
					w.aws.Kinesis.Create(testStream, 1)
				}
				w.awaitHeld(10*time.Second, 1, a)
				require.True(w, a.store.Ready())
				a.stop()
			})
			bubble(t, c.stream, func(w *world) {
				w.aws.Faults.Add(c.fault)
				s, _ := w.newStore("a", func(c *Config) { c.FailFast = true })
				require.ErrorContains(w, s.Run(w.Context()), c.says)
			})
		})
	}
}

func TestStopBeforeTheTableIsThere(t *testing.T) {
	bubble(t, 0, func(w *world) {
		a := w.start("a")
		time.Sleep(3 * time.Second)
		a.stop()
	})
	bubble(t, 0, func(w *world) {
		s, _ := w.newStore("a")
		require.NoError(w, s.Stop(w.Context()))
		ctx, cancel := context.WithCancel(w.Context())
		cancel()
		_, ok := s.NextGrant(ctx)
		require.False(w, ok)
	})
}

// Stop in the middle of an outage answers within its budget and says what is left.
func TestStopDuringAnOutage(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		begin := time.Now()
		ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
		defer cancel()
		err := a.store.Stop(ctx)
		require.ErrorContains(w, err, "delete the row of worker")
		require.LessOrEqual(w, time.Since(begin), 6*time.Second)
		require.NoError(w, <-a.result)
		a.cancel()
		a.wg.Wait()
	})
}
