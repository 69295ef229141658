// Package emulator serves the emulated account to other processes on one loopback address, for trying the daemon, the
// AWS CLI and programs without AWS and without Docker. It makes a stream and a topic, and shows what the topics'
// subscribers get, on the terminal and on a page.
//
// What it guarantees: nothing leaves the machine. Every message that SNS accepts is shown, with what became of it at
// each subscription; one that nobody gets is shown as such. It holds no more than the newest messages.
//
// A page of another site, opened in a browser of this machine, can call nothing of it.
//
// What it does not promise: access control. Whatever program reaches the address may do everything.
package emulator
