package http

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/mileusna/useragent"

	"gatehouse/domain/client"
)

// peers are the proxies whose word about a request counts.
type peers []netip.Prefix

func (p peers) trust(ip netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// address returns the client's address: the socket's, or if that is a trusted
// proxy's the right-most X-Forwarded-For entry that is not. No other header is
// read, and what is no address ends the search (contract §1.1).
func (p peers) address(r *http.Request) client.Address {
	ip := socket(r)
	if !p.trust(ip) {
		return client.NewAddress(ip)
	}
	entries := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, entry := range slices.Backward(entries) {
		next, ok := forwarded(strings.TrimSpace(entry))
		if !ok {
			break
		}
		if ip = next; !p.trust(ip) {
			break
		}
	}
	return client.NewAddress(ip)
}

// forwarded reads an entry of X-Forwarded-For; some proxies add the port.
func forwarded(entry string) (netip.Addr, bool) {
	if at, err := netip.ParseAddrPort(entry); err == nil {
		return at.Addr(), true
	}
	ip, err := netip.ParseAddr(strings.Trim(entry, "[]"))
	return ip, err == nil
}

func socket(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip
}

var goodRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID takes over the id a trusted proxy has given, else makes one.
func (p peers) requestID(r *http.Request, newID func() string) string {
	if id := r.Header.Get("X-Request-Id"); p.trust(socket(r)) && goodRequestID.MatchString(id) {
		return id
	}
	return newID()
}

// maxUserAgent is as much of a User-Agent as is looked at.
const maxUserAgent = 512

// deviceOf guesses labels from a User-Agent. They are for lists and alerts;
// nothing is decided by them.
func deviceOf(agent string) client.Device {
	if agent == "" {
		return client.Device{}
	}
	parsed := useragent.Parse(agent[:min(len(agent), maxUserAgent)])
	return client.Device{Browser: label(parsed.Name), OS: label(parsed.OS)}
}

func label(s string) string {
	l, broken := client.Label(strings.ToValidUTF8(s, ""))
	if broken != nil {
		return ""
	}
	return l
}
