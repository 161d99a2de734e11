package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
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
	b.call("WebAuthn.enable", map[string]any{}, nil)
	b.call("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true,
		"automaticPresenceSimulation": true,
	}}, nil)
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
