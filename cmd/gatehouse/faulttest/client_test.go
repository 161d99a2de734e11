package faulttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	password = "sample-Passphrase-4-reading"
	another  = "another-Passphrase-5-writing"
)

// Subjects of mails.
const (
	verification = "Confirm your e-mail address for Gatehouse"
	reset        = "Choose a new password for Gatehouse"
	changed      = "Your Gatehouse password has been changed"
	reused       = "We ended a session of your Gatehouse account"
)

// answer is that of a replica. Status is 0 when there was none.
type answer struct {
	status int
	code   string // of a problem
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.body) }

// ok reports success.
func (a answer) ok() bool { return a.status == http.StatusOK }

// failed reports that the service could not answer, or that nobody did.
func (a answer) failed() bool { return a.status == 0 || a.status >= 500 }

func (a answer) pair() pair {
	var p pair
	_ = json.Unmarshal([]byte(a.body), &p) // without one there is no token, which nothing accepts
	return p
}

// pair is what a client keeps of its session.
type pair struct{ AccessToken, RefreshToken string }

var callers = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 25 * time.Second}

// ask sends a request with a bearer token, unless that is empty.
func (r *replica) ask(method, path, bearer, body string, header ...string) answer {
	req, err := http.NewRequestWithContext(context.Background(), method, "http://"+r.public+path, strings.NewReader(body))
	if err != nil {
		return answer{body: err.Error()}
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	req.Header.Set("X-Forwarded-For", somewhere()) // counts where proxies are trusted
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return send(req)
}

func send(req *http.Request) answer {
	res, err := callers.Do(req)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{body: err.Error()}
	}
	var problem struct{ Code string }
	if res.StatusCode >= http.StatusBadRequest {
		err = json.Unmarshal(b, &problem)
	}
	return answer{res.StatusCode, problem.Code, string(b)}.unless(err)
}

func (a answer) unless(err error) answer {
	if err != nil {
		a.body = errors.Join(err, errors.New(a.body)).Error()
	}
	return a
}

func object(members ...string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(members); i += 2 {
		m[members[i]] = members[i+1]
	}
	b, _ := json.Marshal(m) // of texts
	return string(b)
}

func (r *replica) register(address string) answer {
	return r.ask("POST", "/api/auth/register", "", object("email", address, "name", "Ada", "password", password))
}

func (r *replica) signIn(address, password string) answer {
	return r.ask("POST", "/api/auth/login", "", object("email", address, "password", password))
}

func (r *replica) refresh(token string) answer { return r.ask("POST", "/api/auth/refresh", token, "") }

// whoAmI asks what the database is asked about each time.
func (r *replica) whoAmI(token string) answer { return r.ask("GET", "/api/users/me", token, "") }

// listSessions asks for what a cache may let in to.
func (r *replica) listSessions(token string) answer {
	return r.ask("GET", "/api/users/me/sessions", token, "")
}

func (r *replica) stepUp(access, password string) (token string, a answer) {
	a = r.ask("POST", "/api/auth/step-up", access, object("password", password))
	var s struct{ StepUpToken string }
	_ = json.Unmarshal([]byte(a.body), &s) // as with pairs
	return s.StepUpToken, a
}

func (r *replica) changePassword(access, stepUp, from, to string) answer {
	return r.ask("PUT", "/api/users/me/password", access, object("oldPassword", from, "newPassword", to), "X-Step-Up-Token", stepUp)
}

// metric returns the value of a metric without labels.
func (r *replica) metric(t testing.TB, name string) (v float64) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.internal+"/metrics", http.NoBody)
	must(t, err)
	for line := range strings.Lines(send(req).body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			_, err := fmt.Sscan(value, &v)
			must(t, err)
			return v
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

var people, places atomic.Int64

// somewhere is an address from which nobody has called yet.
func somewhere() string {
	n := places.Add(1)
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
}

// newAddress is nobody's yet.
func newAddress() string { return fmt.Sprintf("person%d@example.com", people.Add(1)) }

// person registers somebody and signs them in.
func (c *cluster) person(t testing.TB) (address string, p pair) {
	t.Helper()
	address = newAddress()
	c.a.register(address).must(t)
	return address, c.b.signIn(address, password).must(t).pair()
}

// must ends the test unless the answer is one of success.
func (a answer) must(t testing.TB) answer {
	t.Helper()
	if !a.ok() {
		t.Fatal(a)
	}
	return a
}

// wants complains about another answer.
func (a answer) wants(t testing.TB, status int, code string) {
	t.Helper()
	if a.status != status || a.code != code {
		t.Errorf("%s, want %d %s", a, status, code)
	}
}
