package cmd

// about finds the problem of a subject.
func about(s *Status, subject string) Problem {
	for _, p := range s.Problems {
		if p.Subject == subject {
			return p
		}
	}
	return Problem{}
}

// coded finds the problem of a code; the zero Problem where there is none.
func coded(s *Status, code string) Problem {
	for _, p := range s.Problems {
		if p.Code == code {
			return p
		}
	}
	return Problem{}
}
