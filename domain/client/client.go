// Package client holds what is known about the device and the network a
// request comes from. None of it is proof of anything.
package client

import (
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/domain/fault"
)

// Info describes where a request comes from.
type Info struct {
	Address  Address
	Device   Device
	Location *Location // nil when unknown
}

// Device is a label for lists and alerts; an empty member is unknown.
type Device struct{ Browser, OS string }

// Or fills what d does not know from other.
func (d Device) Or(other Device) Device {
	if d.Browser == "" {
		d.Browser = other.Browser
	}
	if d.OS == "" {
		d.OS = other.OS
	}
	return d
}

// Remembered is how long a device stays known without a sign-in (contract §8).
const Remembered = 180 * 24 * time.Hour

const maxLabel = 100

// Label cleans a stated browser or operating system: control characters are
// removed, and a label of more than 100 characters breaks max_length.
func Label(s string) (string, []fault.Rule) {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
	if utf8.RuneCountInString(s) > maxLabel {
		return "", []fault.Rule{fault.RuleMaxLength}
	}
	return s, nil
}

// Location is where an address probably is. Every member may be unknown.
type Location struct {
	Latitude, Longitude *float64 // degrees, WGS 84
	City                string   // English name
	Country             string   // ISO 3166-1 alpha-2
}

// Address is the network address of a client.
type Address struct{ ip netip.Addr }

// NewAddress takes ip as it came from the socket or a trusted proxy. A mapped
// IPv4 address is the IPv4 address, and a zone says nothing to others.
func NewAddress(ip netip.Addr) Address { return Address{ip.Unmap().WithZone("")} }

// ParseAddress reads what [Address.String] wrote.
func ParseAddress(s string) (Address, bool) {
	ip, err := netip.ParseAddr(s)
	return NewAddress(ip), err == nil
}

// String returns the usual notation, "" when there is no address.
func (a Address) String() string {
	if !a.ip.IsValid() {
		return ""
	}
	return a.ip.String()
}

// Bucket names whom a rate limit counts: the address, for IPv6 its /64, since
// one subscriber has all of that (contract §1.3).
func (a Address) Bucket() string { return a.network(32, 64) }

// Network names whom the account throttle counts: IPv4 /24, IPv6 /64
// (contract §7.5).
func (a Address) Network() string { return a.network(24, 64) }

// Neighbourhood names where a device is known: IPv4 /24, IPv6 /48 (contract §8).
func (a Address) Neighbourhood() string { return a.network(24, 48) }

func (a Address) network(v4, v6 int) string {
	if !a.ip.IsValid() {
		return ""
	}
	bits := v6
	if a.ip.Is4() {
		bits = v4
	}
	return netip.PrefixFrom(a.ip, bits).Masked().String()
}
