package http_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/client"
	"gatehouse/ports/inbound"
)

func TestALocationIsToldAsFarAsItIsKnown(t *testing.T) {
	latitude, longitude := 59.33, 18.07
	for want, place := range map[string]*client.Location{
		"null": nil,
		`{"latitude":null,"longitude":null,"cityName":null,"countryCode":"SE"}`:          {Country: "SE"},
		`{"latitude":59.33,"longitude":18.07,"cityName":"Stockholm","countryCode":"SE"}`: {Latitude: &latitude, Longitude: &longitude, City: "Stockholm", Country: "SE"},
	} {
		w := newWorld(t, with(func(d *adapter.Deps) {
			create := d.CreateGuest
			d.CreateGuest = inbound.Func[inbound.CreateGuest, inbound.SignedIn](func(ctx context.Context, cmd inbound.CreateGuest) (inbound.SignedIn, error) {
				in, err := create.Do(ctx, cmd)
				in.Location = place
				return in, err
			})
		}))
		a := w.ok(req("POST /api/guests", `{"name":"Passer-by"}`))
		a.body = encoded(t, a.json["location"])
		a.header.Set("Content-Type", "application/json")
		golden(t, a, "%s", want)
	}
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnEmptyCookieCountsAsAbsent(t *testing.T) {
	w := newWorld(t)
	w.want(401, "AUTHENTICATION_REQUIRED", req("GET /api/users/me", "", cookie("access_token", "")))
	w.want(401, "REFRESH_TOKEN_MISSING", req("POST /api/auth/refresh", "", cookie("refresh_token", "")))
}

func TestTooLongALabelIsRefusedWhereADeviceIsStated(t *testing.T) {
	w := newWorld(t)
	a := w.member("ada@example.com")
	long := strings.Repeat("x", 101)
	for r, field := range map[*request]string{
		new(req("POST /api/auth/refresh", `{"os":"`+long+`"}`, bearer(a.refresh))):                          "os:max_length",
		new(req("POST /api/guests", `{"name":"Passer-by","session":{"browser":"`+long+`"}}`)):               "session.browser:max_length",
		new(loginOf("", "").but(body(`{"email":"a","password":"b","session":{"browser":"` + long + `"}}`))): "session.browser:max_length",
	} {
		if got := w.want(400, "INVALID_REQUEST", *r); !slices.Equal(got.rules(), []string{field}) {
			t.Errorf("rules %v, want %s", got.rules(), field)
		}
	}
	w.ok(req("POST /api/auth/refresh", "", bearer(a.refresh))) // it was not used up
}

func TestAStrangeUserAgentNamesNoDeviceAndFailsNothing(t *testing.T) {
	w := newWorld(t)
	for _, agent := range []string{strings.Repeat("Firefox/1.0 ", 2000), "\xff\xfe", "Mozilla/5.0 (((((", "💣"} {
		w.ok(req("POST /api/guests", `{"name":"Passer-by"}`, set("User-Agent", agent)))
	}
}
