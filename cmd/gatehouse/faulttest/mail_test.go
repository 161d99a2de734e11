package faulttest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-smtp"

	"gatehouse/adapters/mail/mailtest"
)

// deliveries counts the mails to an address that came completely.
func deliveries(all []mailtest.Mail, to string) (ids []string) {
	for _, m := range all {
		if m.To == to {
			ids = append(ids, m.ID)
		}
	}
	return ids
}

// forgetLeases makes what the killed had leased free now, instead of waiting
// for it.
func (c *cluster) forgetLeases(t *testing.T) {
	t.Helper()
	if !*long {
		c.exec(t, "UPDATE outbox SET lease_until = now() WHERE state = 'leased'")
	}
}

// F24, Q6: without a mail server nobody notices anything, the backlog shows,
// and all of it leaves once by either replica when the server is back.
func TestF24MailsOfTwoReplicasWaitForAServerThatIsDownAndLeaveOnceEach(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.smtp.cut()
	n := rounds(40, 400)
	var owed []string
	for len(owed) < n {
		owed = append(owed, together(20, func(i int) string {
			address := newAddress()
			if a := c.of(i).register(address); !a.ok() {
				t.Error(a)
			}
			if a := c.of(i+1).signIn(address, password); !a.ok() {
				t.Error(a)
			}
			return address
		})...)
	}
	eventually(t, "a delivery fails", func() bool {
		return c.count(t, "SELECT count(*) FROM outbox WHERE attempts > 0 AND state = 'queued'") > 0
	})
	eventually(t, "the backlog shows", func() bool {
		return c.a.metric(t, "gatehouse_outbox_queued") == float64(n) && c.b.metric(t, "gatehouse_outbox_oldest_seconds") > 0
	})
	if len(c.post.Seen()) > 0 {
		t.Fatal("the server was not down")
	}
	c.smtp.mend(t)
	c.exec(t, "UPDATE outbox SET next_at = now()") // instead of waiting out the back-off
	eventually(t, "everything leaves", func() bool { return len(c.post.Taken()) >= n })
	c.settled(t)
	for _, to := range owed {
		if got := deliveries(c.post.Seen(), to); len(got) != 1 {
			t.Errorf("%s got %v", to, got)
		}
	}
	t.Logf("%d registrations and sign-ins while the mail server was down: none noticed; all %d mails came afterwards, none twice", n, n)
}

// settled waits until the outcome of everything is written down.
func (c *cluster) settled(t *testing.T) {
	t.Helper()
	eventually(t, "the outbox is settled", func() bool {
		return c.count(t, "SELECT count(*) FROM outbox WHERE state NOT IN ('sent', 'dead')") == 0
	})
}

// F20: what was committed and not yet mailed when a replica is killed, the
// other one mails.
func TestF20AKillBetweenCommitAndMailLeavesTheMailToAnotherProcess(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.smtp.swallow(t)
	owed := []string{newAddress(), newAddress(), newAddress(), newAddress()}
	for i, to := range owed {
		c.of(i).register(to).must(t)
	}
	eventually(t, "the mails are leased", func() bool {
		return c.count(t, "SELECT count(*) FROM outbox WHERE state = 'leased'") > 0
	})
	c.a.kill()
	c.b.kill() // one that leased nothing comes after them
	c.smtp.heal()
	if len(c.post.Seen()) > 0 {
		t.Fatal("a mail was sent before the kill")
	}
	if !c.b.start() {
		t.Fatal(c.b.said())
	}
	c.forgetLeases(t)
	c.settled(t)
	for _, to := range owed {
		if got := deliveries(c.post.Taken(), to); len(got) != 1 {
			t.Errorf("the mail to %s came as %v", to, got)
		}
	}
	t.Logf("%d mails leased by replicas that were killed: each sent once by the one that came after", len(owed))
}

// F21: a mail that the server took, and of which nobody could write down that
// it did, comes once more by the other replica, as the same message.
func TestF21AKillAfterTheServerTookAMailCausesOneDuplicateWithTheSameID(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	over := make(chan struct{})
	release := sync.OnceFunc(func() { close(over) })
	defer release()
	c.post.Judge(nil, func(mailtest.Mail) error { <-over; return nil })
	to := newAddress()
	c.a.register(to).must(t)
	eventually(t, "the mail comes", func() bool { return len(c.post.Seen()) == 1 })
	c.a.kill()
	c.b.kill() // either may have sent it
	release()
	for _, r := range c.both() {
		if !r.start() {
			t.Fatal(r.said())
		}
	}
	c.forgetLeases(t)
	c.settled(t)
	c.a.register(newAddress()).must(t)
	c.settled(t)
	ids := deliveries(c.post.Seen(), to)
	if len(ids) != 2 || ids[0] != ids[1] || ids[0] == "" {
		t.Errorf("the mail came as %v", ids)
	}
	t.Log("1 mail taken by the server, its sender killed before the answer: 1 duplicate, same Message-ID")
}

// F25: whatever a server does to some mails, the others leave, what may
// succeed later does, and what never will is visibly dead.
func TestF25BadMailsHoldUpNobodyAndEndVisibly(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	over := make(chan struct{})
	defer close(over)
	var refused, dropped atomic.Int32
	c.post.Judge(func(to string) error {
		switch {
		case strings.HasSuffix(to, "@tarpit.example"):
			<-over
		case strings.HasSuffix(to, "@later.example") && refused.Add(1) == 1:
			return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.NoEnhancedCode, Message: "later"}
		case strings.HasSuffix(to, "@never.example"):
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "no such user"}
		}
		return nil
	}, func(m mailtest.Mail) error {
		if strings.HasSuffix(m.To, "@dropped.example") && dropped.Add(1) == 1 {
			return errors.Join(errors.New("nobody hears this"), c.smtp.bounce())
		}
		return nil
	})
	var good []string
	for i := range 6 {
		c.of(i).register(fmt.Sprintf("x%d@tarpit.example", i)).must(t)
	}
	for i, domain := range []string{"never", "later", "dropped"} {
		c.of(i).register("x@" + domain + ".example").must(t)
	}
	c.exec(t, `INSERT INTO outbox (id, kind, principal_id, locale, payload, state, attempts, next_at, fence, created_at, expires_at)
		SELECT 'poison', kind, principal_id, locale, decode(repeat('00', 80), 'hex'), 'queued', 0, now(), 0, created_at, expires_at FROM outbox LIMIT 1`)
	for i := range 6 {
		good = append(good, newAddress())
		c.of(i).register(good[i]).must(t)
	}
	eventually(t, "the good mails leave", func() bool {
		all := c.post.Taken()
		return !slices.ContainsFunc(good, func(to string) bool { return len(deliveries(all, to)) != 1 })
	})
	eventually(t, "what may succeed later does", func() bool {
		all := c.post.Taken()
		return len(deliveries(all, "x@later.example")) == 1 && len(deliveries(all, "x@dropped.example")) == 1
	})
	if ids := deliveries(c.post.Seen(), "x@dropped.example"); len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("what was dropped came as %v", ids)
	}
	eventually(t, "two are dead", func() bool { return c.b.metric(t, "gatehouse_outbox_dead") == 2 })
	if c.count(t, "SELECT count(*) FROM outbox WHERE id = 'poison' AND state = 'dead'") != 1 {
		t.Error("what cannot be opened is not dead")
	}
	t.Logf("6 mails in a tarpit, 1 refused for now, 1 for good, 1 dropped after DATA, 1 that cannot be opened: %d others left, 2 came later, 2 are dead", len(good))
}
