package http_test

import (
	"log/slog"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	adapter "gatehouse/adapters/http"
	"gatehouse/domain/principal"
)

// town is a world with an admin ada, users bob and cyd, an hour apart, and a
// guest. Bob is in the group staff, disabled, and has refreshed after cyd.
type town struct {
	*world
	names map[string]string // by id
	by    account
}

func newTown(t testing.TB, options ...option) town {
	w := newWorld(t, options...)
	tn := town{world: w, names: map[string]string{}}
	w.groups("staff")
	for _, name := range []string{"Ada", "Bob", "Cyd"} {
		a := w.member(strings.ToLower(name) + "@example.com")
		w.rewrite(a.id, func(p *principal.Principal) {
			p.Rename(name)
			if name == "Bob" {
				p.Join("staff")
				p.Disable()
				p.MarkActive(w.clock.now().Add(90 * time.Minute))
			}
		})
		tn.names[a.id] = name
		w.clock.advance(time.Hour)
	}
	w.guest()
	w.rewrite(tn.idOf("Ada"), func(p *principal.Principal) { p.SetAdmin(true) })
	tn.by = w.signIn("ada@example.com", goodPassword)
	return tn
}

func (tn town) idOf(name string) string {
	for id, n := range tn.names {
		if n == name {
			return id
		}
	}
	return ""
}

func (tn town) list(query string) request { return req(listing+query, "", bearer(tn.by.access)) }

func (tn town) listed(a answer) (names []string) {
	content, _ := a.json["content"].([]any)
	for _, one := range content {
		id, _ := one.(map[string]any)["id"].(string)
		names = append(names, tn.names[id])
	}
	return names
}

func TestAdminsListUsers(t *testing.T) {
	tn := newTown(t)
	golden(t, tn.ok(tn.list("?size=2&page=0")), `{"content":[
		{"id":%q,"name":"Ada","avatar":null,"roles":["USER","ADMIN"],"disabled":false},
		{"id":%q,"name":"Bob","avatar":null,"roles":["USER"],"disabled":true}
	],"page":{"size":2,"number":0,"totalElements":3,"totalPages":2}}`, tn.idOf("Ada"), tn.idOf("Bob"))
	golden(t, tn.ok(tn.list("?page=1000000&size=9999")), `{"content":[],"page":{"size":2000,"number":1000000,"totalElements":3,"totalPages":1}}`)
}

func TestWhoIsListedAndInWhatOrder(t *testing.T) {
	tn := newTown(t)
	hour := func(n int) string {
		return start.Add(time.Duration(n) * time.Hour).In(time.FixedZone("", 5400)).Format("2006-01-02T15:04:05.999999999Z07:00")
	}
	for _, row := range []struct {
		query url.Values
		want  string
	}{
		{url.Values{}, "Ada Bob Cyd"},
		{url.Values{"sort": {"createdAt"}}, "Ada Bob Cyd"},
		{url.Values{"sort": {"createdAt,desc"}}, "Cyd Bob Ada"},
		{url.Values{"sort": {"lastActive,asc"}}, "Cyd Bob Ada"},
		{url.Values{"sort": {"lastActive,desc", "createdAt"}}, "Ada Bob Cyd"},
		{url.Values{"sort": {"id,desc"}}, "Cyd Bob Ada"},
		{url.Values{"sort": {"createdAt,desc"}, "size": {"1"}, "page": {"1"}}, "Bob"},
		{url.Values{"q": {"b"}}, "Bob"},
		{url.Values{"q": {"BO"}}, "Bob"},
		{url.Values{"q": {"ob"}}, ""},
		{url.Values{"q": {"%"}}, ""},
		{url.Values{"q": {"Cyd@Example.com"}}, "Cyd"},
		{url.Values{"q": {"cyd@example"}}, ""},
		{url.Values{"q": {strings.Repeat("ä", 100)}}, ""},
		{url.Values{"q": {"\x00"}}, ""},
		{url.Values{"q": {"\xff"}}, ""},
		{url.Values{"email": {" CYD@example.com "}}, "Cyd"},
		{url.Values{"email": {"Cyd"}}, ""},
		{url.Values{"roles": {"admin"}}, "Ada"},
		{url.Values{"roles": {"ADMIN,user"}}, "Ada Bob Cyd"},
		{url.Values{"roles": {"ADMIN", "GUEST"}}, "Ada"},
		{url.Values{"roles": {"GUEST"}}, ""},
		{url.Values{"groups": {"staff"}}, "Bob"},
		{url.Values{"groups": {"unknown,staff"}}, "Bob"},
		{url.Values{"groups": {"unknown", "staff"}}, "Bob"},
		{url.Values{"groups": {"STAFF"}}, ""},
		{url.Values{"identities": {"password"}}, "Ada Bob Cyd"},
		{url.Values{"identities": {"google,password"}}, "Ada Bob Cyd"},
		{url.Values{"identities": {"google"}}, ""},
		{url.Values{"createdAtAfter": {hour(1)}}, "Bob Cyd"},
		{url.Values{"createdAtBefore": {hour(1)}}, "Ada Bob"},
		{url.Values{"createdAtAfter": {hour(1)}, "createdAtBefore": {hour(1)}}, "Bob"},
		{url.Values{"lastActiveAfter": {hour(3)}}, "Ada"},
		{url.Values{"lastActiveBefore": {hour(2)}}, "Cyd"},
		{url.Values{"lastActiveBefore": {"0001-01-01T00:00:00Z"}}, ""},
		{url.Values{"q": {"b"}, "groups": {"staff"}, "roles": {"USER"}, "identities": {"password"}, "createdAtAfter": {hour(0)}}, "Bob"},
		{url.Values{"q": {"b"}, "roles": {"ADMIN"}}, ""},
	} {
		if got := strings.Join(tn.listed(tn.ok(tn.list("?"+row.query.Encode()))), " "); got != row.want {
			t.Errorf("%v lists %q, want %q", row.query, got, row.want)
		}
	}
}

