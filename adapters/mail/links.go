package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"gatehouse/domain/notice"
	"gatehouse/domain/secret"
)

// links knows our own addresses. They come from the configuration and never
// from a request (faults F36).
type links struct {
	base     url.URL
	domain   string // for Message-IDs (RFC 5322 §3.6.4)
	greeting string // our name to other servers (RFC 5321 §4.1.1.1)
	pages    map[notice.Page]url.URL
}

func newLinks(baseURL string, paths map[notice.Page]string) (links, error) {
	base, err := url.Parse(baseURL)
	switch {
	case err != nil:
		return links{}, errors.New("base URL: not a URL")
	case base.Scheme != "https" && base.Scheme != "http", base.Hostname() == "", base.User != nil, !plain(base):
		return links{}, fmt.Errorf("base URL: want http or https, a host and at most a path, not %q", base.Redacted())
	case strings.ContainsFunc(base.Host, notASCII):
		return links{}, fmt.Errorf("base URL: want the host in ASCII, not %q", base.Host)
	}
	l := links{base: *base, domain: base.Hostname(), greeting: base.Hostname(), pages: map[notice.Page]url.URL{}}
	for page, path := range paths {
		u, err := url.Parse(strings.TrimSuffix(baseURL, "/") + path)
		if err != nil || !strings.HasPrefix(path, "/") || !plain(u) {
			return links{}, fmt.Errorf("page of a link: want an absolute path, not %q", path)
		}
		l.pages[page] = *u
	}
	if ip, err := netip.ParseAddr(base.Hostname()); err == nil {
		l.greeting = literal(ip)
		if ip.Is6() {
			l.domain = l.greeting
		}
	}
	return l, nil
}

// plain reports whether u has nothing after its path.
func plain(u *url.URL) bool {
	return u.Opaque == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

func notASCII(r rune) bool { return r > '~' }

// literal is an IP address where a domain is asked for (RFC 5321 §4.1.3).
func literal(ip netip.Addr) string {
	if ip.Is6() {
		return "[IPv6:" + ip.WithZone("").String() + "]"
	}
	return "[" + ip.String() + "]"
}

// to returns the link to a page, with the token the page will post.
func (l links) to(page notice.Page, token secret.Text) string {
	u := l.pages[page]
	u.RawQuery = url.Values{"token": {token.Reveal()}}.Encode()
	return u.String()
}
