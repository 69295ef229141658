package lineage

import (
	"slices"

	"kinesis-alerter/checkpoint/table"
)

// Circles are the rows whose parents, by what the rows themselves claim, lead back to them.
func Circles(rows map[string]*table.Row) map[string]bool {
	claims := func(id string) []string {
		if r := rows[id]; r != nil {
			return r.Claims
		}
		return nil
	}
	const underWay, clear = 1, 2
	state, met := make(map[string]int8, len(rows)), false
	var visit func(id string)
	visit = func(id string) {
		switch state[id] {
		case underWay:
			met = true
		case 0:
			state[id] = underWay
			for _, p := range claims(id) {
				visit(p)
			}
			state[id] = clear
		}
	}
	for id := range rows {
		visit(id)
	}
	if !met { // as usual
		return nil
	}
	out := map[string]bool{}
	for id, r := range rows {
		if slices.ContainsFunc(r.Claims, func(p string) bool { return leadsTo(p, id, claims) }) {
			out[id] = true
		}
	}
	return out
}
