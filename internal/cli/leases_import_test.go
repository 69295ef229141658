package cli

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// TestLeasesImportNamesWhatItDoesNotImport: rows of other libraries that cannot be understood, or whose position the
// stream does not have, are refused by name, and with --force the others are imported. What is passed over is said in
// the plan.
func TestLeasesImportNamesWhatItDoesNotImport(t *testing.T) {
	t.Parallel()
	gone := func(id string, checkpoint any, change ...any) map[string]any {
		row := map[string]any{
			"ShardID": id, "AssignedTo": "w", "LeaseTimeout": "2026-01-01T00:00:00Z", "Checkpoint": checkpoint,
		}
		for i := 0; i < len(change); i += 2 {
			row[change[i].(string)] = change[i+1]
		}
		return row
	}
	java := func(id string, checkpoint any, change ...any) map[string]any {
		row := map[string]any{
			"leaseKey": id, "leaseOwner": "w", "leaseCounter": 17, "checkpoint": checkpoint,
			"checkpointSubSequenceNumber": 0,
		}
		for i := 0; i < len(change); i += 2 {
			row[change[i].(string)] = change[i+1]
		}
		return row
	}
	for name, c := range map[string]struct {
		rows    func(s0, s1, beyond string) []map[string]any
		refused string // what is said of a row that is not imported
		says    []string
		start   string
	}{
		"text for a checkpoint": {
			refused: `the checkpoint "latest-please" is no sequence number`,
			rows: func(_, s1, _ string) []map[string]any {
				return []map[string]any{gone(testkit.Shard0, "latest-please"), gone(testkit.Shard1, s1)}
			},
		},
		"number for a checkpoint": {
			refused: `Checkpoint is the number 12345, and should be a text`,
			rows: func(_, s1, _ string) []map[string]any {
				return []map[string]any{gone(testkit.Shard0, 12345), gone(testkit.Shard1, s1)}
			},
		},
		"number for a checkpoint, latest": {
			start: "latest", refused: `starts with what arrived after`,
			rows: func(_, s1, _ string) []map[string]any {
				return []map[string]any{gone(testkit.Shard0, 12345), gone(testkit.Shard1, s1)}
			},
		},
		"number for a time": {
			refused: `whether the old consumer still runs is unknown`,
			rows: func(s0, s1, _ string) []map[string]any {
				return []map[string]any{gone(testkit.Shard0, s0, "LeaseTimeout", 5), gone(testkit.Shard1, s1)}
			},
		},
		"no row": {says: []string{
			"shard " + testkit.Shard1 + " has no row: it starts at its first record",
		}, rows: func(s0, _, _ string) []map[string]any {
			return []map[string]any{gone(testkit.Shard0, s0)}
		}},
		"no row, latest": {start: "latest", says: []string{
			"shard " + testkit.Shard1 + " has no row: it starts with what arrived after",
		}, rows: func(s0, _, _ string) []map[string]any {
			return []map[string]any{gone(testkit.Shard0, s0)}
		}},
		"end of an open shard": {
			refused: "the stream shows the shard open",
			rows: func(_, s1, _ string) []map[string]any {
				return []map[string]any{gone(testkit.Shard0, "SHARD_END"), gone(testkit.Shard1, s1)}
			},
		},
		"unknown shard": {says: []string{
			`row "shardId-000000000099": the stream has no such shard`,
		}, rows: func(s0, s1, _ string) []map[string]any {
			return []map[string]any{
				gone(testkit.Shard0, s0), gone(testkit.Shard1, s1), gone("shardId-000000000099", "nonsense"),
			}
		}},
		"beyond the shard": {
			refused: "is beyond what the shard has",
			rows: func(_, s1, beyond string) []map[string]any {
				return []map[string]any{gone(testkit.Shard0, beyond), gone(testkit.Shard1, s1)}
			},
		},
		"trim horizon and latest": {says: []string{
			testkit.Shard1 +
				`": the checkpoint LATEST means that nothing was ever checkpointed: not written, the shard starts`,
		}, rows: func(_, _, _ string) []map[string]any {
			return []map[string]any{gone(testkit.Shard0, "TRIM_HORIZON"), gone(testkit.Shard1, "LATEST")}
		}},
		"a time": {says: []string{
			testkit.Shard0 + `": the checkpoint AT_TIMESTAMP means`,
		}, rows: func(_, s1, _ string) []map[string]any {
			return []map[string]any{java(testkit.Shard0, "AT_TIMESTAMP"), java(testkit.Shard1, s1)}
		}},
		"text for a counter": {
			refused: `leaseCounter is the text "seventeen"`,
			rows: func(s0, s1, _ string) []map[string]any {
				return []map[string]any{java(testkit.Shard0, s0, "leaseCounter", "seventeen"), java(testkit.Shard1, s1)}
			},
		},
		"text for a sub-sequence number": {
			refused: `checkpointSubSequenceNumber is the text "x"`,
			rows: func(s0, s1, _ string) []map[string]any {
				return []map[string]any{
					java(testkit.Shard0, s0, "checkpointSubSequenceNumber", "x"), java(testkit.Shard1, s1),
				}
			},
		},
		"huge sub-sequence number": {
			refused: `checkpointSubSequenceNumber "99999999999"`,
			rows: func(s0, s1, _ string) []map[string]any {
				return []map[string]any{
					java(testkit.Shard0, s0, "checkpointSubSequenceNumber", 99999999999), java(testkit.Shard1, s1),
				}
			},
		},
		"strange names": {says: []string{`row "shardId-1"`, `row " "`}, rows: func(s0, s1, _ string) []map[string]any {
			return []map[string]any{
				java(testkit.Shard0, s0), java(testkit.Shard1, s1), java("shardId-1", s1), java(" ", s1),
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 2)
				time.Sleep(time.Second)
				last := map[string]string{}
				for i := range 20 {
					shard, sequence := fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("patient-%d", i), []byte("{}"))
					if i < 10 {
						last[shard] = sequence
					}
				}
				rows := c.rows(last[testkit.Shard0], last[testkit.Shard1],
					strings.Repeat("9", len(last[testkit.Shard0])))
				key := "ShardID"
				if rows[0]["leaseKey"] != nil {
					key = "leaseKey"
				}
				old := newForeignTable(t, fake, "old", key)
				for _, row := range rows {
					old.put(row)
				}
				start := c.start
				if start == "" {
					start = "trim_horizon"
				}
				args := []string{"import", "--from", "old", "--config", leasesConfig(t, testLeases, start), "--yes"}
				out, err := operate(t, fake, args...)
				for _, say := range c.says {
					require.Contains(t, out, say)
				}
				if c.refused == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorContains(t, err, c.refused)
				require.ErrorContains(t, err, `row "`+testkit.Shard0+`"`)
				require.ErrorContains(t, err, "nothing was changed")
				require.Empty(t, listed(t, fake)[testkit.Shard1].Checkpoint)
				_, err = operate(t, fake, append(args, "--force")...)
				require.ErrorContains(t, err, "1 rows were left out", "and the code is not 0")
				require.Empty(t, listed(t, fake)[testkit.Shard0].Checkpoint)
				require.Equal(t, last[testkit.Shard1], listed(t, fake)[testkit.Shard1].Checkpoint)
			})
		})
	}
}