func TestWhatNoListCanBeAskedFor(t *testing.T) {
	tn := newTown(t)
	for query, want := range map[string]string{
		"page=-1": "page:range", "page=1000001": "page:range", "page=x": "page:integer", "page=": "page:integer", "page=1&page=2": "page:type",
		"size=0": "size:range", "size=1.5": "size:integer",
		"sort=name": "sort:enum", "sort=createdAt,down": "sort:enum", "sort=id%3BDROP+TABLE+principals": "sort:enum", "sort=": "sort:enum",
		"sort=createdAt&sort=email": "sort:enum", "sort=created_at": "sort:enum", "sort=CREATEDAT": "sort:enum",
		"q=": "q:min_length", "q=" + strings.Repeat("%C3%A4", 101): "q:max_length", "q=a&q=b": "q:type", "email=": "email:min_length",
		"roles=root": "roles:enum", "roles=USER,": "roles:enum", "roles=": "roles:enum", "roles=USER&roles=x": "roles:enum",
		"createdAtAfter=yesterday": "createdAtAfter:instant", "createdAtBefore=": "createdAtBefore:instant",
		"lastActiveAfter=2026-01-01": "lastActiveAfter:instant", "lastActiveBefore=2026-02-30T00:00:00Z": "lastActiveBefore:instant",
		"createdAtAfter=9999-12-31T23:59:59-01:00": "createdAtAfter:instant", "createdAtAfter=0000-01-01T00:00:00Z": "createdAtAfter:instant",
		"q=&roles=x": "q:min_length roles:enum", "page=x&createdAtAfter=x": "createdAtAfter:instant page:integer",
	} {
		got := tn.want(400, "INVALID_REQUEST", tn.list("?"+query)).rules()
		if slices.Sort(got); strings.Join(got, " ") != want {
			t.Errorf("%s breaks %v, want %s", query, got, want)
		}
	}
}

// Whatever stands in a query, it is answered: with those who match, or with what
// is wrong, and never by a failure.
func FuzzWhoIsListed(f *testing.F) {
	for _, s := range []string{
		"q=ada&roles=ADMIN", "sort=id,desc&page=1&size=1", "groups=a,b&groups=c&identities=password", "createdAtAfter=2026-01-01T00:00:00%2B02:00",
		"q=%00&email=%ff", "page=99999999999999999999", "size=-0", "sort=id'--", "roles=,", "%gh", "q=a;b", "lastActiveBefore=9999-12-31T23:59:59.9999999Z",
	} {
		f.Add(s)
	}
	tn := newTown(f, with(func(d *adapter.Deps) { d.Limits.Enabled, d.Log = false, slog.New(slog.DiscardHandler) }))
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", "/api/users", nil)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", "Bearer "+tn.by.access)
		rec := httptest.NewRecorder()
		tn.server.Config.Handler.ServeHTTP(rec, r)
		if rec.Code != 200 && rec.Code != 400 || !utf8.Valid(rec.Body.Bytes()) {
			t.Errorf("%q: %d %s", query, rec.Code, rec.Body)
		}
	})
}
