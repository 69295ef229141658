// Command demo tells what the daemon does, against an emulator on loopback. See demo --help.
package main

import (
	"context"
	"os"

	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/demo"
)

func main() {
	// The first signal stops in order, the second one at once.
	ctx, _ := daemon.StopOnSignal(context.Background(), os.Exit)
	os.Exit(demo.Main(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
