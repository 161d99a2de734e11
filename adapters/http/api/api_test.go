package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"
	"github.com/oapi-codegen/runtime"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
)

// loaded is the document that tests read and none changes.
var loaded = sync.OnceValues(api.Load)

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocumentIsValid(t *testing.T) {
	doc := load(t)
	if doc.OpenAPI != "3.0.3" {
		t.Errorf("the document is OpenAPI %s", doc.OpenAPI)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPublishedDocumentIsTheSameWithoutTheGenerator(t *testing.T) {
	published := api.Document()
	doc, err := openapi3.NewLoader().LoadFromData(published)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if got, want := doc.Paths.Len(), load(t).Paths.Len(); got != want {
		t.Errorf("%d paths are published, the source has %d", got, want)
	}
	for _, private := range []string{"x-go-", "x-problems"} {
		if bytes.Contains(published, []byte(private)) {
			t.Errorf("%s is published", private)
		}
	}
}

func TestCodesAreThoseOfTheDomain(t *testing.T) {
	enum := map[string]bool{}
	for _, c := range load(t).Components.Schemas["Code"].Value.Enum {
		enum[c.(string)] = true
	}
	for _, c := range fault.Codes() {
		if !enum[string(c)] || !api.Code(c).Valid() {
			t.Errorf("%s is not in the enum", c)
		}
		delete(enum, string(c))
	}
	if len(enum) > 0 {
		t.Errorf("the domain does not know %v", enum)
	}
}

func TestLocaleIsATagWithHyphensOrUnderscores(t *testing.T) {
	locale := load(t).Components.Schemas["Locale"].Value
	for value, ok := range map[string]bool{
		"en": true, "de-AT": true, "de_AT": true, "DE_at": true, "zh-Hans-CN": true, "sl-rozaj-biske-1994": true,
		"": false, "e": false, "de-": false, "-de": false, "de--AT": false, "de AT": false, "de\n": false,
		"ümlaut": false, "en-toolongpart": false, "12": false, "../en": false,
	} {
		if err := locale.VisitJSON(value); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
	}
}

func TestRoutesAreThoseOfTheDocument(t *testing.T) {
	e := echo.New()
	api.RegisterHandlers(e, struct{ api.ServerInterface }{})
	served := map[string]bool{}
	for _, r := range e.Routes() {
		served[r.Method+" "+r.Path] = true
	}
	colons := strings.NewReplacer("{", ":", "}", "")
	for path, item := range load(t).Paths.Map() {
		for method := range item.Operations() {
			route := method + " " + colons.Replace(path)
			if !served[route] {
				t.Errorf("%s is not served", route)
			}
			delete(served, route)
		}
	}
	if len(served) > 0 {
		t.Errorf("not in the document: %v", served)
	}
}

func TestInstantIsUTCWithMicroseconds(t *testing.T) {
	for _, c := range []struct {
		in   time.Time
		want string
	}{
		{time.Date(2026, 7, 27, 10, 15, 30, 123456000, time.UTC), "2026-07-27T10:15:30.123456Z"},
		{time.Date(2026, 7, 27, 12, 15, 30, 123456999, time.FixedZone("", 7200)), "2026-07-27T10:15:30.123456Z"},
		{time.Date(2026, 7, 27, 0, 15, 30, 500000000, time.FixedZone("", 3600)), "2026-07-26T23:15:30.5Z"},
		{time.Date(2026, 7, 27, 10, 15, 30, 999, time.UTC), "2026-07-27T10:15:30Z"},
		{time.Time{}, "0001-01-01T00:00:00Z"},
		{time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), "9999-12-31T23:59:59.999999Z"},
	} {
		got, err := json.Marshal(api.Instant(c.in))
		if err != nil || string(got) != `"`+c.want+`"` {
			t.Errorf("%v is written as %s (%v), not %s", c.in, got, err, c.want)
		}
	}
	for _, year := range []int{-1, 10000} {
		if b, err := json.Marshal(api.Instant(time.Date(year, 1, 2, 0, 0, 0, 0, time.UTC))); err == nil {
			t.Errorf("the year %d is written as %s", year, b)
		}
	}
}

func TestInstantReadsAnyOffset(t *testing.T) {
	want := time.Date(2026, 7, 27, 10, 15, 30, 500000000, time.UTC)
	for _, s := range []string{"2026-07-27T10:15:30.5Z", "2026-07-27T12:15:30.5+02:00", "2026-07-26T22:45:30.500000-11:30"} {
		var got api.Instant
		if err := json.Unmarshal([]byte(`"`+s+`"`), &got); err != nil || !time.Time(got).Equal(want) {
			t.Errorf("%s is read as %v (%v)", s, time.Time(got), err)
		}
	}
	for _, s := range []string{"", "2026-07-27", "2026-07-27 10:15:30Z", "2026-07-27T10:15:30", "2026-02-30T00:00:00Z"} {
		var got api.Instant
		if err := got.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is read as %v", s, time.Time(got))
		}
	}
}

