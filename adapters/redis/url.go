package redis

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

// errURL quotes nothing: there may be a password in it.
var errURL = errors.New("must be redis://user:password@host:port/number, or rediss:// for TLS; all but the host may be left out")

// read reads the URL of a server. What it does not know it refuses, lest a
// client take it for something that weakens the connection.
func read(text string) (o rueidis.ClientOption, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return o, errURL
	}
	port := u.Port()
	switch n, err := strconv.ParseUint(port, 10, 16); {
	case port == "" && !strings.HasSuffix(u.Host, ":"):
		port = "6379"
	case err != nil || n == 0:
		return o, errURL
	}
	o.InitAddress = []string{net.JoinHostPort(u.Hostname(), port)}
	if number := strings.TrimPrefix(u.Path, "/"); number != "" {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return o, errURL
		}
		o.SelectDB = int(n)
	}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	switch u.Scheme {
	case "redis":
	case "rediss":
		o.TLSConfig = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	default:
		return o, errURL
	}
	return o, nil
}
