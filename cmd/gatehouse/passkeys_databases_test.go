package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"gatehouse/adapters/gorm/pgtest"
	"gatehouse/adapters/webauthn/webauthntest"
)

// passkeyQuestion asks for options with the cookies of p.
func (p *program) passkeyQuestion(path string) []byte {
	p.t.Helper()
	var asked struct{ PublicKey json.RawMessage }
	must(p.t, json.Unmarshal([]byte(p.must("POST", p.public+path, "", 200)), &asked))
	return asked.PublicKey
}

// Q2, F81, F97: on both databases an answer adds one passkey and begins one
// session, however often it is sent at once, and a copy of a key gets nowhere.
func TestPasskeysOnBothDatabases(t *testing.T) {
	for name, environ := range map[string][]string{"sqlite": nil, "postgres": {"GATEHOUSE_DATABASE_URL=" + pgtest.URL(t)}} {
		t.Run(name, func(t *testing.T) {
			p := start(t, append([]string{"GATEHOUSE_LIMITS_ENABLED=false"}, environ...)...)
			at, err := url.Parse(p.public)
			must(t, err)
			phone := webauthntest.New("localhost", "http://localhost:"+at.Port())
			p.must("POST", p.public+"/api/auth/register", credentialsOf("ada@example.com", `,"name":"Ada"`), 200)
			p.must("POST", p.public+"/api/auth/login", credentialsOf("ada@example.com", ""), 200)
			p.must("POST", p.public+"/api/auth/step-up", `{"password":"`+first+`"}`, 200)

			made := phone.Create(p.passkeyQuestion("/api/users/me/passkeys/options"))
			p.oneOfMany("/api/users/me/passkeys", `{"name":"Phone","credential":`+string(made)+`}`)
			p.must("POST", p.public+"/api/auth/logout", "", 200)

			p.client.Jar = nobody{}
			for range 3 {
				used := phone.Use(p.passkeyQuestion("/api/auth/passkeys/login/options"))
				p.oneOfMany("/api/auth/passkeys/login", `{"credential":`+string(used)+`}`)
			}
			phone.Stuck = true
			copied := phone.Use(p.passkeyQuestion("/api/auth/passkeys/login/options"))
			if answer := p.must("POST", p.public+"/api/auth/passkeys/login", `{"credential":`+string(copied)+`}`, 401); !strings.Contains(answer, "PASSKEY_CLONED") {
				t.Errorf("a copy: %s", answer)
			}
		})
	}
}

// nobody keeps no cookies.
type nobody struct{}

func (nobody) SetCookies(*url.URL, []*http.Cookie) {}
func (nobody) Cookies(*url.URL) []*http.Cookie     { return nil }

// oneOfMany sends a request many times at once: one is carried out, and all
// others come too late.
func (p *program) oneOfMany(path, body string) {
	p.t.Helper()
	answers := make([]string, 10)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			status, answer := p.call("POST", p.public+path, body)
			answers[i] = fmt.Sprint(status, " ", answer)
		})
	}
	all.Wait()
	done := 0
	for _, a := range answers {
		switch {
		case strings.HasPrefix(a, "200 "):
			done++
		case !strings.Contains(a, "PASSKEY_CHALLENGE_EXPIRED"):
			p.t.Errorf("%s: %s", path, a)
		}
	}
	if done != 1 {
		p.t.Errorf("%s: %d of %d were carried out", path, done, len(answers))
	}
}
