package http_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"gatehouse/domain/secret"
	"gatehouse/domain/token"
)

func TestAGroupLivesFromCreationToDeletion(t *testing.T) {
	w := newWorld(t)
	as := bearer(w.admin().access)
	golden(t, w.ok(req("POST /api/groups?locale=de", `{"key":"staff","translations":{"en":{"name":" Staff ","description":"People <b>who</b>\nwork here"},"DE_at":{"name":"Belegschaft"}}}`, as)),
		`{"key":"staff","locale":"de-AT","name":"Belegschaft","description":""}`)
	golden(t, w.ok(req("GET /api/groups/staff", "", as, set("Accept-Language", "fr"))),
		`{"key":"staff","locale":"en","name":"Staff","description":"People <b>who</b>\nwork here"}`)
	golden(t, w.ok(req("PUT /api/groups/staff?locale=fr-CA", `{"translations":{"fr":{"name":"Personnel","description":null}},"translationsToDelete":["de-at","it"]}`, as)),
		`{"key":"staff","locale":"fr","name":"Personnel","description":""}`)
	golden(t, w.ok(req("PUT /api/groups/staff", `{"translations":null,"translationsToDelete":null}`, as)),
		`{"key":"staff","locale":"en","name":"Staff","description":"People <b>who</b>\nwork here"}`)
	golden(t, w.ok(req("GET /api/groups?locale=de-AT", "", as)),
		`{"content":[{"key":"staff","locale":"en","name":"Staff","description":"People <b>who</b>\nwork here"}],
		  "page":{"size":20,"number":0,"totalElements":1,"totalPages":1}}`)
	golden(t, w.ok(req("DELETE /api/groups/staff", "", as)), `{"success":true}`)
	w.want(404, "DATABASE_ENTITY_NOT_FOUND", req("DELETE /api/groups/staff", "", as))
	golden(t, w.ok(req("GET /api/groups", "", as)), `{"content":[],"page":{"size":20,"number":0,"totalElements":0,"totalPages":0}}`)
}

func TestWhatAGroupMayLookLike(t *testing.T) {
	w := newWorld(t)
	as := bearer(w.admin().access)
	w.ok(req("POST /api/groups", staff, as))
	text := func(name, description string) string {
		return `{"key":"g","translations":{"en":{"name":` + quoted(name) + `,"description":` + quoted(description) + `}}}`
	}
	for body, rules := range map[string][]string{
		`{}`:                                                                           {"key:required", "translations:required"},
		`{"key":null,"translations":null}`:                                             {"key:required", "translations:required"},
		`{"key":1,"translations":[]}`:                                                  {"key:type", "translations:type"},
		`{"key":"g","translations":{"en":null}}`:                                       {"translations.en:required"},
		`{"key":"g","translations":{"en":"x"}}`:                                        {"translations.en:type"},
		`{"key":"g","translations":{"en":{}}}`:                                         {"translations.en.name:required"},
		`{"key":"g","translations":{"en":{"name":1,"description":2}}}`:                 {"translations.en.description:type", "translations.en.name:type"},
		`{"key":"g","translations":{"en":{"name":"x"},"EN":{"name":"y"}}}`:             {"translations.en:locale"},
		`{"key":"g","translations":{"en":{"name":"x"},"../x":{"name":"y"}}}`:           {"translations.../x:locale"},
		`{"key":"g","translations":{"en":{"name":"x"},"english-please":{"name":"y"}}}`: {"translations.english-please:locale"},
		`{"key":"a/b","translations":{"en":{"name":"x"}}}`:                             {"key:pattern"},
		`{"key":"","translations":{"en":{"name":"x"}}}`:                                {"key:pattern"},
		`{"key":"` + strings.Repeat("a", 65) + `","translations":{"en":{"name":"x"}}}`: {"key:pattern"},
		text(" ", ""): {"translations.en.name:not_blank"},
		text(strings.Repeat("ä", 101), strings.Repeat("ä", 1001)): {"translations.en.description:max_length", "translations.en.name:max_length"},
		text("a\nb", "a\x00b"): {"translations.en.description:control_characters", "translations.en.name:control_characters"},
	} {
		if a := w.want(400, "INVALID_REQUEST", req("POST /api/groups", body, as)); !slices.Equal(a.rules(), rules) {
			t.Errorf("%.80s: rules %v, want %v", body, a.rules(), rules)
		}
	}
	for body, rules := range map[string][]string{
		`{"translationsToDelete":["!","de",7]}`:                                         {"translationsToDelete.0:locale", "translationsToDelete.2:type"},
		`{"translationsToDelete":["english-please"],"translations":{"x":{"name":"y"}}}`: {"translations.x:locale", "translationsToDelete.0:locale"},
		`{"translationsToDelete":"de"}`:                                                 {"translationsToDelete:type"},
	} {
		if a := w.want(400, "INVALID_REQUEST", req("PUT /api/groups/staff", body, as)); !slices.Equal(a.rules(), rules) {
			t.Errorf("%s: rules %v, want %v", body, a.rules(), rules)
		}
	}
	w.ok(req("POST /api/groups", text(strings.Repeat("ä", 100), strings.Repeat("ä", 1000)), as))
}

