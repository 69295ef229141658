package demo

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/screen"
	"kinesis-alerter/internal/status"
)

// chapter is a part of the story.
type chapter struct {
	title string
	// takes is about how long it takes. One that does not fit into --for is left out.
	takes time.Duration
	play  func(*demo, context.Context) error
}

func chapters() []chapter {
	return []chapter{
		{"A message for a person", 4 * time.Second, (*demo).person},
		{"A storm becomes a few messages", 20 * time.Second, (*demo).storm},
		{"It is over", 20 * time.Second, (*demo).resolve},
		{"A worker is killed", 22 * time.Second, (*demo).kill},
	}
}

// The first server that gets too hot, and those of the last chapters.
const (
	firstHot     = 17
	firstKilling = 100
	firstAfter   = 200
)

// settling is how long workers that have joined keep still before they use their share of a topic's rate.
const settling = 3 * time.Second

// tell plays the chapters that fit, and keeps the hall running until ctx is done. It returns how many it played to
// their ends.
func (d *demo) tell(ctx context.Context) (told int, err error) {
	if err := d.shared(ctx); err != nil {
		return 0, ended(ctx, err)
	}
	if err := d.pass(ctx, settling); err != nil {
		return 0, ended(ctx, err)
	}
	d.began = time.Now()
	if d.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.limit)
		defer cancel()
	}
	for i, c := range chapters() {
		if end, bounded := ctx.Deadline(); bounded && i > 0 && time.Until(end) < c.takes {
			break
		}
		d.screen.Print("\n" + d.screen.Paint(screen.Bold, fmt.Sprintf("%d  %s", i+1, c.title)))
		if err := c.play(d, ctx); err != nil {
			return told, ended(ctx, err)
		}
		told++
	}
	if told == len(chapters()) {
		d.next()
	}
	return told, ended(ctx, d.after(ctx))
}

// shared waits until each worker reads its half of the shards.
func (d *demo) shared(ctx context.Context) error {
	return d.until(ctx, "each worker reads its half of the shards", func() bool {
		owners := d.owners(ctx)
		for _, w := range d.workers {
			if owners[w.name()] != shards/len(d.workers) {
				return false
			}
		}
		return true
	})
}

// ended is err, unless it is the end that ctx has: nobody has to hear of that.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// say tells what happens, in dim words.
func (d *demo) say(format string, args ...any) {
	d.screen.Print(d.screen.Paint(screen.Dim, "   "+fmt.Sprintf(format, args...)))
}

// line shows an e-mail as one line.
func (d *demo) line(e fakeaws.Email) {
	d.screen.Print("   " + d.screen.Paint(screen.Dim, "✉ "+e.At.UTC().Format(time.TimeOnly)) + "  " + e.Subject)
}

// framed shows an e-mail as a mail program does, a digest without its long numbers.
func (d *demo) framed(e fakeaws.Email) {
	if body, list, digest := strings.Cut(e.Body, idsBegin); digest {
		e.Body = regexp.MustCompile(`, records .* of shardId-\d+`).ReplaceAllString(body, ", records […]") +
			fmt.Sprintf("\nAlert ids:\n[%s]", status.Number(len(strings.Fields(list)), "line"))
	}
	d.screen.Email(e)
}

// brought waits until every alert that is due by records put since a moment was delivered, and at least so many.
func (d *demo) brought(ctx context.Context, since time.Time, least int) (count, error) {
	var c count
	err := d.until(ctx, "every alert that is due was delivered", func() bool {
		c = d.ledger.count(since)
		return c.due >= least && c.alerted()
	})
	return c, err
}

// person: one server gets too hot.
func (d *demo) person(ctx context.Context) error {
	s := d.hall.servers[firstHot]
	d.say("%s in rack %s gets too hot. Somebody is on call, and gets this:", s.name, s.rack)
	d.show = d.framed
	since := time.Now()
	d.hall.heat(true, firstHot, firstHot+1)
	c, err := d.brought(ctx, since, 1)
	if err != nil {
		return err
	}
	d.say("SNS had it %s after the reading was put.", seconds(c.longest))
	return d.read(ctx, 7*time.Second)
}

// storm: all servers get too hot.
func (d *demo) storm(ctx context.Context) error {
	d.say("The cooling fails: %d more servers are too hot within a second.", servers-1)
	before, digests := d.mails, 0
	d.show = func(e fakeaws.Email) {
		if strings.Contains(e.Body, idsBegin) {
			if digests++; digests == 1 {
				d.framed(e)
				return
			}
		}
		d.line(e)
	}
	since := time.Now()
	d.hall.heat(true, 0, servers)
	c, err := d.brought(ctx, since, servers-1)
	if err != nil {
		return err
	}
	d.say("%d alerts in %s: the first ones alone, the others in digests.", c.delivered,
		status.Number(d.mails-before, "message"))
	return d.read(ctx, 9*time.Second)
}

// resolve: the first server cools down, then the others.
func (d *demo) resolve(ctx context.Context) error {
	d.say("%s was drained and cools down.", d.hall.servers[firstHot].name)
	d.show = d.framed
	since := time.Now()
	d.hall.heat(false, firstHot, firstHot+1)
	if _, err := d.brought(ctx, since, 1); err != nil {
		return err
	}
	if err := d.read(ctx, 5*time.Second); err != nil {
		return err
	}
	d.say("The cooling is back, and so are the others.")
	before := d.mails
	d.show = d.line
	since = time.Now()
	d.hall.heat(false, 0, servers)
	c, err := d.brought(ctx, since, servers-1)
	if err != nil {
		return err
	}
	d.say("%d alerts that it is over, in %s.", c.delivered, status.Number(d.mails-before, "message"))
	return d.read(ctx, 5*time.Second)
}

