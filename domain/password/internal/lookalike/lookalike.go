// Package lookalike compares text in which some characters stand for letters.
// The list of common passwords is sorted by it and searched with it, so both
// sides must mean the same; it knows nothing about passwords.
package lookalike

// fold is by byte, which leaves UTF-8 alone: it touches ASCII only.
func fold(c byte) byte {
	switch c {
	case '@':
		return 'a'
	case '0':
		return 'o'
	case '1':
		return 'l'
	case '3':
		return 'e'
	case '$':
		return 's'
	}
	return c
}

// Compare orders a and b as [strings.Compare] would if @, 0, 1, 3 and $ were
// the letters a, o, l, e and s. Case matters.
func Compare(a, b string) int {
	for i := range min(len(a), len(b)) {
		if x, y := fold(a[i]), fold(b[i]); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}
