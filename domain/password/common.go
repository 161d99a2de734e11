package password

import (
	_ "embed"
	"strings"

	"gatehouse/domain/password/internal/lookalike"
)

//go:generate go run ./internal/gencommon common.txt

// common is the list of common passwords: a line each, in lower case, in the
// order of [lookalike.Compare]. It is searched where it lies, because a map of
// it would cost megabytes and time at every start. Source, method and licence
// are in common.md.
//
//go:embed common.txt
var common string

// isCommon reports whether s, in any case and however its letters are disguised
// as look-alikes, is on the list as a whole.
func isCommon(s string) bool {
	s = strings.ToLower(s)
	first, end := 0, len(common) // both at the beginning of a line
	for first < end {
		middle := first + (end-first)/2
		line := first + strings.LastIndexByte(common[first:middle], '\n') + 1
		next := line + strings.IndexByte(common[line:], '\n') + 1
		switch order := lookalike.Compare(s, common[line:next-1]); {
		case order == 0:
			return true
		case order < 0:
			end = line
		default:
			first = next
		}
	}
	return false
}
