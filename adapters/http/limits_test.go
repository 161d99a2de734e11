package http_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/limit"
	"gatehouse/domain/principal"
)

func from(address string) change { return set("X-Forwarded-For", address) }

func TestAnAddressHasTwoHundredRequestsPerMinute(t *testing.T) {
	w := newWorld(t)
	for range 200 {
		w.want(401, "AUTHENTICATION_REQUIRED", req("GET /api/users/me", ""))
	}
	a := w.want(429, "IP_RATE_LIMIT_EXCEEDED", req("GET /api/users/me", ""))
	if got := a.header.Get("Retry-After"); got != "1" { // 0.3 s
		t.Errorf("Retry-After %s", got)
	}
	for _, free := range []string{"/livez", "/.well-known/jwks.json"} {
		w.ok(req("GET "+free, ""))
	}
	w.want(404, "ROUTE_NOT_FOUND", req("GET /nowhere", ""))
	w.clock.advance(300 * time.Millisecond)
	w.want(401, "AUTHENTICATION_REQUIRED", req("GET /api/users/me", ""))
	w.want(429, "IP_RATE_LIMIT_EXCEEDED", req("GET /api/users/me", ""))
}

func TestSignInAndStepUpShareTenCallsPerFiveMinutes(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com") // one sign-in
	for i := range 9 {
		if i%2 == 0 {
			w.want(400, "MISSING_PASSWORD_PARAMETER", req("POST /api/auth/step-up", "", bearer(a.access)))
		} else {
			w.want(409, "ALREADY_AUTHENTICATED", loginOf("ada@example.com", goodPassword, bearer(a.access)))
		}
	}
	for _, r := range []request{loginOf("ada@example.com", goodPassword), req("POST /api/auth/step-up", "", bearer(a.access)), loginOf("", "").but(body("{"))} {
		if got := w.want(429, "IP_LOGIN_RATE_LIMIT_EXCEEDED", r); got.header.Get("Retry-After") != "30" {
			t.Errorf("Retry-After %s", got.header.Get("Retry-After"))
		}
	}
	w.ok(registerAs("eve@example.com")) // counts elsewhere
	w.ok(req("POST /api/auth/refresh", "", bearer(a.refresh)))
	w.clock.advance(30 * time.Second)
	w.ok(loginOf("ada@example.com", goodPassword))
}

func TestAUserHasTwoHundredRequestsPerMinuteFromEverywhere(t *testing.T) {
	w := newWorld(t, withProxies("127.0.0.0/8"))
	a, b := w.member("ada@example.com"), w.member("eve@example.com")
	for i := range 200 {
		w.ok(req("GET /api/users/me", "", bearer(a.access), from(fmt.Sprintf("192.0.2.%d", i))))
	}
	w.want(429, "USER_RATE_LIMIT_EXCEEDED", req("GET /api/users/me", "", bearer(a.access), from("198.51.100.1")))
	w.want(429, "USER_RATE_LIMIT_EXCEEDED", req("GET /api/auth/status", "", bearer(a.access), from("198.51.100.1")))
	w.ok(req("GET /api/users/me", "", bearer(b.access), from("198.51.100.1")))
	w.ok(req("POST /api/auth/logout", "", bearer(a.access), from("198.51.100.1"))) // never limited for users
}

func TestLimitsCanBeSwitchedOff(t *testing.T) {
	w := newWorld(t, with(func(d *adapter.Deps) {
		d.Limits = adapter.Limits{IP: limit.Budget{Count: 1, Per: time.Hour}, Login: limit.Budget{Count: 1, Per: time.Hour}, User: limit.Budget{Count: 1, Per: time.Hour}}
	}))
	a := w.member("ada@example.com")
	for range 3 {
		w.ok(req("GET /api/users/me", "", bearer(a.access)))
		w.ok(loginOf("ada@example.com", goodPassword))
	}
}

func TestFiveWrongPasswordsCostEverBiggerDelays(t *testing.T) {
	for _, address := range []string{"ada@example.com", "unknown@example.com", "grace@example.com"} {
		t.Run(address, func(t *testing.T) {
			w := newWorld(t, with(func(d *adapter.Deps) { d.Limits.Enabled = false }))
			w.ok(registerAs("ada@example.com"))
			w.put(withoutPassword())
			for range 5 {
				w.want(401, "INVALID_CREDENTIALS", loginOf(address, "wrong"))
			}
			for _, delay := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900} {
				for range 2 { // the second call lengthens nothing
					a := w.want(429, "TOO_MANY_ATTEMPTS", loginOf(strings.ToUpper(address), goodPassword))
					if got := a.header.Get("Retry-After"); got != strconv.Itoa(delay) {
						t.Fatalf("Retry-After %s, want %d", got, delay)
					}
				}
				w.clock.advance(time.Duration(delay) * time.Second)
				w.want(401, "INVALID_CREDENTIALS", loginOf(address, "wrong"))
			}
		})
	}
}

func TestASignInForgetsWrongPasswords(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	for range 4 {
		w.want(401, "INVALID_CREDENTIALS", loginOf("ada@example.com", "wrong"))
	}
	w.ok(loginOf("ada@example.com", goodPassword))
	w.clock.advance(5 * time.Minute)
	for range 4 {
		w.want(401, "INVALID_CREDENTIALS", loginOf("ada@example.com", "wrong"))
	}
	w.ok(req("POST /api/auth/step-up", `{"password":"`+goodPassword+`"}`, bearer(a.access)))
}

