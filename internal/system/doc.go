// Package system holds the tests of the whole program: daemons in virtual time, built binaries on emulators, the
// browser, the benchmarks of promised figures, and the mutations.
//
// It holds no code of the program. A test belongs here if it needs more than one room. A test of one room stays there.
package system
