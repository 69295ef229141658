package system

import (
	"kinesis-alerter/internal/status"
)

// about finds the problem of a subject.
func about(s *status.Status, subject string) status.Problem {
	for _, p := range s.Problems {
		if p.Subject == subject {
			return p
		}
	}
	return status.Problem{}
}

// coded finds the problem of a code; the zero Problem where there is none.
func coded(s *status.Status, code string) status.Problem {
	for _, p := range s.Problems {
		if p.Code == code {
			return p
		}
	}
	return status.Problem{}
}
