// Package demo tells what the daemon does as a story of about a minute, with nothing but Go. It starts the emulator on
// loopback and two workers as processes of their own. A hall of servers reports temperatures: one server gets too hot,
// then all of them, then they cool down, and then a worker is killed. Each message is shown as the e-mail that a person
// would get.
//
// What it guarantees: every message that is shown went through a worker and the emulated SNS. Alerts are counted by id,
// on the side of the emulator: those that are due by the records that the stream took, and those that SNS took. An
// alert that is lost ends the demo with exit code 1. It reaches no service outside the machine.
//
// What it does not promise: figures that compare with a production run. The emulator shares the processor.
package demo
