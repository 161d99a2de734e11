package principal

import "strings"

// ParseID reads the id of a principal that was made elsewhere: any UUID but the
// two that stand for none, in lower case from then on.
func ParseID(s string) (ID, bool) {
	s = strings.ToLower(s)
	if len(s) != 36 || strings.Trim(s, "0-") == "" || strings.Trim(s, "f-") == "" {
		return "", false
	}
	for i := range len(s) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (s[i] == '-') || !hyphen && strings.IndexByte("0123456789abcdef", s[i]) < 0 {
			return "", false
		}
	}
	return ID(s), true
}
