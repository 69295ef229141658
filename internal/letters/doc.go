// Package letters reads dead letters back and publishes what they hold.
//
// # What it guarantees
//
//   - A letter is removed only after every alert of it was accepted. So one that is interrupted anywhere, by a kill
//     too, is still there, and a repeat publishes it with the same alert_id, which a FIFO topic drops within its five
//     minutes.
//   - What is removed is what was read: an answer that can be seen to be false removes nothing.
//   - A letter that holds an alert's message is published as it is, with the alert's id, kind, severity, attributes and
//     message group, alone: never in a digest.
//   - A letter that holds a record is judged by the rules in force that remember nothing. A rule that remembers cannot
//     judge one record by itself, and is named. A letter of which no alert comes stays.
//   - All letters of one alert are published once, and removed together.
//   - A topic has at most its rate in any second.
//
// # Where letters lie
//
// A queue, whose bodies are documents or SNS notifications with them; a bucket; or a file, which is never changed: what
// is done is noted beside it, in <file>.redriven. An interrupted run leaves the letters that it had in hand invisible
// in a queue for up to a minute; the next one waits for them.
//
// # What it does not promise
//
// The order of letters. Nor that workers that publish to a topic at the same time leave room for it: they do not know
// of it, so together they may have twice the topic's rate accepted.
package letters