func FuzzInstant(f *testing.F) {
	f.Add("2026-07-27T10:15:30.123456Z")
	f.Add("0000-01-01T00:00:00+23:59")
	f.Fuzz(func(t *testing.T, s string) {
		var in, again api.Instant
		if in.UnmarshalText([]byte(s)) != nil {
			return
		}
		b, err := in.MarshalText()
		if err != nil {
			return // the offset led out of the years RFC 3339 can write
		}
		if err := again.UnmarshalText(b); err != nil {
			t.Fatalf("%q is written as %s, which cannot be read: %v", s, b, err)
		}
		if lost := time.Time(in).Sub(time.Time(again)); lost < 0 || lost >= time.Microsecond {
			t.Fatalf("%q is written as %s", s, b)
		}
	})
}

func TestListsAreNeverNull(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{api.List[string](nil), `[]`},
		{api.List[string]{}, `[]`},
		{api.List[string]{"a", "b"}, `["a","b"]`},
		{struct{ L api.List[int] }{}, `{"L":[]}`},
		{api.ListSessions200JSONResponse{}, `[]`},
		{api.EndSession200JSONResponse{}, `[]`},
		{api.GetKeys200ApplicationJwkSetPlusJSONResponse{}, `{"keys":[]}`},
	} {
		if got, err := json.Marshal(c.in); err != nil || string(got) != c.want {
			t.Errorf("%T is written as %s (%v), not %s", c.in, got, err, c.want)
		}
	}
}

func TestListedSessionsAreAnArray(t *testing.T) {
	w := httptest.NewRecorder()
	answer := api.ListSessions200JSONResponse{List: []api.SessionInfo{{Id: "a"}, {Id: "b"}}}
	if err := answer.VisitListSessionsResponse(w); err != nil {
		t.Fatal(err)
	}
	var got []api.SessionInfo
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got) != 2 || got[1].Id != "b" {
		t.Errorf("answered %s (%v)", w.Body, err)
	}
}

