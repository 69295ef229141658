// Package testdaemon runs a whole daemon on the emulator, inside a synctest bubble, and reads its status page. Only
// tests may import it. It is apart from testkit so that tests of the daemon's own parts can use testkit.
package testdaemon
