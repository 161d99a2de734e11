package geoip_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	"gatehouse/adapters/geoip"
	"gatehouse/domain/client"
)

func TestAddressesAreLocated(t *testing.T) {
	atlas, err := geoip.Open(database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := atlas.Close(); err != nil {
			t.Error(err)
		}
	}()
	for address, want := range map[string]string{
		"81.2.69.142": "London GB", "2001:db8::7": " DE", "10.0.0.1": "nowhere", "": "nowhere",
	} {
		a, _ := client.ParseAddress(address)
		got := "nowhere"
		if l := atlas.Locate(a); l != nil {
			got = l.City + " " + l.Country
			if (l.Latitude != nil) != (l.City == "London") {
				t.Errorf("%s: latitude %v", address, l.Latitude)
			}
		}
		if got != want {
			t.Errorf("%q is %s, want %s", address, got, want)
		}
	}
	if geoip.Nowhere(client.Address{}) != nil {
		t.Error("nowhere is somewhere")
	}
}

func TestWhatIsNoDatabaseIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "city.mmdb")
	if err := os.WriteFile(file, []byte("not a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := geoip.Open(file); err == nil {
		t.Error("opened")
	}
	if _, err := geoip.Open(file + ".missing"); err == nil {
		t.Error("opened what is not there")
	}
}

func database(t *testing.T) string {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for network, record := range map[string]mmdbtype.Map{
		"81.2.69.0/24": {
			"city":     mmdbtype.Map{"names": mmdbtype.Map{"en": mmdbtype.String("London")}},
			"country":  mmdbtype.Map{"iso_code": mmdbtype.String("GB")},
			"location": mmdbtype.Map{"latitude": mmdbtype.Float64(51.5), "longitude": mmdbtype.Float64(-0.1)},
		},
		"2001:db8::/32": {"country": mmdbtype.Map{"iso_code": mmdbtype.String("DE")}},
	} {
		_, ipnet, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(ipnet, record); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "city.mmdb")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}