var changing = regexp.MustCompile(`"(requestId|timestamp)":"[^"]*"`)

func TestNobodyLearnsWhoHasAnAccount(t *testing.T) {
	w := newWorld(t)
	w.ok(registerAs("ada@example.com"))
	w.put(withoutPassword())
	w.ok(registerAs("off@example.com"))
	off := w.signIn("off@example.com", goodPassword)
	w.rewrite(off.id, func(p *principal.Principal) { p.Disable() })
	var first string
	for _, address := range []string{"unknown@example.com", "ada@example.com", "grace@example.com", "off@example.com", "not an address", strings.Repeat("x", 1000)} {
		a := w.want(401, "INVALID_CREDENTIALS", loginOf(address, "wrong"))
		a.header.Del("X-Request-Id")
		a.header.Del("Date")
		seen := changing.ReplaceAllString(string(a.body), "") + fmt.Sprint(a.header)
		if first == "" {
			first = seen
		}
		if seen != first {
			t.Errorf("%s differs:\n%s\n%s", address, seen, first)
		}
	}
}

// --- who calls ---

func TestTheClientAddressIsTakenFromTrustedProxiesOnly(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	many := strings.Repeat("203.0.113.9, ", 1000)
	for _, row := range []struct {
		socket string
		sent   []string
		want   string
	}{
		{"192.0.2.1:1", nil, "192.0.2.1"},
		{"192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"},
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"1.1.1.1, 198.51.100.1, 10.9.9.9"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"1.1.1.1", "198.51.100.1,10.9.9.9"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{many + "198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"10.1.1.1, 10.2.2.2"}, "10.1.1.1"},
		{"10.0.0.1:1", []string{"garbage"}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1, garbage, 10.2.2.2"}, "10.2.2.2"},
		{"10.0.0.1:1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"10.0.0.1:1", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"[fd00::1]:1", []string{"2001:db8::1"}, "2001:db8::1"},
		{"[::ffff:10.0.0.1]:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"@", []string{"198.51.100.1"}, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = row.socket
		for _, v := range row.sent {
			r.Header.Add("X-Forwarded-For", v)
		}
		r.Header.Set("X-Real-Ip", "6.6.6.6")
		r.Header.Set("Forwarded", "for=6.6.6.6")
		if got := adapter.ClientAddress(trusted, r); got != row.want {
			t.Errorf("%s, %.40q: %q, want %q", row.socket, row.sent, got, row.want)
		}
	}
}

func TestANetworkOfIPv6IsOneAddress(t *testing.T) {
	w := newWorld(t, withProxies("127.0.0.0/8"))
	for i := range 10 {
		w.want(401, "INVALID_CREDENTIALS", loginOf(fmt.Sprintf("a%d@example.com", i), "x", from(fmt.Sprintf("2001:db8::%d", i))))
	}
	w.want(429, "IP_LOGIN_RATE_LIMIT_EXCEEDED", loginOf("b@example.com", "x", from("2001:db8::ffff:1:2:3")))
	w.want(401, "INVALID_CREDENTIALS", loginOf("b@example.com", "x", from("2001:db8:0:1::1")))
}

func TestASpoofedAddressDoesNotMakeRoom(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.want(401, "INVALID_CREDENTIALS", loginOf(fmt.Sprintf("a%d@example.com", i), "x", from(fmt.Sprintf("192.0.2.%d", i))))
	}
	w.want(429, "IP_LOGIN_RATE_LIMIT_EXCEEDED", loginOf("b@example.com", "x", from("192.0.2.99")))
}

var uuid7 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestARequestIDIsTakenFromTrustedProxiesOnly(t *testing.T) {
	for trusted, w := range map[bool]*world{true: newWorld(t, withProxies("127.0.0.0/8")), false: newWorld(t)} {
		for id, good := range map[string]bool{
			"abc-1._X": true, strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "": false, "a b": false, "a\"b": false, "ä": false, "<x>": false,
		} {
			a := w.want(401, "AUTHENTICATION_REQUIRED", req("GET /api/users/me", "", set("X-Request-Id", id)))
			got := a.header.Get("X-Request-Id")
			if trusted && good {
				if got != id {
					t.Errorf("%q became %q", id, got)
				}
				continue
			}
			if !uuid7.MatchString(got) {
				t.Errorf("trusted %t, %q: %q is no UUIDv7", trusted, id, got)
			}
		}
	}
}

func TestWaitsAreRoundedUpToWholeSeconds(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "1", -time.Second: "1", time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90", time.Hour: "3600",
	} {
		if got := adapter.RetryAfter(wait); got != want {
			t.Errorf("%s: %s, want %s", wait, got, want)
		}
	}
}

func TestALimiterThatIsAskedSeesTheOrderOfTheContract(t *testing.T) {
	seen := &asked{}
	w := newWorld(t, with(func(d *adapter.Deps) { d.Buckets = seen }))
	w.send(loginOf("ada@example.com", "x"))
	if got := strings.Join(seen.keys, "|"); got != "address 127.0.0.1/32|login 127.0.0.1/32" {
		t.Errorf("buckets %s", got)
	}
}

type asked struct{ keys []string }

func (a *asked) Take(_ context.Context, _ time.Time, takes ...limit.Take) (int, time.Duration) {
	for _, take := range takes {
		a.keys = append(a.keys, take.Key)
	}
	return -1, 0
}
