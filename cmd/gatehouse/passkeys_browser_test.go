package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the page of the test has seen.
type passkeyWalk struct {
	Added, Foreign, Repeated, Gone        struct{ ID, Name, Code string }
	Again                                 string
	SignedIn, SteppedUp, Asked, Completed struct{ AccessToken, StepUpToken string }
	List                                  []struct {
		Name       string
		LastUsed   *string
		Transports []string
	}
	Rest []struct{}
}

// F97, in a browser of today with the authenticator it simulates: a passkey is
// made, signs in without a user name, answers a challenge, steps up, and goes,
// from a page of another origin that may call us.
func TestPasskeysInABrowser(t *testing.T) {
	page := httptest.NewServer(http.FileServer(http.Dir("testdata")))
	t.Cleanup(page.Close)
	at, err := url.Parse(page.URL + "/passkeys.html")
	must(t, err)
	at.Host = "localhost:" + at.Port() // where browsers allow passkeys without TLS
	p := start(t, "GATEHOUSE_HTTP_ALLOWED_ORIGINS=http://"+at.Host, "GATEHOUSE_LIMITS_ENABLED=false")

	b := openChromium(t)
	b.unlocks()
	b.open(at)
	var seen passkeyWalk
	b.run(&seen, "walk", p.public, "ada@example.com", first)

	got := []string{
		seen.Added.Name, seen.Again, seen.Foreign.Code, seen.Repeated.Code, seen.Gone.Code,
		present(seen.SignedIn.AccessToken, seen.SteppedUp.StepUpToken, seen.Asked.AccessToken, seen.Completed.AccessToken),
	}
	want := []string{
		"This device", "InvalidStateError", "STEP_UP_TOKEN_INVALID", "TWO_FACTOR_AUTHENTICATION_TOKEN_INVALID", "PASSKEY_NOT_FOUND",
		"yes yes no yes",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%s", diff, p.log)
	}
	if len(seen.List) != 1 || seen.List[0].LastUsed == nil || len(seen.Rest) != 0 {
		t.Errorf("list %+v, then %+v", seen.List, seen.Rest)
	}
}

// present tells which of some tokens there are.
func present(all ...string) string {
	words := make([]string, len(all))
	for i, t := range all {
		words[i] = "no"
		if t != "" {
			words[i] = "yes"
		}
	}
	return strings.Join(words, " ")
}

// The lines of JavaScript in the README do what it says, with cookies, on a
// page of our own.
func TestTheReadmeMakesAndUsesAPasskey(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	must(t, err)
	_, script, _ := strings.Cut(string(readme), "```js\n")
	script, _, _ = strings.Cut(script, "```")
	makes, uses, found := strings.Cut(script, "\n// later")
	if !found {
		t.Fatalf("the README has no such script: %s", script)
	}
	_, uses, _ = strings.Cut(uses, "\n") // the rest of the comment
	helper, makes, _ := strings.Cut(makes, "\n\n")

	p := start(t, "GATEHOUSE_LIMITS_ENABLED=false")
	at, err := url.Parse(p.public + "/dev/api")
	must(t, err)
	at.Host = "localhost:" + at.Port()
	b := openChromium(t)
	b.unlocks()
	b.open(at)
	account := `{email: 'ada@example.com', password: '` + first + `'`
	var got []string
	b.run(&got, `(async () => {
		`+helper+`
		await post('/api/auth/register', `+account+`, name: 'Ada'})
		await post('/api/auth/login', `+account+`})
		await post('/api/auth/step-up', `+account+`})
		`+makes+`
		await post('/api/auth/logout')
		`+uses+`
		return [(await (await fetch('/api/users/me')).json()).name, ...(await (await fetch('/api/users/me/passkeys')).json()).map(k => k.name)]
	})`)
	if diff := cmp.Diff([]string{"Ada", "Phone"}, got); diff != "" {
		t.Errorf("%s\n%s", diff, p.log)
	}
}
