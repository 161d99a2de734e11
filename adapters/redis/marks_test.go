package redis

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/ports/outbound"
)

// FuzzReadMark reads what anybody may have stored. What counts is what would
// have been written, letter by letter.
func FuzzReadMark(f *testing.F) {
	noon := time.Date(2028, 2, 29, 12, 0, 0, 0, time.UTC)
	ticket := outbound.Ticket{Principal: "u1", Session: "s1", At: noon}
	s, p := writeMark(ticket, outbound.Mark{ExpiresAt: noon.Add(time.Hour), Until: noon.Add(2 * time.Hour), TokenGen: 7})
	f.Add(s, p)
	f.Add("session/1 s1 u1 -1 0 0", "principal/1 u1 9223372036854775807 -9223372036854775808")
	f.Fuzz(func(t *testing.T, session, principal string) {
		m, ok := readMark(session, principal, ticket)
		if !ok {
			return
		}
		written := func(at string) (string, string) {
			n, err := strconv.ParseInt(at, 10, 64)
			if err != nil || time.UnixMicro(n).Sub(noon).Abs() > markTTL {
				t.Fatalf("%q, %q was read at %q", session, principal, at)
			}
			return writeMark(outbound.Ticket{Principal: "u1", Session: "s1", At: time.UnixMicro(n)}, m)
		}
		s, _ := written(strings.Split(session, " ")[3])
		_, p := written(strings.Split(principal, " ")[2])
		if s != session || p != principal {
			t.Errorf("%q, %q is read as %+v", session, principal, m)
		}
	})
}
