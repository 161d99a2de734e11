package client_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"gatehouse/domain/client"
	"gatehouse/domain/fault"
)

func TestLabel(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		" Firefox 130 ":          "Firefox 130",
		"Fire\x00f\nox\u0085":    "Firefox",
		"\n\t":                   "",
		strings.Repeat("ä", 100): strings.Repeat("ä", 100),
		strings.Repeat("a", 100) + strings.Repeat("\x07", 1000) + " ": strings.Repeat("a", 100),
	} {
		if got, broken := client.Label(in); got != want || broken != nil {
			t.Errorf("Label(%.30q) = %q, %v, want %q", in, got, broken, want)
		}
	}
	got, broken := client.Label(strings.Repeat("ä", 101))
	if got != "" || !slices.Equal(broken, []fault.Rule{fault.RuleMaxLength}) {
		t.Errorf("Label of 101 characters = %q, %v", got, broken)
	}
}

func FuzzLabel(f *testing.F) {
	f.Add("Firefox\x00")
	f.Add(" \xff\u2028 ")
	f.Add(strings.Repeat("a", 101))
	f.Fuzz(func(t *testing.T, s string) {
		got, broken := client.Label(s)
		if broken != nil {
			if got != "" || utf8.RuneCountInString(s) <= 100 {
				t.Fatalf("Label(%q) = %q, %v", s, got, broken)
			}
			return
		}
		if strings.ContainsFunc(got, unicode.IsControl) || utf8.RuneCountInString(got) > 100 || !utf8.ValidString(got) {
			t.Fatalf("Label(%q) = %q", s, got)
		}
		if again, broken := client.Label(got); again != got || broken != nil {
			t.Fatalf("Label(%q) = %q, %v", got, again, broken)
		}
	})
}

func TestWhatADeviceDoesNotTellIsFilled(t *testing.T) {
	stored := client.Device{Browser: "Firefox", OS: "Linux"}
	for stated, want := range map[client.Device]client.Device{
		{}:                               stored,
		{Browser: "Opera"}:               {Browser: "Opera", OS: "Linux"},
		{OS: "Plan 9"}:                   {Browser: "Firefox", OS: "Plan 9"},
		{Browser: "Opera", OS: "Plan 9"}: {Browser: "Opera", OS: "Plan 9"},
	} {
		if got := stated.Or(stored); got != want {
			t.Errorf("%+v.Or = %+v, want %+v", stated, got, want)
		}
	}
}

func TestNetworksOfAnAddress(t *testing.T) {
	for in, want := range map[string][4]string{ // text, bucket, network, neighbourhood
		"192.0.2.77":           {"192.0.2.77", "192.0.2.77/32", "192.0.2.0/24", "192.0.2.0/24"},
		"::ffff:192.0.2.77":    {"192.0.2.77", "192.0.2.77/32", "192.0.2.0/24", "192.0.2.0/24"},
		"2001:db8:1:2:3:4:5:6": {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1:2::/64", "2001:db8:1::/48"},
		"fe80::1%eth0":         {"fe80::1", "fe80::/64", "fe80::/64", "fe80::/48"},
		"::1":                  {"::1", "::/64", "::/64", "::/48"},
	} {
		a, ok := client.ParseAddress(in)
		got := [4]string{a.String(), a.Bucket(), a.Network(), a.Neighbourhood()}
		if !ok || got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
		if again, ok := client.ParseAddress(a.String()); !ok || again != a || client.NewAddress(netip.MustParseAddr(in)) != a {
			t.Errorf("%s is not read back", in)
		}
	}
}

func TestNoAddressIsInNoNetwork(t *testing.T) {
	for _, s := range []string{"", "192.0.2", "192.0.2.1:80", "localhost", "[::1]"} {
		a, ok := client.ParseAddress(s)
		if ok || a != (client.Address{}) || a.String()+a.Bucket()+a.Network()+a.Neighbourhood() != "" {
			t.Errorf("ParseAddress(%q) = %v, %v", s, a, ok)
		}
	}
}
