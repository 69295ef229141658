package cli

import (
	"context"
	"flag"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/produce"
)

func produceCommand(p *program, fs *flag.FlagSet) func(context.Context, []string) error {
	stream := fs.String("stream", "", "the stream's `NAME`; required")
	rate := fs.Float64("rate", 100, "`RECORDS` per second; 0 is as fast as the stream takes them")
	count := fs.Int("count", 0, "end after so many `RECORDS` (default no end)")
	limit := fs.Duration("for", 0, "end after this `DURATION` (default no end)")
	keys := fs.Int("keys", 0, "spread the records over `N` partition keys (default the one key of AWS' sample)")
	seed := fs.Uint64("seed", 0, "make the same records again with the same `SEED` (default other ones each time)")
	return func(ctx context.Context, args []string) error {
		switch {
		case len(args) != 1:
			return config.UsageError("produce what? heart-rate or stock-ticker")
		case *stream == "":
			return config.UsageError("produce: give --stream NAME")
		case *rate < 0 || *count < 0 || *keys < 0 || *limit < 0:
			return config.UsageError("produce: --rate, --count, --for and --keys cannot be negative")
		}
		if *seed == 0 {
			*seed = rand.Uint64() //nolint:gosec // sample data, not a secret
		}
		sample, err := produce.NewSample(args[0],
			rand.New(rand.NewPCG(*seed, 0))) //nolint:gosec // sample data, not a secret
		if err != nil {
			return config.UsageError("produce: " + err.Error())
		}
		cfg, err := daemon.LoadAWS(ctx)
		if err != nil {
			return config.FieldErrors{{Rule: err.Error()}}
		}
		if *limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, *limit)
			defer cancel()
		}
		cfg.HTTPClient = daemon.SteadyBody{Next: cfg.HTTPClient}
		producer := &produce.Producer{
			Client: kinesis.NewFromConfig(cfg), Stream: *stream, Sample: sample, Rate: *rate, Count: *count,
			Keys: *keys,
		}
		began := time.Now()
		put, err := producer.Run(ctx)
		_, _ = plain.Fprintf(p.stdout, "%d records put into %s in %s\n", put, *stream,
			time.Since(began).Round(time.Millisecond))
		return err
	}
}
