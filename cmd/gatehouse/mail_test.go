package main

import (
	"testing"
	"time"

	mailadapter "gatehouse/adapters/mail"
)

func TestTheDoctorLooksAtTheLine(t *testing.T) {
	at := time.Date(2028, 2, 1, 12, 0, 0, 0, time.UTC)
	for want, w := range map[string]mailadapter.Welcome{
		"ok s, not encrypted, on this machine":                       {Server: "s"},
		"ok s, TLS 1.3, signed in":                                   {Server: "s", TLS: "TLS 1.3", Until: at.Add(soon), Known: true},
		"ok s, TLS 1.2, certificate not checked, on this machine":    {Server: "s", TLS: "TLS 1.2", Until: at, Unverified: true},
		"warn s, TLS 1.3, certificate ends on 2028-02-15":            {Server: "s", TLS: "TLS 1.3", Until: at.Add(soon - time.Second)},
		"warn s, TLS 1.3, signed in, certificate ends on 2028-02-01": {Server: "s", TLS: "TLS 1.3", Until: at.Add(time.Hour), Known: true},
	} {
		if f := (doctor{now: at}).judge(w); string(f.grade)+" "+f.says != want {
			t.Errorf("%s %s, want %s", f.grade, f.says, want)
		}
	}
}

func TestTheDoctorLooksAtWhereLinksLead(t *testing.T) {
	for base, want := range map[string]grade{
		"https://id.example.com": fine, "http://id.example.com": failed, "https://localhost:8443": failed, "https://[::1]": failed,
	} {
		if f := (doctor{base: base}).checkBase(); f.grade != want {
			t.Errorf("%s: %s %s, want %s", base, f.grade, f.says, want)
		}
	}
}

func TestOneOwnerHasOneRegisteredDomain(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"mail.example.com", "id.example.com", true},
		{"Example.COM", "id.example.com", true},
		{"example.com", "example.net", false},
		{"a.co.uk", "b.co.uk", false},
		{"notexample.com", "example.com", false},
		{"localhost", "localhost", true},
		{"com", "example.com", false},
	} {
		if got := sameOwner(tc.a, tc.b); got != tc.want {
			t.Errorf("%s, %s: %v", tc.a, tc.b, got)
		}
	}
}

func TestWhatAServerSaysStaysOnItsLine(t *testing.T) {
	if got := oneLine("a\r\nok\x1b[2Jb"); got != "a  ok [2Jb" {
		t.Errorf("%q", got)
	}
}