func TestStrangeKeysInPathsAreUnknown(t *testing.T) {
	w := newWorld(t)
	a := w.admin()
	w.ok(req("POST /api/groups", staff, bearer(a.access)))
	for _, key := range []string{"STAFF", "staff%20", "%00", "%27", "*", "%F0%9F%98%80", strings.Repeat("a", 4000)} {
		for line, code := range map[string]string{
			"GET /api/groups/" + key:                              "DATABASE_ENTITY_NOT_FOUND",
			"DELETE /api/groups/" + key:                           "DATABASE_ENTITY_NOT_FOUND",
			"POST /api/groups/" + key + "/members/" + a.id:        "GROUP_NOT_FOUND",
			"DELETE /api/groups/" + key + "/members/" + newID():   "GROUP_NOT_FOUND",
			"DELETE /api/groups/staff/members/" + newID() + "%20": "INVALID_REQUEST",
		} {
			if got := w.send(req(line, "", bearer(a.access))); got.code() != code {
				t.Errorf("%.60s: %d %s, want %s", line, got.status, got.code(), code)
			}
		}
	}
}

// F63
func TestOnlyWhatIsDocumentedPagesAndSorts(t *testing.T) {
	w := newWorld(t)
	as := bearer(w.admin().access)
	w.groups("a", "b", "c")
	for query, rules := range map[string][]string{
		"page=-1": {"page:range"}, "page=1000001": {"page:range"}, "page=x": {"page:integer"}, "page=": {"page:integer"}, "page=1.0": {"page:integer"},
		"page=1e3": {"page:integer"}, "page=0x1": {"page:integer"}, "page=%2B1": {"page:integer"}, "page=%201": {"page:integer"}, "page=1_0": {"page:integer"},
		"page=99999999999999999999": {"page:range"}, "page=-99999999999999999999": {"page:range"}, "page=1&page=2": {"page:type"},
		"size=0": {"size:range"}, "size=-5": {"size:range"}, "size=NaN": {"size:integer"}, "size=-": {"size:integer"}, "size=1&size=1": {"size:type"},
		"sort=": {"sort:enum"}, "sort=id": {"sort:enum"}, "sort=key,up": {"sort:enum"}, "sort=KEY": {"sort:enum"}, "sort=key,": {"sort:enum"},
		"sort=key;drop": {"sort:enum"}, "sort=key,desc,name": {"sort:enum"}, "sort=name&sort=1": {"sort:enum"}, "sort=(select 1)": {"sort:enum"},
		"page=x&size=0&sort=x&locale=!": {"locale:locale", "page:integer", "size:range", "sort:enum"},
	} {
		query = strings.NewReplacer(" ", "%20", ";", "%3B").Replace(query)
		if a := w.want(400, "INVALID_REQUEST", req("GET /api/groups?"+query, "", as)); !slices.Equal(a.rules(), rules) {
			t.Errorf("%s: rules %v, want %v", query, a.rules(), rules)
		}
	}
	for query, want := range map[string]string{
		"":                                  "a b c of 3, page 0 of 1, size 20",
		"size=2":                            "a b of 3, page 0 of 2, size 2",
		"size=2&page=1":                     "c of 3, page 1 of 2, size 2",
		"size=2&page=2":                     " of 3, page 2 of 2, size 2",
		"page=1000000&size=2000":            " of 3, page 1000000 of 1, size 2000",
		"size=2001":                         "a b c of 3, page 0 of 1, size 2000",
		"size=99999999999999999999":         "a b c of 3, page 0 of 1, size 2000",
		"size=02&page=-0":                   "a b of 3, page 0 of 2, size 2",
		"sort=key,desc":                     "c b a of 3, page 0 of 1, size 20",
		"sort=key%2Cdesc&size=1&page=1":     "b of 3, page 1 of 3, size 1",
		"sort=description&sort=name,desc":   "c b a of 3, page 0 of 1, size 20",
		"sort=name,asc&sort=name,desc":      "a b c of 3, page 0 of 1, size 20",
		"other=1&sort=description&Sort=key": "a b c of 3, page 0 of 1, size 20",
		strings.Repeat("sort=name,desc&", 500) + "size=1": "c of 3, page 0 of 3, size 1",
	} {
		if got := listed(w.ok(req("GET /api/groups?"+query, "", as))); got != want {
			t.Errorf("%.60s: %s, want %s", query, got, want)
		}
	}
}

