package factor_test

import (
	"net/url"
	"testing"

	"gatehouse/domain/factor"
	"gatehouse/domain/secret"
)

func TestKeyURIsAreOneSpellingThatParsersReadBack(t *testing.T) {
	for _, c := range []struct{ service, account, want string }{
		{"Gatehouse", "ada@example.com", "otpauth://totp/Gatehouse:ada%40example.com?secret=ABC2&issuer=Gatehouse"},
		{"A & B: 100%?", "a+b/c#d@example.com", "otpauth://totp/A%20%26%20B%3A%20100%25%3F:a%2Bb%2Fc%23d%40example.com?secret=ABC2&issuer=A%20%26%20B%3A%20100%25%3F"},
		{"Tür", "ä@example.com", "otpauth://totp/T%C3%BCr:%C3%A4%40example.com?secret=ABC2&issuer=T%C3%BCr"},
	} {
		got := factor.KeyURI(c.service, c.account, secret.New("ABC2")).Reveal()
		if got != c.want {
			t.Errorf("KeyURI(%q, %q) = %s\nwant %s", c.service, c.account, got, c.want)
		}
		u, err := url.Parse(got)
		if err != nil || u.Host != "totp" || u.Path != "/"+c.service+":"+c.account ||
			u.Query().Get("issuer") != c.service || u.Query().Get("secret") != "ABC2" || u.Fragment != "" {
			t.Errorf("%s reads as %+v, %v", got, u, err)
		}
	}
}