// TestLeasesListNamesWhatIsWrong with rows that another program wrote to.
func TestLeasesListNamesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		row  map[string]any
		says string
	}{
		"end of an open shard": {
			map[string]any{
				"leaseKey": testkit.Shard0, "leaseEpoch": 3, "checkpoint": "SHARD_END",
			}, "row " + testkit.Shard0 + ": the checkpoint is SHARD_END, and the stream shows the shard open",
		},
		"nonsense": {
			map[string]any{
				"leaseKey": testkit.Shard0, "leaseEpoch": 3, "checkpoint": "yesterday",
			}, `row ` + testkit.Shard0 + `: the checkpoint "yesterday" is no sequence number`,
		},
		"beyond": {
			map[string]any{
				"leaseKey": testkit.Shard0, "leaseEpoch": 3, "checkpoint": strings.Repeat("9", 56),
			}, "is beyond what the shard has",
		},
		"unreadable": {
			map[string]any{
				"leaseKey": testkit.Shard0, "leaseEpoch": "seven",
			}, `leaseEpoch is the text "seven", and should be a number`,
		},
		"unknown shard": {
			map[string]any{
				"leaseKey": "shardId-000000000099", "leaseEpoch": 3, "checkpoint": "100",
			}, "row shardId-000000000099: the stream has no such shard",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, nil)
				time.Sleep(2 * time.Second)
				puts(fake, 0, 3)
				time.Sleep(3 * time.Second)
				require.NoError(t, d.End())
				out, err := operate(t, fake, "list")
				require.NoError(t, err)
				require.NotContains(t, out, "row ")
				(&foreignTable{t: t, db: dynamodb.NewFromConfig(testkit.Emulated(fake)), name: testLeases}).put(c.row)
				out, err = operate(t, fake, "list")
				require.NoError(t, err)
				require.Contains(t, out, c.says)
				id, _ := c.row["leaseKey"].(string)
				require.NotEmpty(t, listed(t, fake)[id].Fault)
			})
		})
	}
}
