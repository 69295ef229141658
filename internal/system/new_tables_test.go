package system

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

const (
	tableTags     = "tags"
	tableRecovery = "point-in-time recovery"
)

// tableWorld is a daemon whose tables are to have all that leases.table can say. Its rule remembers, so it has two.
type tableWorld struct {
	t    *testing.T
	fake *fakeaws.AWS
	db   *dynamodb.Client
	page *testdaemon.Page
	d    *testdaemon.TestDaemon
}

func newTableWorld(t *testing.T) *tableWorld {
	t.Helper()
	w := &tableWorld{t: t, fake: fakeaws.New(fakeaws.Options{TableActivation: 5 * time.Second})}
	w.fake.Kinesis.Create(testkit.TestStream, 1)
	testkit.CreateTopic(t, w.fake)
	w.db = dynamodb.NewFromConfig(testkit.Emulated(w.fake))
	return w
}

func (w *tableWorld) start() {
	w.page = testdaemon.NewPage()
	w.d = testdaemon.StartDaemon(w.t, w.fake, func(c *config.Config, o *daemon.Options) {
		o.Listener = w.page
		c.Rules[0].Dedup = time.Hour
		c.Leases.Table = config.LeaseTableConfig{
			Tags: map[string]string{"team": "oncall", "cost": "7"}, DeletionProtection: true, PointInTimeRecovery: true,
		}
	})
}

// lacks are what both tables do not have of what is wanted.
func (w *tableWorld) lacks() (out []string) {
	w.t.Helper()
	ctx := w.t.Context()
	for _, name := range []string{"heart-rate-alerts", "heart-rate-alerts-state"} {
		desc, err := w.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		require.NoError(w.t, err)
		if !*desc.Table.DeletionProtectionEnabled {
			out = append(out, name+" deletion protection")
		}
		tags, err := w.db.ListTagsOfResource(ctx, &dynamodb.ListTagsOfResourceInput{ResourceArn: desc.Table.TableArn})
		require.NoError(w.t, err)
		if len(tags.Tags) != 2 {
			out = append(out, name+" "+tableTags)
		}
		backups, err := w.db.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
		require.NoError(w.t, err)
		if backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus !=
			types.PointInTimeRecoveryStatusEnabled {
			out = append(out, name+" "+tableRecovery)
		}
	}
	return out
}

// problems are the settings that the page says are missing.
func (w *tableWorld) problems() (lacks int) {
	for _, p := range w.page.Status(w.t).Problems {
		if p.Code == "table_settings" {
			require.Equal(w.t, status.LevelWarning, p.Level)
			lacks++
		}
	}
	return lacks
}

// alerts shows that the daemon reads and publishes.
func (w *tableWorld) alerts() {
	w.t.Helper()
	w.fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
	time.Sleep(20 * time.Second)
	require.Len(w.t, testkit.Messages(w.fake), 1)
}

// denied refuses an operation until allow is called.
func (w *tableWorld) denied(operation, code string, match func(*fakeaws.Request) bool) (allow func()) {
	return w.fake.Faults.Add(fakeaws.Fault{
		Service: fakeaws.ServiceDynamoDB, Operation: operation, Kind: fakeaws.Before, Match: match,
		Err: &fakeaws.Error{Code: code, Message: "not authorized to perform: dynamodb:" + operation},
	})
}

func TestNewTablesAreAsWanted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t)
		w.start()
		w.alerts()
		time.Sleep(30 * time.Second)
		require.Empty(t, w.lacks())
		require.Len(t, w.d.Log.Entries(t, "the new table has a setting of leases.table"), 2, "recovery of both")
		require.Empty(t, w.d.Log.Entries(t, "the new table lacks a setting of leases.table, trying again every minute"),
			"DynamoDB takes its time")
		require.Zero(t, w.problems())
		require.NoError(t, w.d.End())
	})
}

// Without the permissions the daemon reads. The page and the log say what is missing, and it follows once it is
// allowed.
func TestNewTablesWithoutPermissions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t)
		allow := []func(){
			w.denied("CreateTable", "AccessDeniedException", func(r *fakeaws.Request) bool {
				return bytes.Contains(r.Body, []byte(`"Tags"`))
			}),
			w.denied("TagResource", "AccessDeniedException", nil),
			w.denied("UpdateContinuousBackups", "AccessDeniedException", nil),
		}
		w.start()
		w.alerts()
		require.Equal(t, []string{
			"heart-rate-alerts tags", "heart-rate-alerts point-in-time recovery",
			"heart-rate-alerts-state tags", "heart-rate-alerts-state point-in-time recovery",
		}, w.lacks())
		require.Equal(t, 4, w.problems())
		p := coded(w.page.Status(t), "table_settings")
		require.Contains(t, p.Text, "the new table heart-rate-alerts has no tags for 2")
		require.Contains(t, p.Text, "(AccessDeniedException)")
		time.Sleep(5 * time.Minute)
		said := w.d.Log.Entries(t, "the new table lacks a setting of leases.table, trying again every minute")
		require.Len(t, said, 4, "each once")
		require.Contains(t, w.d.Log.String(),
			"permission dynamodb:UpdateContinuousBackups on table heart-rate-alerts-state "+
				"is missing")
		for _, f := range allow {
			f()
		}
		time.Sleep(time.Minute + time.Second)
		require.Empty(t, w.lacks())
		require.Zero(t, w.problems())
		require.NoError(t, w.d.End())
	})
}

// An emulator may know neither tags nor recovery: the daemon works, says it once, and asks no more.
func TestSettingsThatNobodyKnows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t)
		w.denied("CreateTable", "ValidationException", func(r *fakeaws.Request) bool {
			return bytes.Contains(r.Body, []byte(`"Tags"`))
		})
		asked := 0
		for _, operation := range []string{"TagResource", "UpdateContinuousBackups"} {
			w.denied(operation, "UnknownOperationException", func(*fakeaws.Request) bool {
				asked++
				return true
			})
		}
		w.start()
		w.alerts()
		time.Sleep(5 * time.Minute)
		require.Equal(t, 4, asked)
		require.Len(t, w.d.Log.Entries(t,
			"this endpoint does not know a setting of leases.table: the table is without it"), 4)
		require.Zero(t, w.problems())
		require.NoError(t, w.d.End())
	})
}

func TestTablesThatAreThereAreNotChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTableWorld(t)
		first := testdaemon.StartDaemon(t, w.fake, func(c *config.Config, _ *daemon.Options) {
			c.Rules[0].Dedup = time.Hour
		})
		w.alerts()
		require.NoError(t, first.End())
		before := w.lacks()
		require.Len(t, before, 6)
		w.start()
		time.Sleep(5 * time.Minute)
		require.Equal(t, before, w.lacks())
		require.Zero(t, w.problems())
		require.Len(t,
			w.d.Log.Entries(t, "the lease table has no deletion protection, as leases.table wants it, and is "+
				"not changed, because it was there: aws dynamodb update-table --deletion-protection-enabled "+
				"--table-name NAME"), 1)
		require.NoError(t, w.d.End())
	})
}
