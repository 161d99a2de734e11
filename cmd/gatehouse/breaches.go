package main

import (
	"fmt"

	fuseadapter "gatehouse/adapters/fuse"
	hibpadapter "gatehouse/adapters/hibp"
	appaccount "gatehouse/application/account"
	appsession "gatehouse/application/session"
	"gatehouse/ports/outbound"
)

// What password.breached can be.
const (
	breachedNone  = "none"
	breachedFile  = "file"
	breachedRange = "range"
)

// What password.breached_at_login can be.
const (
	leakIgnored  = "ignore"
	leakReported = "report"
	leakRefused  = "refuse"
)

// breaches is who knows passwords that have leaked. known is nil for nobody.
type breaches struct {
	known outbound.Breaches
	close func() error
}

func newBreaches(cfg settings) (b breaches, err error) {
	b.close = func() error { return nil }
	p := cfg.Password
	switch p.Breached {
	case breachedFile:
		filter, err := fuseadapter.Open(p.BreachedFile)
		if err != nil {
			return b, usageError{fmt.Errorf("password.breached_file: %w (%s)", err, cfg.origin["password.breached_file"])}
		}
		return breaches{known: filter, close: filter.Close}, nil
	case breachedRange:
		b.known, err = hibpadapter.New(hibpadapter.Config{
			URL: p.BreachedURL, UserAgent: "Gatehouse/" + thisBuild().Version, Patience: p.BreachedTimeout,
		})
		if err != nil {
			return b, usageError{fmt.Errorf("password.breached_url: %w (%s)", err, cfg.origin["password.breached_url"])}
		}
	}
	return b, nil
}

// leaks keeps passwords from being set that b knows.
func (f *foundation) leaks(b breaches, watch outbound.Observer) appaccount.Leaks {
	if b.known == nil {
		return appaccount.Leaks{}
	}
	return appaccount.NewLeaks(appaccount.LeaksDeps{
		Known: b.known, Required: f.cfg.Password.BreachedRequired, Watch: watch, Log: f.log,
	})
}

func (s *service) onLeak(leaks appaccount.Leaks, a around) appsession.OnLeak {
	at := s.cfg.Password.BreachedAtLogin
	if at == leakIgnored {
		return appsession.OnLeak{}
	}
	return appsession.OnLeak{Leaks: leaks, Refuse: at == leakRefused, Audit: a.audit}
}
