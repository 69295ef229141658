package cli

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/credentials"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/produce"
)

// mostProduced bounds --rate: one process puts a tenth of it.
const mostProduced = 1_000_000

// producing carries out the command produce.
type producing struct {
	stream      string
	rate        float64
	count, keys int
	limit       time.Duration
	seed        uint64
	program     *program
}

func produceCommand(p *program) *cobra.Command {
	x := &producing{program: p}
	c := &cobra.Command{
		Use:     "produce --stream NAME heart-rate|stock-ticker",
		Short:   "Put the records of a sample producer into a stream",
		GroupID: groupRules,
		Example: "kinesis-alerter produce heart-rate --stream readings --rate 10 --for 1m\n" +
			"kinesis-alerter produce stock-ticker --stream trades --count 1000 --keys 20",
		ValidArgs: []string{"heart-rate", "stock-ticker"},
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return usage(c, "which records? heart-rate or stock-ticker")
			case x.stream == "":
				return usage(c, "give --stream NAME")
			case !(x.rate <= mostProduced): // more than any stream takes, or no number
				return usage(c, "--rate %g: must be 0 to %d records a second", x.rate, mostProduced)
			case x.rate < 0 || x.count < 0 || x.keys < 0 || x.limit < 0:
				return usage(c, "--rate, --count, --for and --keys cannot be negative")
			case c.Flags().Changed("for") && x.limit == 0, c.Flags().Changed("count") && x.count == 0:
				return usage(c, "--for and --count must be above 0; without them there is no end")
			}
			return x.Run(c.Context(), args[0])
		},
	}
	fs := c.Flags()
	fs.StringVar(&x.stream, "stream", "", "the stream's `NAME` or ARN; required")
	fs.Float64Var(&x.rate, "rate", 100, "`RECORDS` per second; 0 is as fast as the stream takes them")
	fs.IntVar(&x.count, "count", 0, "end after so many `RECORDS` (default no end)")
	fs.DurationVar(&x.limit, "for", 0, "end after this `DURATION` (default no end)")
	fs.IntVar(&x.keys, "keys", 0, "spread the records over `N` partition keys (default the one key of AWS' sample)")
	fs.Uint64Var(&x.seed, "seed", 0, "make the same records again with the same `SEED` (default other ones each time)")
	return c
}

func (x *producing) Run(ctx context.Context, name string) error {
	if x.seed == 0 {
		x.seed = rand.Uint64() //nolint:gosec // sample data, not a secret
	}
	sample, err := produce.NewSample(name, rand.New(rand.NewPCG(x.seed, 0))) //nolint:gosec // as above
	if err != nil {
		return config.UsageError("produce: " + err.Error())
	}
	client, err := x.program.writer(ctx, x.stream, credentials.Role{})
	if err != nil {
		return err
	}
	if x.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, x.limit)
		defer cancel()
	}
	producer := &produce.Producer{
		Client: client, Stream: x.stream, Sample: sample, Rate: x.rate, Count: x.count, Keys: x.keys,
		Trouble: x.program.trouble("produce"),
	}
	began := time.Now()
	sum, err := producer.Run(ctx)
	_, _ = plain.Fprintf(x.program.stdout, "%s\n", said(sum, x.stream, time.Since(began)))
	if err != nil {
		return fmt.Errorf("produce: ended early: %w", err)
	}
	return nil
}
