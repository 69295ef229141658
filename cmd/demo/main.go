// Command demo tells what the daemon does, against an emulator on loopback. With --serve it is the emulator alone, for
// other programs. See demo --help and demo --serve --help.
package main

import (
	"context"
	"os"
	"slices"

	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/demo"
	"kinesis-alerter/internal/emulator"
)

func main() {
	// The first signal stops in order, the second one at once.
	ctx, _ := daemon.StopOnSignal(context.Background(), os.Exit)
	if i := slices.Index(os.Args, "--serve"); i > 0 {
		os.Exit(emulator.Main(ctx, slices.Delete(slices.Clone(os.Args[1:]), i-1, i), os.LookupEnv, os.Stdout,
			os.Stderr))
	}
	os.Exit(demo.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
