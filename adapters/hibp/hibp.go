// Package hibp implements outbound.Breaches with a range API as that of Have I
// Been Pwned: it sends the first five digits of a hash, of which each is that of
// many passwords, and looks for the rest in the answer itself. It owns how the
// server is asked and how its answers are read. It keeps nothing, tries nothing
// twice, and does not decide what its failures mean.
package hibp

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // the API is of this hash; nothing is protected by it
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"gatehouse/domain/password"
	"gatehouse/ports/outbound"
)

var _ outbound.Breaches = (*Client)(nil)

// How the server fails. Nothing of what was sent or said is repeated.
var (
	ErrUnavailable = errors.New("the list of leaked passwords does not answer")
	ErrMalformed   = errors.New("the list of leaked passwords answers with something else")
)

const (
	prefixDigits = 5
	suffixDigits = 2*sha1.Size - prefixDigits

	// longest is ten times what an answer takes.
	longest = 1 << 20
)

// Config says whom to ask.
type Config struct {
	URL       string        // of the API, without /range/; plain http is for loopback
	UserAgent string        // the API wants to know who asks
	Patience  time.Duration // for one call, connecting included; zero is 2 seconds
}

// Client is an [outbound.Breaches].
type Client struct {
	base   string
	agent  string
	client *http.Client
}

// New returns a Client, and asks nothing yet. Proxies of the environment are
// used, redirects are not followed.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, errors.New("must be https (or http on loopback), without user, query or fragment")
	}
	return &Client{
		base: strings.TrimRight(c.URL, "/") + "/range/", agent: c.UserAgent,
		client: &http.Client{
			Timeout: cmp.Or(c.Patience, 2*time.Second),
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Breached implements [outbound.Breaches]. It fails with [ErrUnavailable] or
// [ErrMalformed].
func (c *Client) Breached(ctx context.Context, p password.Plain) (bool, error) {
	if p.TooLong() {
		return false, nil
	}
	hash := sha1.Sum([]byte(p.Reveal())) //nolint:gosec // see the import
	digits := strings.ToUpper(hex.EncodeToString(hash[:]))
	body, err := c.ask(ctx, digits[:prefixDigits])
	if err != nil {
		return false, err
	}
	return has(body, digits[prefixDigits:])
}

// ask gets the suffixes of a prefix, among others that are made up: their
// number would tell those who see how long the answer is what was asked.
func (c *Client) ask(ctx context.Context, prefix string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+prefix, nil)
	if err != nil {
		return nil, ErrUnavailable // the cause quotes the URL
	}
	req.Header.Set("Add-Padding", "true")
	req.Header.Set("User-Agent", c.agent)
	res, err := c.client.Do(req)
	if err != nil {
		return nil, because(err)
	}
	defer func() { _ = res.Body.Close() }() // it was read, or is not wanted
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", ErrUnavailable, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, longest+1))
	switch {
	case err != nil:
		return nil, because(err)
	case len(body) > longest:
		return nil, ErrMalformed
	}
	return body, nil
}

// because leaves the URL out of a failure.
func because(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// has reads all of an answer: one that is garbage somewhere is believed nowhere.
// Rows that were seen 0 times are padding.
func has(body []byte, suffix string) (found bool, err error) {
	rows := bufio.NewScanner(bytes.NewReader(body))
	n := 0
	for ; rows.Scan(); n++ {
		digits, seen, ok := strings.Cut(strings.TrimSuffix(rows.Text(), "\r"), ":")
		if !ok || len(digits) != suffixDigits || !isAll(digits, "0123456789ABCDEFabcdef") || seen == "" || !isAll(seen, "0123456789") {
			return false, ErrMalformed
		}
		if strings.EqualFold(digits, suffix) && strings.Trim(seen, "0") != "" {
			found = true
		}
	}
	if rows.Err() != nil || n == 0 { // a range without any password is none that is padded
		return false, ErrMalformed
	}
	return found, nil
}

func isAll(s, of string) bool { return strings.Trim(s, of) == "" }
