// Package screen is what the demo and the emulator show on a terminal: lines above a progress line, and e-mails in a
// frame.
//
// What it guarantees: an e-mail is drawn as text. Its author cannot make the terminal do anything.
package screen
