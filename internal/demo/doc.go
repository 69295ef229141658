// Package demo shows the whole daemon in one process, with nothing but Go. It starts the emulator on loopback, makes a
// stream and a topic with an e-mail subscription, and produces heart-rate records. It runs the daemon on them, which
// scores each record and alerts on the anomalies, and prints each alert as the e-mail that a person would get.
//
// What it guarantees: every alert that is printed went through the daemon and the emulated SNS. It reaches no service
// outside the process.
//
// What it does not promise: figures that compare with a production run. The emulator shares the processor.
package demo
