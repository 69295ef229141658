package split

import (
	"fmt"
	"strings"

	"kinesis-alerter/alert/decode/scan"
	"kinesis-alerter/alert/payload"
)

// Array splits a JSON array, found by the path of members to it; of arrays on that path, every element is followed. The
// fault is about the whole. Elements without the member have none: services leave out lists that are empty. Behind
// broken JSON the rest is one broken piece.
func Array(data []byte, path []string, emit Emit) *payload.Fault {
	s := splitter{data: data, path: path, emit: emit}
	i := s.follow(scan.Space(data, 0), 0, 0)
	if i >= 0 {
		if i = scan.Space(data, i); i < len(data) && !s.some {
			s.whole = &payload.Fault{Defect: payload.TrailingData, Detail: trailing(i)}
		} else if i < len(data) {
			emit(data[i:], &payload.Fault{Defect: payload.TrailingData, Detail: trailing(i)})
		}
	}
	if s.whole == nil && i >= 0 && !s.some {
		s.whole = &payload.Fault{Defect: payload.BadEnvelope, Detail: "split: no array at " + strings.Join(path, ".")}
	}
	return s.whole
}

type splitter struct {
	data []byte
	path []string
	emit Emit
	// some says that there was an array, or a piece.
	some  bool
	whole *payload.Fault
}

// follow passes the value at i, and emits the elements of the array at path[level:] in it. It returns -1 where the
// splitting ends.
func (s *splitter) follow(i, level, depth int) int {
	if depth > scan.MaxDepth {
		return s.rest(i, i, payload.TooDeep)
	}
	last := level == len(s.path)
	switch {
	case i < len(s.data) && s.data[i] == '[':
		return s.elements(i, level, depth+1)
	case i < len(s.data) && s.data[i] == '{' && !last:
		return s.members(i, level, depth+1)
	}
	end, defect := scan.Value(s.data, i)
	if defect != "" {
		return s.rest(i, end, defect)
	}
	return s.piece(i, end, &payload.Fault{Defect: payload.BadEnvelope, Detail: s.misplaced(i, level)})
}

// piece emits a piece; a broken one is the whole where there was no other.
func (s *splitter) piece(i, end int, fault *payload.Fault) int {
	s.some = true
	if !s.emit(s.data[i:end], fault) {
		return -1
	}
	return end
}

// rest ends the splitting at JSON that breaks, in what begins at i.
func (s *splitter) rest(i, at int, defect payload.Defect) int {
	fault := broken(defect, at, len(s.data))
	if !s.some {
		s.whole = fault
		return -1
	}
	s.emit(s.data[i:], fault)
	return -1
}

// elements passes an array.
func (s *splitter) elements(i, level, depth int) int {
	if i = scan.Space(s.data, i+1); i < len(s.data) && s.data[i] == ']' {
		s.some = true
		return i + 1
	}
	last := level == len(s.path)
	for {
		if last {
			end, defect := scan.Value(s.data, i)
			if defect != "" {
				return s.rest(i, end, defect)
			}
			i = s.piece(i, end, nil)
		} else {
			i = s.follow(i, level, depth)
		}
		if i < 0 {
			return -1
		}
		if i = scan.Space(s.data, i); i < len(s.data) && s.data[i] == ',' {
			i = scan.Space(s.data, i+1)
			continue
		}
		return s.close(i, ']')
	}
}

// members passes an object, and follows one of its members.
func (s *splitter) members(i, level, depth int) int {
	seen := false
	if i = scan.Space(s.data, i+1); i < len(s.data) && s.data[i] == '}' {
		return i + 1
	}
	for {
		at := i
		name, value, defect := scan.Member(s.data, i)
		end := value
		switch {
		case defect != "":
			return s.rest(at, end, defect)
		case scan.Is(name, s.path[level]) && !seen:
			seen = true
			end = s.follow(value, level+1, depth)
		default:
			end, defect = scan.Value(s.data, value)
			if defect != "" {
				return s.rest(at, end, defect)
			}
			if scan.Is(name, s.path[level]) {
				end = s.piece(value, end, &payload.Fault{
					Defect: payload.DuplicateKey,
					Detail: fmt.Sprintf("split: a second %s at byte %d", s.to(level+1), at),
				})
			}
		}
		if end < 0 {
			return -1
		}
		if i = scan.Space(s.data, end); i < len(s.data) && s.data[i] == ',' {
			i = scan.Space(s.data, i+1)
			continue
		}
		return s.close(i, '}')
	}
}

// close passes the bracket that must stand at i.
func (s *splitter) close(i int, bracket byte) int {
	switch {
	case i >= len(s.data):
		return s.rest(i, i, payload.Truncated)
	case s.data[i] != bracket:
		return s.rest(i, i, payload.NotJSON)
	}
	return i + 1
}

// to is the path as far as a level.
func (s *splitter) to(level int) string { return strings.Join(s.path[:level], ".") }

// misplaced says what stands at i in the place of an array.
func (s *splitter) misplaced(i, level int) string {
	is := "a number"
	switch s.data[i] {
	case '{':
		is = "an object"
	case '"':
		is = "a text"
	case 't', 'f':
		is = "a boolean"
	case 'n':
		is = "null"
	}
	if level == 0 {
		return "split: the record is no array but " + is
	}
	return fmt.Sprintf("split: %s is no array but %s", s.to(level), is)
}

// trailing says that something stands behind the end.
func trailing(i int) string {
	return fmt.Sprintf("split: there is more behind the JSON, from byte %d on", i)
}
