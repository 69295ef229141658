package condition

import (
	"regexp/syntax"
)

// mostInstructions bounds the regular expressions of a configuration together: some 20 MiB when they are compiled.
const mostInstructions = 500_000

// instructions is about how many a pattern compiles to, before it is: twenty characters can stand for millions. Of one
// that is no pattern, none.
func instructions(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0
	}
	return instructionsOf(re)
}

func instructionsOf(re *syntax.Regexp) int {
	n := 1
	for _, sub := range re.Sub {
		n += instructionsOf(sub)
	}
	switch re.Op { //nolint:exhaustive // the others are one, and what is below them
	case syntax.OpLiteral:
		n += len(re.Rune)
	case syntax.OpRepeat:
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 10*mostInstructions)
}

// canMatch says whether there is a text that the pattern matches. It may say so wrongly.
func canMatch(pattern string) bool {
	prog := programOf(pattern)
	if prog == nil {
		return true
	}
	// A state is an instruction, whether nothing has been read yet, and whether nothing may be read any more.
	type state struct {
		pc         uint32
		begin, end bool
	}
	seen := make(map[state]bool)
	todo := []state{{uint32(prog.Start), true, false}, {uint32(prog.Start), false, false}} //nolint:gosec // small
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[s] {
			continue
		}
		seen[s] = true
		i := &prog.Inst[s.pc]
		next := func(pc uint32, begin, end bool) { todo = append(todo, state{pc, begin, end}) }
		switch i.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			next(i.Out, s.begin, s.end)
			next(i.Arg, s.begin, s.end)
		case syntax.InstCapture, syntax.InstNop:
			next(i.Out, s.begin, s.end)
		case syntax.InstEmptyWidth:
			op := syntax.EmptyOp(i.Arg) //nolint:gosec // it is one
			if op&syntax.EmptyBeginText != 0 && !s.begin {
				continue
			}
			next(i.Out, s.begin, s.end || op&syntax.EmptyEndText != 0)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			if s.end || i.Op == syntax.InstRune && len(i.Rune) == 0 {
				continue
			}
			next(i.Out, false, false)
		case syntax.InstFail:
		}
	}
	return false
}

// matchesAll says that the pattern matches every text. It may say no wrongly.
func matchesAll(pattern string) bool {
	prog := programOf(pattern)
	if prog == nil {
		return false
	}
	seen := make(map[uint32]bool)
	todo := []uint32{uint32(prog.Start)} //nolint:gosec // small
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch i := &prog.Inst[pc]; i.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, i.Out, i.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, i.Out)
		case syntax.InstEmptyWidth, syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL,
			syntax.InstFail:
		}
	}
	return false
}

// programOf is a pattern, compiled.
func programOf(pattern string) *syntax.Prog {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil
	}
	return prog
}
