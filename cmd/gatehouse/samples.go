package main

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
)

// samples are the secrets that our documentation and docker-compose.yml show.
// Who copies them shares them with everyone.
var samples = []string{
	"Correct-Horse-7",
	"Battery-Staple-8",
	"sample-Passphrase-4-reading",
	"sample-database-password",
	"sample-cache-password",
	"c2FtcGxlIG1hc3RlciBrZXk6IG5vdCBhIHNlY3JldCE=",
}

// isSample also knows 32 equal bytes for what they are.
func isSample(text string) bool {
	text = strings.TrimSpace(text)
	if slices.Contains(samples, text) {
		return true
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return err == nil && len(b) == 32 && !slices.ContainsFunc(b, func(c byte) bool { return c != b[0] })
}

func hasSamplePassword(location string) bool {
	u, err := url.Parse(location)
	if err != nil {
		return false
	}
	password, _ := u.User.Password()
	return password != "" && isSample(password)
}
