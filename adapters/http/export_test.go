package http

import (
	"net/http"
	"net/netip"
	"time"

	"gatehouse/domain/fault"
)

// What the tests of behaviour cannot see from outside.

var (
	ReadJSON   = readJSON
	WellFormed = wellFormed
)

// AnswerOf returns status and title of a code, and whether there are any.
func AnswerOf(c fault.Code) (status int, title string, ok bool) {
	a, ok := answers[c]
	return a.status, a.title, ok
}

// Answered returns how many codes have an answer.
func Answered() int { return len(answers) }

// ClientAddress returns the address of the client behind trusted proxies.
func ClientAddress(trusted []netip.Prefix, r *http.Request) string {
	return peers(trusted).address(r).String()
}

// RetryAfter is the header for a wait.
func RetryAfter(d time.Duration) string { return seconds(d) }
