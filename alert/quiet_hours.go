package alert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// quietHours is a daily span of time in a time zone.
type quietHours struct {
	days     [7]bool // on which it begins, by time.Weekday
	from, to int     // minutes since midnight
	zone     *time.Location
}

// cover reports whether a moment lies in the hours, which include from but not to.
func (q *quietHours) cover(at time.Time) bool {
	at = at.In(q.zone)
	hour, minute, _ := at.Clock()
	m, today := hour*60+minute, at.Weekday()
	if q.from < q.to {
		return q.days[today] && m >= q.from && m < q.to
	}
	yesterday := (today + 6) % 7
	return q.days[today] && m >= q.from || q.days[yesterday] && m < q.to
}

// end returns when the hours that cover a moment end. On a day with a clock change it may be off by that change.
func (q *quietHours) end(at time.Time) time.Time {
	year, month, day := at.In(q.zone).Date()
	end := time.Date(year, month, day, q.to/60, q.to%60, 0, 0, q.zone)
	if !end.After(at) {
		end = time.Date(year, month, day+1, q.to/60, q.to%60, 0, 0, q.zone)
	}
	return end
}

// mutes implements muter.
func (q *quietHours) mutes(c *candidate) bool { return q.cover(c.at) }

func (q *quietHours) changesAt(c *candidate) time.Time { return q.end(c.at) }

func (*quietHours) reason() Reason { return ReasonQuietHours }

func (q *quietHours) words() string { return "quiet hours " + q.String() }

func (*quietHours) dependency() (d Dependency, ok bool) { return d, false }

func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

func (f *faults) quietHours(field string, c RuleConfig, _ *rule, _ map[string]*rule) (out []muter) {
	for i, q := range c.Quiet {
		out = append(out, f.quiet(fmt.Sprintf("%s.quiet[%d]", field, i), q))
	}
	return out
}

func (f *faults) quiet(field string, c QuietConfig) *quietHours {
	q := &quietHours{}
	for _, day := range c.Days {
		i := slices.Index(weekdays(), strings.ToLower(day))
		if i < 0 {
			f.add(field+".days", day, "must be of %s", strings.Join(weekdays(), ", "))
			continue
		}
		q.days[i] = true
	}
	if len(c.Days) == 0 {
		q.days = [7]bool{true, true, true, true, true, true, true}
	}
	clock := func(name, text string) int {
		at, err := time.Parse("15:04", text)
		if err != nil {
			f.add(field+"."+name, text, `want a time of day in quotes, such as "22:00"`)
		}
		return at.Hour()*60 + at.Minute()
	}
	q.from, q.to = clock("from", c.From), clock("to", c.To)
	zone, err := time.LoadLocation(cmp.Or(c.Zone, "UTC"))
	if err != nil || c.Zone == "Local" {
		f.add(field+".zone", c.Zone, "want a time zone of the IANA database, such as Europe/Berlin")
		zone = time.UTC
	}
	q.zone = zone
	if q.from == q.to && !slices.Contains(q.days[:], false) {
		f.add(field, q.String(), "covers every hour of the week, so the rule would never alert; use mode: shadow")
	}
	return q
}

// String returns the hours as they are configured: "22:00 to 06:00 Europe/Berlin".
func (q *quietHours) String() string {
	var days []string
	for i, on := range q.days {
		if on {
			days = append(days, weekdays()[i])
		}
	}
	on := ""
	if len(days) < len(q.days) {
		on = " on " + strings.Join(days, ", ")
	}
	return fmt.Sprintf("%02d:%02d to %02d:%02d %s%s", q.from/60, q.from%60, q.to/60, q.to%60, q.zone, on)
}
