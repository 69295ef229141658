// Package sleep has the waits of the whole program: each ends early with its context, and each random part spreads
// load.
//
// Nothing here is a schedule. The caller decides when, and how often.
package sleep
