// Package system holds the tests of the whole program: daemons in virtual time, built binaries on emulators, the
// browser, the benchmarks of promised figures, and the mutations.
//
// No code of the program may live here. A test belongs here if it needs more than one room; a test of one room stays
// with it.
package system
