package factor

import (
	"net/url"
	"strings"

	"gatehouse/domain/secret"
)

// KeyURI is what an authenticator app reads to know a secret: whose it is, and
// at which service (contract §6.2, TotpSetupResponse). The parameters of the
// codes are those that apps assume.
func KeyURI(service, account string, s secret.Text) secret.Text {
	return secret.New("otpauth://totp/" + escape(service) + ":" + escape(account) +
		"?secret=" + escape(s.Reveal()) + "&issuer=" + escape(service))
}

// escape leaves nothing but unreserved characters (RFC 3986 §2.3). Apps show a
// plus sign that stands for a blank as it is.
func escape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
