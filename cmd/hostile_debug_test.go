package cmd

import (
	"regexp"
	"testing"
)

func TestHostileDebug(t *testing.T) {
	only := regexp.MustCompile(*hostileOnly)
	for _, c := range hostileCases(t, hostileScenes()) {
		if *hostileOnly != "" && only.MatchString(c.String()) {
			r := hostileRun(t, []hostileCase{c})[0]
			t.Logf("%s\n%+v\n%v", c, r, r.faults(c))
		}
	}
}
