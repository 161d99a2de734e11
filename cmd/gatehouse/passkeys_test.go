package main

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheRelyingPartyIsADomainOfOurs(t *testing.T) {
	for _, c := range []struct {
		wanted, base string
		allowed      []string
		id           string
		origins      []string
	}{
		{"", "https://id.example.com", nil, "id.example.com", []string{"https://id.example.com"}},
		{"", "https://ID.Example.com:8443/auth", []string{"https://app.example.com"}, "id.example.com", []string{"https://id.example.com:8443"}},
		{
			"example.com", "https://id.example.com",
			[]string{"https://app.example.com", "https://example.com", "https://evilexample.com", "https://example.com.evil.example"},
			"example.com",
			[]string{"https://id.example.com", "https://app.example.com", "https://example.com"},
		},
		{"", "http://localhost:8080", []string{"http://localhost:5173"}, "localhost", []string{"http://localhost:8080", "http://localhost:5173"}},
		{"", "http://127.0.0.1:8080", []string{"http://localhost:5173", "http://127.0.0.1:5173"}, "localhost", []string{"http://localhost:8080", "http://localhost:5173"}},
		{"", "http://[::1]:8080", nil, "localhost", []string{"http://localhost:8080"}},
		{"", "http://0.0.0.0:80", nil, "localhost", []string{"http://localhost:80"}},
		{"", "https://192.0.2.7", []string{"https://app.example.com"}, "", nil},
	} {
		base, err := url.Parse(c.base)
		if err != nil {
			t.Fatal(err)
		}
		id, origins := relyingParty(c.wanted, base, c.allowed)
		if diff := cmp.Diff(append([]string{c.id}, c.origins...), append([]string{id}, origins...)); diff != "" {
			t.Errorf("%s for %q: %s", c.base, c.wanted, diff)
		}
	}
}

func TestARelyingPartyHasTheBaseURLBelowIt(t *testing.T) {
	const base = "https://id.example.co.uk"
	for domain, want := range map[string]bool{
		"": true, "id.example.co.uk": true, "example.co.uk": true, "Example.co.uk": true,
		"co.uk": false, "uk": false, "app.example.co.uk": false, "example.com": false, "ample.co.uk": false, "localhost": false,
	} {
		if got := mayRely(domain, base); got != want {
			t.Errorf("passkeys for %q at %s: %v", domain, base, got)
		}
	}
	if mayRely("example.com", "") || mayRely("example.com", "http://127.0.0.1:8080") || !mayRely("localhost", "http://localhost:8080") {
		t.Error("passkeys for a domain without one, or not for this machine")
	}
}
