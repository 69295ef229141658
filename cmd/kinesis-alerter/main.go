// Command kinesis-alerter turns the records of a Kinesis data stream into alerts on SNS. See kinesis-alerter help.
package main

import (
	"context"
	"os"
	_ "time/tzdata" // quiet hours and templates name time zones, and a container image may have none

	"kinesis-alerter/internal/cli"
	"kinesis-alerter/internal/daemon"
)

func main() {
	daemon.HoldHangups(os.Args[1:])
	// The first signal stops in order, the second one at once.
	ctx, _ := daemon.StopOnSignal(context.Background(), os.Exit)
	os.Exit(cli.Main(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}