// kill: a worker dies in the middle of alerts, and the other one takes over.
func (d *demo) kill(ctx context.Context) error {
	d.show = func(fakeaws.Email) {}
	victim, heir := d.workers[1], d.workers[0]
	if err := d.shared(ctx); err != nil {
		return err
	}
	d.say("Each worker reads %s. A server a second gets too hot, and cools down.", status.Number(shards/2, "shard"))
	since := time.Now()
	hot := 0
	steadily := func(what string, ok func() bool) error {
		return d.until(ctx, what, func() bool {
			for due := int(time.Since(since) / time.Second); hot < due; hot++ {
				d.hall.heat(true, firstKilling+hot, firstKilling+hot+1)
				d.hall.heat(false, firstKilling, firstKilling+max(0, hot-2))
			}
			return ok()
		})
	}
	if err := steadily("five seconds have passed", func() bool {
		return time.Since(since) > 5*time.Second
	}); err != nil {
		return err
	}
	d.killed = victim
	dead := time.Now()
	if err := victim.kill(); err != nil {
		return fmt.Errorf("kill %s: %w", victim.name(), err)
	}
	d.screen.Print("   " + d.screen.Paint(screen.Red, "kill -9 "+victim.pid()) + "  " +
		fmt.Sprintf("%s is gone, with its leases. They run out after 3 s.", victim.name()))
	if err := steadily("the other worker has taken over", func() bool {
		return d.owners(ctx)[heir.name()] == shards
	}); err != nil {
		return err
	}
	d.say("%s has taken its shards over, %.1f s after the kill.", heir.name(), time.Since(dead).Seconds())
	if err := d.pass(ctx, 2*round); err != nil { // each of them reports what it is
		return err
	}
	d.hall.heat(false, 0, servers)
	c, err := d.brought(ctx, since, 2*hot)
	if err != nil {
		return err
	}
	d.say("The alert that waited longest for that came %.1f s after its reading was put.", c.longest.Seconds())
	d.account()
	return d.read(ctx, 6*time.Second)
}

// account shows the ledger of the whole run.
func (d *demo) account() {
	c := d.count()
	row := func(style screen.Style, name string, n int, more string) {
		d.screen.Print(fmt.Sprintf("   %-22s ", name) + d.screen.Paint(style, fmt.Sprintf("%7s", status.Count(n))) +
			"  " +
			d.screen.Paint(screen.Dim, more))
	}
	d.screen.Print("\n   The count, as the emulator has it:")
	row(screen.Bold, "records put", c.records, "")
	row(screen.Bold, "alerts due", c.due, fmt.Sprintf("too hot %d, over %d; by the records", c.firing, c.due-c.firing))
	row(screen.Bold, "alerts delivered", c.delivered, "in "+status.Number(c.messages, "message"))
	if d.killed != nil {
		why := "all that was sent was checkpointed"
		if c.again > 0 {
			why = "sent before the kill, not checkpointed"
		}
		row(screen.Bold, "delivered again", c.again, why)
	}
	style := screen.Green
	if !c.alerted() {
		style = screen.Red
	}
	row(style, "lost", len(c.lost), "")
}

// read leaves time to read.
func (d *demo) read(ctx context.Context, span time.Duration) error {
	return ended(ctx, d.pass(ctx, span))
}

const nextCommand = "make emulator"

// next says what to type next.
func (d *demo) next() {
	d.screen.Print("\n" + d.screen.Paint(screen.Bold, fmt.Sprintf("%d  Now your own records", len(chapters())+1)))
	d.screen.Print("   " + d.screen.Paint(screen.Cyan, nextCommand) +
		"   a stream, a topic and its mailbox, for records of your own")
	d.say("It prints the commands that put one. Ctrl-C ends this.")
	d.screen.Print("")
}

// after lets a server get too hot now and then, until ctx is done.
func (d *demo) after(ctx context.Context) error {
	d.show, d.free = d.line, time.Now()
	for i := 0; ; i = (i + 1) % (servers - firstAfter) {
		if err := d.pass(ctx, 5*time.Second); err != nil {
			return err
		}
		d.hall.heat(true, firstAfter+i, firstAfter+i+1)
		if err := d.pass(ctx, 5*time.Second); err != nil {
			return err
		}
		d.hall.heat(false, firstAfter+i, firstAfter+i+1)
	}
}

// conclude says what was not told, and the figures.
func (d *demo) conclude(told int) {
	var missed []string
	for i, c := range chapters()[told:] {
		missed = append(missed, fmt.Sprintf("%d %s", told+i+1, c.title))
	}
	c := d.count()
	d.screen.Print(fmt.Sprintf("\nIn all: %s put, %s due, %s delivered (%d again), %d lost.",
		status.Number(c.records, "record"), status.Number(c.due, "alert"), status.Count(c.delivered), c.again,
		len(c.lost)))
	if latency := d.ledger.count(d.free).latency(); latency != "" && !d.free.IsZero() {
		d.screen.Print("From put to SNS, since the last chapter: " + latency + ".")
	}
	if len(missed) > 0 {
		d.screen.Print("Not told: " + strings.Join(missed, "; ") + ".")
	}
}