func listed(a answer) string {
	var keys []string
	content, _ := a.json["content"].([]any)
	for _, g := range content {
		keys = append(keys, g.(map[string]any)["key"].(string))
	}
	p, _ := a.json["page"].(map[string]any)
	return fmt.Sprintf("%s of %v, page %v of %v, size %v", strings.Join(keys, " "), p["totalElements"], int(p["number"].(float64)), p["totalPages"], p["size"])
}

func TestGroupsAreSortedAsTheyAreDelivered(t *testing.T) {
	w := newWorld(t)
	as := bearer(w.admin().access)
	for key, names := range map[string]string{
		"a": `"en":{"name":"C"},"de":{"name":"X"}`, "b": `"en":{"name":"B"},"de":{"name":"Y"}`, "c": `"en":{"name":"Z"}`, "d": `"en":{"name":"A"},"de-CH":{"name":"W"}`,
	} {
		w.ok(req("POST /api/groups", `{"key":"`+key+`","translations":{`+names+`}}`, as))
	}
	for locale, want := range map[string]string{"en": "d b a c", "de": "d a b c", "fr": "d b a c"} {
		if got := listed(w.ok(req("GET /api/groups?sort=name&locale="+locale, "", as))); !strings.HasPrefix(got, want+" of") {
			t.Errorf("in %s: %s, want %s", locale, got, want)
		}
	}
}

// What a membership means to its user: the token they have is refused, the next
// one names the group (contract §5.8, STALE).
func TestTokensNameTheGroupsOfTheirUser(t *testing.T) {
	w := newWorld(t)
	as := bearer(w.admin().access)
	w.groups("b", "a")
	bob := w.member("bob@example.com")
	member := func(method, group string) string {
		return method + " /api/groups/" + group + "/members/" + strings.ToUpper(bob.id)
	}
	for _, step := range []struct {
		line string
		want []string // groups
	}{
		{member("POST", "b"), []string{"b"}},
		{member("POST", "a"), []string{"a", "b"}},
		{member("DELETE", "b"), []string{"a"}},
		{"DELETE /api/groups/a", []string{}},
	} {
		a := w.ok(req(step.line, "", as))
		if user := a.json["groups"]; user != nil && fmt.Sprint(user) != fmt.Sprint(step.want) {
			t.Errorf("%s answers with groups %v, want %v", step.line, user, step.want)
		}
		w.want(401, "ACCESS_TOKEN_EXPIRED", req("GET /api/users/me", "", bearer(bob.access)))
		bob = w.accountIn(w.ok(req("POST /api/auth/refresh", "", bearer(bob.refresh))))
		c, err := w.tokens.Verify(secret.New(bob.access), token.Access, w.clock.now())
		if err != nil || !slices.Equal(c.Groups, step.want) {
			t.Errorf("after %s the token names %v, want %v; %v", step.line, c.Groups, step.want, err)
		}
		if me := w.ok(req("GET /api/users/me", "", bearer(bob.access))); fmt.Sprint(me.json["groups"]) != fmt.Sprint(step.want) {
			t.Errorf("after %s they are in %v, want %v", step.line, me.json["groups"], step.want)
		}
	}
	for _, line := range []string{member("DELETE", "b"), "DELETE /api/groups/b"} { // they are in none
		w.ok(req(line, "", as))
		w.ok(req("GET /api/users/me", "", bearer(bob.access)))
	}
	if guest := w.guest(); w.send(req("POST /api/groups/x/members/"+guest.id, "", as)).code() != "GROUP_NOT_FOUND" {
		t.Error("the user is looked for before the group")
	}
	w.groups("c")
	w.want(404, "USER_NOT_FOUND", req("POST /api/groups/c/members/"+w.guest().id, "", as))
}

func TestDetailsOfGroupsAreInTheLanguageOfTheRequest(t *testing.T) {
	w := newWorld(t)
	as := bearer(w.admin().access)
	a := w.want(400, "INVALID_REQUEST", req("GET /api/groups?"+url.Values{"locale": {"de"}, "size": {"x"}}.Encode(), "", as))
	if a.header.Get("Content-Language") != "de" {
		t.Errorf("told in %s", a.header.Get("Content-Language"))
	}
}
