package system

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// bomb panics in the goroutine that makes a call, before the SDK looks at it.
type bomb struct {
	armed atomic.Pointer[func(operation string, in any) bool]
	left  atomic.Int64 // how often
}

func (b *bomb) arm(times int64, on func(operation string, in any) bool) {
	b.left.Store(times)
	b.armed.Store(&on)
}

func (b *bomb) install(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("Bomb", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		operation := awsmiddleware.GetOperationName(ctx)
		if on := b.armed.Load(); on != nil && (*on)(operation, in.Parameters) && b.left.Add(-1) >= 0 {
			panic("a bug in " + operation)
		}
		return next.HandleInitialize(ctx, in)
	}), middleware.After)
}

func with(b *bomb) func(*config.Config, *daemon.Options) {
	return func(_ *config.Config, o *daemon.Options) { o.AWS.APIOptions = append(o.AWS.APIOptions, b.install) }
}

// A panic where state that others share may be half changed ends the process at once, with code 1: nothing more is
// published, and the next process has it all from the table.
func TestPanicOfSharedStateEndsTheProcess(t *testing.T) {
	t.Parallel()
	for operation, part := range map[string]string{
		"PublishBatch": "publisher", "Scan": "lease table", "UpdateItem": "lease table", "ListShards": "lease table",
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, b := fakeaws.New(fakeaws.Options{}), &bomb{}
				fake.Kinesis.Create(testkit.TestStream, 2)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, with(b))
				time.Sleep(5 * time.Second)
				b.arm(1, func(name string, _ any) bool { return name == operation })
				fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
				fake.Kinesis.Put(testkit.TestStream, "b", []byte(`{"heartRate":181}`))
				select {
				case err := <-d.Done:
					require.ErrorContains(t, err, part+": panic: a bug in "+operation)
				case <-time.After(2 * time.Minute):
					d.Stop()
					require.Fail(t, "still running", "%v", <-d.Done)
				}
				lines := d.Log.Entries(t,
					"a part has panicked, and what it shares may be half changed: nothing more is published, and "+
						"the process ends")
				require.Len(t, lines, 1)
				require.Contains(t, lines[0]["stack"], "panic_test.go")
				published := len(testkit.Messages(fake))
				time.Sleep(time.Minute)
				require.Len(t, testkit.Messages(fake), published)

				d = testdaemon.StartDaemon(t, fake, nil)
				time.Sleep(30 * time.Second)
				require.GreaterOrEqual(t, len(testkit.Messages(fake)), 2)
				require.NoError(t, d.End())
			})
		})
	}
}

// A panic of a part that shares nothing half changed costs that part a restart, and no alert.
func TestPanicOfAShardOrOfASaveCostsARestart(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(string, any) bool{
		"reading":  func(operation string, _ any) bool { return operation == "GetRecords" },
		"iterator": func(operation string, _ any) bool { return operation == "GetShardIterator" },
		"saving": func(operation string, in any) bool {
			put, ok := in.(*dynamodb.PutItemInput)
			return ok && strings.HasSuffix(*put.TableName, "-state")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake, b := fakeaws.New(fakeaws.Options{}), &bomb{}
				fake.Kinesis.Create(testkit.TestStream, 2)
				testkit.CreateTopic(t, fake)
				b.arm(3, on)
				d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
					c.Rules[0].Dedup = time.Second // so that there is something to save
					with(b)(c, o)
				})
				for range 30 {
					fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"heartRate":180}`))
					time.Sleep(2 * time.Second)
				}
				require.Negative(t, b.left.Load(), "it has panicked as often as it should")
				require.NoError(t, d.End())
				require.GreaterOrEqual(t, len(testkit.Messages(fake)), 30)
			})
		})
	}
}
