package faulttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"gatehouse/adapters/mail/mailtest"
)

// F31: one address in many spellings, registered by many at once over both
// replicas, becomes one user, and nobody learns who came first.
func TestF31FiftyRegistrationsOfOneAddressMakeOneUserAndAnswerAlike(t *testing.T) {
	c := theCommon(t)
	n := rounds(2, 30)
	for range n {
		name := newAddress()
		spellings := []string{"Zo\u00eb." + name, "zoe\u0308." + name, "ZO\u00cb." + strings.ToUpper(name), "  zo\u00eb." + name + " "}
		before := c.count(t, "SELECT count(*) FROM principals")
		all := together(50, func(i int) answer { return c.of(i).register(spellings[i%len(spellings)]) })
		for _, a := range all {
			if a.must(t) != all[0] {
				t.Errorf("two answers: %s and %s", all[0], a)
			}
		}
		if made := c.count(t, "SELECT count(*) FROM principals") - before; made != 1 {
			t.Errorf("%d users were made", made)
		}
		for i, s := range spellings {
			c.of(i).signIn(s, password).must(t)
		}
		c.settled(t)
		verifications := 0
		for _, m := range c.post.Taken() {
			if m.Subject == verification && strings.Contains(strings.ToLower(m.To), name) {
				verifications++
			}
		}
		if verifications != 1 {
			t.Errorf("%d verification mails came", verifications)
		}
	}
	t.Logf("%d times 50 registrations of one address in 4 spellings over two replicas: %d users, %d answers alike, 1 verification mail each", n, n, 50*n)
}

// linkTo waits for the link in the verification mail of an address.
func (c *cluster) linkTo(t *testing.T, address string) (token string) {
	t.Helper()
	return c.linkIn(t, verification, address)
}

// linkIn waits for the link in the mail with a subject to an address.
func (c *cluster) linkIn(t *testing.T, subject, address string) (token string) {
	t.Helper()
	var mail mailtest.Mail
	eventually(t, "the link comes", func() bool {
		for _, mail = range c.post.Taken() {
			if mail.To == address && mail.Subject == subject {
				return true
			}
		}
		return false
	})
	_, rest, _ := strings.Cut(mail.Text, "token=")
	token, _, _ = strings.Cut(rest, "\r\n")
	token, err := url.QueryUnescape(token)
	must(t, err)
	return token
}

// F81, Q2: what can be used once has one winner, wherever it is used.
func TestF81OneOfManyUsesOfALinkOverTwoReplicasWins(t *testing.T) {
	c := theCommon(t)
	n := rounds(3, 50)
	for range n {
		address := newAddress()
		c.a.register(address).must(t)
		body := object("token", c.linkTo(t, address))
		won := 0
		for _, a := range together(24, func(i int) answer { return c.of(i).ask("POST", "/api/auth/email/verification", "", body) }) {
			if a.ok() {
				won++
				continue
			}
			a.wants(t, http.StatusConflict, "EMAIL_ALREADY_VERIFIED")
		}
		if won != 1 {
			t.Errorf("%d uses of one link succeeded", won)
		}
	}
	t.Logf("%d links used 24 times at once each over two replicas: %d winners", n, n)
}

// F81, F67: a reset link has one winner as well, whose password it is then, and
// no session of before.
func TestF81OneOfManyResetsByALinkOverTwoReplicasWins(t *testing.T) {
	c := theCommon(t)
	n := rounds(2, 30)
	for range n {
		address := newAddress()
		c.a.register(address).must(t)
		before := c.b.signIn(address, password).pair()
		c.b.ask("POST", "/api/auth/password/reset-request", "", object("email", address)).must(t)
		token := c.linkIn(t, reset, address)
		var winner string
		for i, a := range together(20, func(i int) answer {
			return c.of(i).ask("POST", "/api/auth/password/reset", "", object("token", token, "newPassword", fmt.Sprint("Another-Secret-", i)))
		}) {
			switch {
			case !a.ok():
				a.wants(t, http.StatusUnauthorized, "PASSWORD_RESET_TOKEN_INVALID")
			case winner != "":
				t.Errorf("a link reset the password twice")
			default:
				winner = fmt.Sprint("Another-Secret-", i)
			}
		}
		c.a.whoAmI(before.AccessToken).wants(t, http.StatusUnauthorized, "ACCESS_TOKEN_EXPIRED")
		c.a.signIn(address, password).wants(t, http.StatusUnauthorized, "INVALID_CREDENTIALS")
		c.b.signIn(address, winner).must(t)
	}
	t.Logf("%d reset links used 20 times at once each over two replicas: %d winners", n, n)
}

// F87: people who share connections, pools and memories never see each other.
func TestF87ParallelCallersNeverSeeEachOther(t *testing.T) {
	c := theCommon(t)
	const people = 6
	n := rounds(40, 1000)
	done := together(people, func(i int) (err error) {
		address := newAddress()
		if a := c.of(i).register(address); !a.ok() {
			return fmt.Errorf("register: %s", a)
		}
		a := c.of(i).signIn(address, password)
		p := a.pair()
		for k := range n {
			replica := c.of(i + k)
			if k%5 == 4 {
				a = replica.refresh(p.RefreshToken)
				p = a.pair()
			} else {
				a = replica.whoAmI(p.AccessToken)
				a.body = `{"user":` + a.body + `}`
			}
			var got struct{ User struct{ Email string } }
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.User.Email != address {
				return fmt.Errorf("%s, who is %s, got %s (%w)", address, got.User.Email, a, err)
			}
		}
		return nil
	})
	for _, err := range done {
		if err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d people at once, %d requests each over two replicas: everyone saw themselves only", people, n)
}
