package outbox

import (
	"strings"
	"sync"
	"time"

	"gatehouse/domain/email"
)

const (
	// slow is how long a delivery takes that holds up others.
	slow = 5 * time.Second
	// remembered is how many slow domains are kept in mind.
	remembered = 1000
)

// domains keeps a slow domain from taking all the room (faults F25): once a
// delivery to it was slow, it gets a part only, until one was not.
type domains struct {
	part int

	mu    sync.Mutex
	under map[string]int // deliveries under way
	slow  map[string]bool
}

func newDomains(part int) *domains {
	return &domains{part: part, under: map[string]int{}, slow: map[string]bool{}}
}

func domainOf(a email.Address) string {
	normal := a.Normal()
	return normal[strings.LastIndexByte(normal, '@')+1:]
}

// enter reports whether another delivery to a domain may begin.
func (d *domains) enter(domain string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.slow[domain] && d.under[domain] >= d.part {
		return false
	}
	d.under[domain]++
	return true
}

func (d *domains) leave(domain string, took time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.under[domain]--; d.under[domain] == 0 {
		delete(d.under, domain)
	}
	switch {
	case took < slow:
		delete(d.slow, domain)
	case len(d.slow) < remembered:
		d.slow[domain] = true
	}
}
