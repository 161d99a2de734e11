// Package geoip tells where an address probably is, from a city database in
// MaxMind DB format that the operator provides (http.geoip_file). It ships no
// database, asks no network, and decides nothing: its answers are for lists
// and alerts.
package geoip

import (
	"fmt"
	"net/netip"

	"github.com/oschwald/maxminddb-golang/v2"

	"gatehouse/domain/client"
)

// Atlas looks addresses up in one database.
type Atlas struct{ db *maxminddb.Reader }

// Open reads the database in file, and refuses what is none or is damaged.
func Open(file string) (*Atlas, error) {
	db, err := maxminddb.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open location database: %w", err)
	}
	return &Atlas{db}, nil
}

// Close gives the file back.
func (a *Atlas) Close() error {
	if err := a.db.Close(); err != nil {
		return fmt.Errorf("close location database: %w", err)
	}
	return nil
}

// city is as much of a record as is looked at.
type city struct {
	City struct {
		Names struct {
			English string `maxminddb:"en"`
		} `maxminddb:"names"`
	} `maxminddb:"city"`
	Country struct {
		Code string `maxminddb:"iso_code"`
	} `maxminddb:"country"`
	Location struct {
		Latitude  *float64 `maxminddb:"latitude"`
		Longitude *float64 `maxminddb:"longitude"`
	} `maxminddb:"location"`
}

// Locate returns where an address probably is, nil when that is unknown. A
// look-up that fails is no failure of the request (contract §7.6).
func (a *Atlas) Locate(of client.Address) *client.Location {
	ip, err := netip.ParseAddr(of.String())
	if err != nil {
		return nil
	}
	var found city
	result := a.db.Lookup(ip)
	if !result.Found() || result.Decode(&found) != nil {
		return nil
	}
	l := client.Location{
		Latitude: found.Location.Latitude, Longitude: found.Location.Longitude,
		City: found.City.Names.English, Country: found.Country.Code,
	}
	if l == (client.Location{}) {
		return nil
	}
	return &l
}

// Nowhere is the answer without a database.
func Nowhere(client.Address) *client.Location { return nil }
