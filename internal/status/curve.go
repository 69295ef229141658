package status

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// curve is a figure and how it went in the last 15 minutes: of all workers, and of this one.
type curve struct {
	// Now is of all workers, Here of this one; Here is empty where they are the same.
	Now, Here, Peak string
	// Line and Area are SVG paths of all workers in a box of curveWidth by curveHeight, Own is the line of this one;
	// empty without two points. They fill the box from the first points on, which Since says.
	Line, Area, Own string
	Since           string
	// Note says where the greatest is; empty where that means nothing.
	Note string
	Text string
}

const curveWidth, curveHeight = 180.0, 48.0

// curveOf are the points of a curve, the oldest first; nil is no point.
type curveOf struct {
	what      string
	all, own  []*float64
	interval  time.Duration
	write     func(float64) string
	shared    bool // there are several workers
	now, here string
	latest    float64 // what now stands for
	// least is what the top of the box stands for at least, so that nothing looks like much.
	least float64
}

func newCurve(c curveOf) curve {
	out := curve{Now: c.now}
	if c.shared {
		out.Here = c.here
	}
	most, fewest := math.Inf(-1), math.Inf(1)
	for _, p := range c.all {
		if p != nil {
			most, fewest = max(most, *p), min(fewest, *p)
		}
	}
	if most < fewest {
		out.Text = c.what + ": no figures yet"
		return out
	}
	most = max(most, c.latest)
	out.Peak, out.Since = c.write(most), words(time.Duration(len(c.all))*c.interval)
	out.Text = fmt.Sprintf("%s over the last %s: now %s, lowest %s, peak %s", c.what, out.Since, c.now, c.write(fewest),
		out.Peak)
	if c.shared {
		out.Text += "; this worker now " + c.here
	}
	scale := (curveHeight - 4) / max(most, c.least)
	out.Line, out.Area = path(c.all, scale)
	if c.shared {
		out.Own, _ = path(c.own, scale)
	}
	return out
}

// path draws points over the whole width of the box, and the area below them. A point that is missing is a gap.
func path(points []*float64, scale float64) (line, area string) {
	if len(points) < 2 {
		return "", ""
	}
	step := curveWidth / float64(len(points)-1)
	var l, a strings.Builder
	digits := func(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }
	for i := 0; i < len(points); {
		if points[i] == nil {
			i++
			continue
		}
		from := i
		for ; i < len(points) && points[i] != nil; i++ {
			y := max(1, curveHeight-1-*points[i]*scale)
			l.WriteString(map[bool]string{true: "M", false: "L"}[i == from])
			l.WriteString(digits(float64(i)*step) + " " + digits(y))
		}
		if i-from < 2 {
			l.WriteString("h0.1")
			continue
		}
		drawn := l.String()
		a.WriteString(drawn[strings.LastIndexByte(drawn, 'M'):])
		_, _ = fmt.Fprintf(&a, "L%s %gL%s %gZ", digits(float64(i-1)*step), curveHeight, digits(float64(from)*step),
			curveHeight)
	}
	return l.String(), a.String()
}

// known are points of which none is missing.
func known(points []float64) []*float64 {
	out := make([]*float64, len(points))
	for i := range points {
		out[i] = &points[i]
	}
	return out
}

// last is the last of some points; ok is false if it is missing.
func last(points []*float64) (x float64, ok bool) {
	if len(points) == 0 || points[len(points)-1] == nil {
		return 0, false
	}
	return *points[len(points)-1], true
}

// curves are the three of the page.
func (v *view) curves(st *Status) {
	h, t := &st.History, &st.Totals
	interval := seconds(h.Interval)
	shared := t.Workers > 1 && len(h.Fleet.Records) == len(h.Records)
	one := func(what string, all, own []*float64, now float64, write func(float64) string, least float64) curve {
		c := curveOf{
			what: what, all: all, own: own, interval: interval, write: write, least: least, shared: shared, now: "–",
			here: "–",
		}
		if !shared {
			c.all = own
		}
		if x, ok := last(own); ok {
			c.here, c.now = write(x), write(x)
		}
		if shared {
			c.now, c.latest = write(now), now
			switch {
			case t.Unsaid >= len(st.Workers):
				c.now = "–"
			case t.Unsaid > 0:
				c.now = "≥ " + c.now
			}
		}
		return newCurve(c)
	}
	v.Records = one("Records a second", known(h.Fleet.Records), known(h.Records), t.Records, rate, 1)
	v.Alerts = one("Alerts a second", known(h.Fleet.Alerts), known(h.Alerts), t.Alerts, rate, 1)
	v.Lag = one("Lag", h.Fleet.Lag, h.Lag, t.Lag, func(x float64) string { return words(seconds(x)) }, 1)
	v.Lag.Here, v.Lag.Note = "", v.ShardTable.LagWhere
	if !shared {
		v.Lag.Now = v.ShardTable.Lag // of now, not of the last sample
		return
	}
	for i := range st.Workers {
		if w := &st.Workers[i]; !w.Self && w.Lag != nil && *w.Lag >= t.Lag && t.Lag > 0 {
			v.Lag.Note = "greatest on " + shortWorker(w.ID)
		}
	}
}
