package main

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"

	webauthnadapter "gatehouse/adapters/webauthn"
	"gatehouse/domain/passkey"
	"gatehouse/ports/outbound"
)

const localhost = "localhost"

// newAuthenticators returns the relying party of a service with a base URL.
func newAuthenticators(cfg settings, base *url.URL) (outbound.Authenticators, error) {
	id, origins := relyingParty(cfg.Passkeys.RelyingParty, base, cfg.HTTP.AllowedOrigins)
	if id == "" {
		return webauthnadapter.Nowhere{}, nil
	}
	party, err := webauthnadapter.New(webauthnadapter.Config{
		ID: id, Name: cfg.App.Name, Origins: origins, Verification: passkey.Verification(cfg.Passkeys.UserVerification),
	})
	if err != nil {
		return nil, usageError{fmt.Errorf("app.base_url, passkeys.relying_party: %w", err)}
	}
	return party, nil
}

// relyingParty returns the domain that browsers make passkeys for, and the
// origins of the pages that may do so: our own, and of those that may call us
// the ones below that domain. An address has no passkeys, and none of these;
// that of this machine is called localhost then.
func relyingParty(wanted string, base *url.URL, allowed []string) (id string, origins []string) {
	own := *base
	if a, err := netip.ParseAddr(base.Hostname()); err == nil {
		if !a.IsLoopback() && !a.IsUnspecified() {
			return "", nil
		}
		own.Host = localhost
		if port := base.Port(); port != "" {
			own.Host += ":" + port
		}
	}
	if id = strings.ToLower(own.Hostname()); wanted != "" {
		id = strings.ToLower(wanted)
	}
	origins = []string{strings.ToLower(own.Scheme + "://" + own.Host)}
	for _, o := range allowed {
		if u, err := url.Parse(o); err == nil && isBelow(strings.ToLower(u.Hostname()), id) {
			origins = append(origins, o)
		}
	}
	return id, origins
}

// isBelow reports whether host is a domain or below it.
func isBelow(host, domain string) bool { return host == domain || strings.HasSuffix(host, "."+domain) }

// mayRely reports whether browsers would make passkeys for a domain on pages of
// the base URL: it is that one's host or above it, and has one owner.
func mayRely(domain, base string) bool {
	if domain == "" {
		return true
	}
	u, err := url.Parse(base)
	if err != nil || !isBelow(strings.ToLower(u.Hostname()), strings.ToLower(domain)) {
		return false
	}
	_, err = publicsuffix.EffectiveTLDPlusOne(strings.ToLower(domain))
	return err == nil || domain == localhost
}