func TestDocumentIsAnsweredAsItIs(t *testing.T) {
	w := httptest.NewRecorder()
	if err := (api.GetOpenapi200JSONResponse{RawMessage: api.Document()}).VisitGetOpenapiResponse(w); err != nil {
		t.Fatal(err)
	}
	var got, want bytes.Buffer
	if err := json.Compact(&got, w.Body.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := json.Compact(&want, api.Document()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) {
		t.Error("the answer is not the document")
	}
}

func TestSecretsOfBodiesDoNotPrint(t *testing.T) {
	const text = "Correct-Horse-7"
	sent := map[string]any{"password": text, "oldPassword": text, "newPassword": text, "token": text}
	for _, body := range []any{
		&api.RegisterRequest{}, &api.LoginRequest{}, &api.StepUpRequest{}, &api.ChangePasswordRequest{}, &api.EmailVerificationRequest{},
	} {
		if err := runtime.BindJSONValue(sent, body); err != nil {
			t.Fatal(err)
		}
		if s := fmt.Sprintf("%v %+v %#v", body, body, body); strings.Contains(s, text) {
			t.Errorf("%T prints %s", body, s)
		}
	}
	var login api.LoginRequest
	if err := runtime.BindJSONValue(sent, &login); err != nil || login.Password.Reveal() != text {
		t.Errorf("the password arrives as %q (%v)", login.Password.Reveal(), err)
	}
}

func TestOptionalSecretsTellMissingFromEmpty(t *testing.T) {
	for _, c := range []struct {
		sent    map[string]any
		missing bool
	}{
		{map[string]any{}, true},
		{map[string]any{"password": nil, "token": nil}, true},
		{map[string]any{"password": "", "token": ""}, false},
		{map[string]any{"password": "x", "token": "x"}, false},
	} {
		var (
			step   api.StepUpRequest
			verify api.EmailVerificationRequest
		)
		if err := runtime.BindJSONValue(c.sent, &step); err != nil || step.Password.Missing() != c.missing {
			t.Errorf("%v: password missing is %t (%v)", c.sent, step.Password.Missing(), err)
		}
		if err := runtime.BindJSONValue(c.sent, &verify); err != nil || verify.Token.Missing() != c.missing {
			t.Errorf("%v: token missing is %t (%v)", c.sent, verify.Token.Missing(), err)
		}
	}
}

// mailed is a server that keeps what the wrapper bound.
type mailed struct {
	api.ServerInterface
	params api.VerifyEmailParams
}

func (m *mailed) VerifyEmail(_ echo.Context, p api.VerifyEmailParams) error {
	m.params = p
	return nil
}

func TestMailedTokenOfTheQueryIsASecret(t *testing.T) {
	for query, want := range map[string]string{"": "", "?token=": "", "?token=a%2Cb%26c": "a,b&c", "?locale=de&token=abc": "abc"} {
		m, e := &mailed{}, echo.New()
		api.RegisterHandlers(e, m)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest("POST", "/api/auth/email/verification"+query, nil))
		if w.Code != 200 || m.params.Token.Reveal() != want {
			t.Errorf("%q: status %d, token %q", query, w.Code, m.params.Token.Reveal())
		}
		if s := fmt.Sprintf("%v %#v", m.params, m.params); strings.Contains(s, "abc") {
			t.Errorf("the parameters print %s", s)
		}
		sent, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
		if err != nil {
			t.Fatal(err)
		}
		if m.params.Token.Missing() == sent.Has("token") {
			t.Errorf("%q: token missing is %t", query, m.params.Token.Missing())
		}
	}
}

func TestCodesAreReadFromStringsAndNumbers(t *testing.T) {
	for sent, want := range map[string]string{
		`"042137"`: "042137", `" 04 21 37"`: " 04 21 37", `42137`: "042137", `0`: "000000", `1234567`: "1234567",
		`-5`: "0000-5", `"\u0030"`: "0", `1e3`: "0001e3", `""`: "",
	} {
		var body struct{ Code api.OneTimeCode }
		if err := json.Unmarshal([]byte(`{"Code":`+sent+`}`), &body); err != nil || body.Code.Reveal() != want {
			t.Errorf("%s is read as %q, %v, want %q", sent, body.Code.Reveal(), err, want)
		}
	}
}

// FuzzOneTimeCode holds what is read to what was sent.
func FuzzOneTimeCode(f *testing.F) {
	for _, seed := range []string{`"042137"`, `42137`, `null`, `[1]`, `"\ud800"`, `1.5e+300`, `{"a":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		var c api.OneTimeCode
		if json.Unmarshal(sent, &c) != nil {
			return
		}
		code, ok := factor.ParseCode(c.Text)
		var number json.Number
		var text string
		switch {
		case !ok:
		case json.Unmarshal(sent, &text) == nil && text == c.Reveal():
		case json.Unmarshal(sent, &number) != nil || strings.TrimLeft(number.String(), "0") != strings.TrimLeft(code.Reveal(), "0"):
			t.Errorf("%q became %q", sent, code.Reveal())
		}
	})
}
