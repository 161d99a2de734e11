package api_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"gatehouse/adapters/http/api"
	"gatehouse/adapters/http/api/contracttest"
)

// contract is the machine-readable contract, as far as the document repeats
// it.
type contract struct {
	ErrorMediaType string
	ErrorSchema    string
	Endpoints      []endpoint
	Schemas        map[string]map[string]string // member -> "type, presence, words"
}

type endpoint struct {
	ID, Method, Path, Summary string
	Auth                      auth
	PathParams, Query         []param
	Request                   string
	RequestRequired           bool
	RequestMediaType          string
	Response                  struct {
		Status int
		Schema string
	}
	Errors map[string][]string
}

type auth struct {
	Access            string
	StepUp, Refresh   bool
	AnonymousOnly     bool
	TwoFactor         bool
	AccessOrTwoFactor bool
	OptionalWhen      string
}

type param struct {
	Name, Type string
	Required   bool
	Default    any
}

func read(t *testing.T) (c contract) {
	t.Helper()
	if err := contracttest.Read("../../../docs/contract", &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// operation is an operation of the document and where it stands.
type operation struct {
	method, path string
	*openapi3.Operation
}

func (o operation) id() string {
	id, _ := o.Extensions["x-id"].(string)
	return id
}

// gate is the extension x-gate.
type gate struct {
	Access string `json:"access"`
	Kind   string `json:"kind"`

	OptionalWhen string   `json:"optionalWhen"`
	StepUp       bool     `json:"stepUp"`
	TwoFactor    string   `json:"twoFactor"`
	Buckets      []string `json:"buckets"`
}

func (o operation) gate(t *testing.T) (g gate) {
	t.Helper()
	b, err := json.Marshal(o.Extensions["x-gate"])
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	all := struct {
		*gate
		Self bool `json:"self"` // of which the contract knows nothing: it changes the cost alone
	}{gate: &g}
	if err := d.Decode(&all); err != nil {
		t.Errorf("%s: x-gate: %v", o.OperationID, err)
	}
	return g
}

func operations(t *testing.T) (all []operation) {
	t.Helper()
	for path, item := range load(t).Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{method, path, op})
		}
	}
	if len(all) == 0 {
		t.Fatal("the document has no operations")
	}
	return all
}

// eachBuilt runs a test per operation of the document, beside its endpoint.
func eachBuilt(t *testing.T, test func(*testing.T, operation, endpoint)) {
	t.Helper()
	endpoints := map[string]endpoint{}
	for _, e := range read(t).Endpoints {
		endpoints[e.ID] = e
	}
	seen := map[string]bool{}
	for _, op := range operations(t) {
		e, known := endpoints[op.id()]
		if !known || seen[op.id()] {
			t.Errorf("%s %s: x-id %q is unknown, or there twice", op.method, op.path, op.id())
			continue
		}
		seen[op.id()] = true
		t.Run(op.id(), func(t *testing.T) { test(t, op, e) })
	}
}

func TestOperationsAreWhereTheContractHasThem(t *testing.T) {
	eachBuilt(t, func(t *testing.T, op operation, e endpoint) {
		got := []string{op.method, op.path, op.Summary}
		if diff := cmp.Diff([]string{e.Method, e.Path, e.Summary}, got); diff != "" {
			t.Error(diff)
		}
		if op.Description == "" || len(op.Tags) != 1 {
			t.Error("no description, or not one tag")
		}
	})
}

func TestParametersAreThoseOfTheContract(t *testing.T) {
	type in struct {
		Where string
		param
	}
	eachBuilt(t, func(t *testing.T, op operation, e endpoint) {
		var got, want []in
		for _, p := range op.Parameters {
			got = append(got, in{p.Value.In, param{p.Value.Name, typeOf(t, p.Value.Schema), p.Value.Required, p.Value.Schema.Value.Default}})
			rule, _ := p.Value.Schema.Value.Extensions["x-rule"].(string)
			kind := typeOf(t, p.Value.Schema)
			want := kind
			switch {
			case kind == "role[]", kind == "string[]" && len(p.Value.Schema.Value.Items.Value.Enum) > 0:
				want = "enum"
			case kind == "string[]":
				want = ""
			}
			if kind != "string" && rule != want {
				t.Errorf("%s is of type %s, but x-rule is %q", p.Value.Name, kind, rule)
			}
		}
		for _, p := range e.PathParams {
			p.Required = true
			want = append(want, in{"path", p})
		}
		for _, p := range e.Query {
			want = append(want, in{"query", p})
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(in{})); diff != "" {
			t.Error(diff)
		}
	})
}

func TestBodiesAreThoseOfTheContract(t *testing.T) {
	type body struct {
		Schema, MediaType string
		Required          bool
	}
	eachBuilt(t, func(t *testing.T, op operation, e endpoint) {
		var got body
		if op.RequestBody != nil {
			got.Schema, got.MediaType = schemaOf(t, op.RequestBody.Value.Content)
			got.Required = op.RequestBody.Value.Required
		}
		if diff := cmp.Diff(body{e.Request, e.RequestMediaType, e.RequestRequired}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAnswersAreThoseOfTheContract(t *testing.T) {
	mediaTypes := map[string]string{"W1": "application/jwk-set+json", "F3": "image/*"} // contract §9
	eachBuilt(t, func(t *testing.T, op operation, e endpoint) {
		want := []string{strconv.Itoa(e.Response.Status), e.Response.Schema, "application/json"}
		if special := mediaTypes[e.ID]; special != "" {
			want[2] = special
		}
		var got []string
		for status, r := range op.Responses.Map() {
			if status < "400" && status != "304" { // which F3 has in prose
				schema, mediaType := schemaOf(t, r.Value.Content)
				got = append(got, status, schema, mediaType)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestProblemsAreThoseOfTheContract(t *testing.T) {
	c := read(t)
	eachBuilt(t, func(t *testing.T, op operation, e endpoint) {
		got := map[string][]string{}
		for status, r := range op.Responses.Map() {
			if status < "400" {
				continue
			}
			if schema, mediaType := schemaOf(t, r.Value.Content); schema != c.ErrorSchema || mediaType != c.ErrorMediaType {
				t.Errorf("%s is answered with %s as %s", status, schema, mediaType)
			}
			for name, needed := range map[string]bool{
				"X-Request-Id":     true,
				"WWW-Authenticate": status == "401",
				"Retry-After":      status == "429" || status == "503",
			} {
				if (r.Value.Headers[name] != nil) != needed {
					t.Errorf("%s: header %s should be documented: %t", status, name, needed)
				}
			}
			if status != "default" {
				got[status] = codesOf(t, r.Value)
			}
		}
		if diff := cmp.Diff(e.Errors, got); diff != "" {
			t.Error(diff)
		}
		if op.Responses.Default() == nil {
			t.Error("no default answer")
		}
	})
}

func TestGateAsksWhatTheContractAsks(t *testing.T) {
	access := map[string]gate{
		"none":     {Access: "none"},
		"optional": {Access: "optional"},
		"any":      {Access: "required"},
		"user":     {Access: "required", Kind: "user"},
		"guest":    {Access: "required", Kind: "guest"},
		"admin":    {Access: "admin"},
	}
	eachBuilt(t, func(t *testing.T, op operation, e endpoint) {
		want, known := access[e.Auth.Access]
		if !known {
			t.Fatal("x-gate has no words yet for what this endpoint asks")
		}
		switch {
		case e.Auth.AnonymousOnly:
			want.Access = "anonymous-only"
		case e.Auth.Refresh:
			want.Access = "refresh"
		case e.Auth.AccessOrTwoFactor:
			want.Access = "access-or-two-factor"
		case e.ID == "A3": // reads its tokens by rules of its own
			want.Access = "logout"
		}
		switch {
		case e.ID == "A6": // evaluates every token it is sent
			want.TwoFactor = "optional"
		case !e.Auth.TwoFactor || e.Auth.AccessOrTwoFactor:
		case e.Auth.Access == "none":
			want.TwoFactor = "login"
		default:
			want.TwoFactor = "step_up"
		}
		want.StepUp, want.OptionalWhen = e.Auth.StepUp, e.Auth.OptionalWhen
		want.Buckets = []string{}
		for bucket, code := range map[string]string{"address": "IP_RATE_LIMIT_EXCEEDED", "login": "IP_LOGIN_RATE_LIMIT_EXCEEDED"} {
			if slices.Contains(e.Errors["429"], code) {
				want.Buckets = append(want.Buckets, bucket)
			}
		}
		slices.Sort(want.Buckets)
		if diff := cmp.Diff(want, op.gate(t)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestHeadIsAnsweredWhereGetChangesNothing(t *testing.T) {
	eachBuilt(t, func(t *testing.T, op operation, e endpoint) {
		want := slices.Contains([]string{"T4", "O5", "O6"}, e.ID) // contract §1.1
		if got, _ := op.Extensions["x-get-only"].(bool); got != want {
			t.Errorf("x-get-only is %t", got)
		}
	})
}

func TestSecurityTellsReadersWhatTheGateAsks(t *testing.T) {
	security := map[string][]string{
		"none":                 {},
		"anonymous-only":       {},
		"optional":             {"accessCookie", "accessToken", "nothing"},
		"required":             {"accessCookie", "accessToken"},
		"admin":                {"accessCookie", "accessToken"},
		"refresh":              {"refreshCookie", "refreshToken"},
		"access-or-two-factor": {"accessCookie", "accessToken", "twoFactorCookie", "twoFactorToken"},
		"logout":               {"accessCookie", "accessToken", "nothing", "refreshCookie", "refreshToken"},
	}
	special := map[string][]string{ // evaluates every token it is sent
		"A6": {"accessCookie", "accessCookie+stepUpCookie", "accessToken", "accessToken+stepUpToken", "nothing", "twoFactorCookie", "twoFactorToken"},
	}
	eachBuilt(t, func(t *testing.T, op operation, _ endpoint) {
		g := op.gate(t)
		want := security[g.Access]
		if g.StepUp {
			want = []string{"accessCookie+stepUpCookie", "accessToken+stepUpToken"}
		}
		switch g.TwoFactor {
		case "login":
			want = []string{"twoFactorCookie", "twoFactorToken"}
		case "step_up":
			want = []string{"accessCookie+twoFactorCookie", "accessToken+twoFactorToken"}
		}
		if s, ok := special[op.id()]; ok {
			want = s
		}
		got := []string{}
		for _, alternative := range *op.Security {
			schemes := slices.Sorted(maps.Keys(alternative))
			if len(schemes) == 0 {
				schemes = []string{"nothing"}
			}
			got = append(got, strings.Join(schemes, "+"))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSchemasHaveTheMembersOfTheContract(t *testing.T) {
	c := read(t)
	for name, ref := range load(t).Components.Schemas {
		if !ref.Value.Type.Is(openapi3.TypeObject) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			schema, of := kindOf(name)
			want := map[string]string{}
			for member, text := range c.Schemas[schema] {
				words := strings.SplitN(text, ", ", 3)
				kind := strings.TrimSuffix(words[0], " part") // of a form
				want[member] = strings.Replace(kind, "T[]", of+"[]", 1) + ", " + strings.SplitAfter(words[1], "absent")[0]
			}
			got := map[string]string{}
			for member, property := range ref.Value.Properties {
				presence := presenceOf(property.Value.Nullable, slices.Contains(ref.Value.Required, member), isRequest(name))
				got[member] = typeOf(t, property) + ", " + presence
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSchemasOfRequestsLeaveRulesToTheDomain(t *testing.T) {
	for name, ref := range load(t).Components.Schemas {
		for member, p := range ref.Value.Properties {
			s := p.Value
			if isRequest(name) && (s.MinLength != 0 || s.MaxLength != nil || s.Pattern != "" || len(s.Enum) > 0 || s.Format == "email") {
				t.Errorf("%s.%s has a rule", name, member)
			}
		}
	}
}

func isRequest(schema string) bool {
	return strings.HasSuffix(schema, "Request") || schema == "GroupTranslation" || schema == "AvatarUpload"
}

// kindOf tells what the contract calls a schema, and what it holds if it is a
// page, since names of the document have no angle brackets.
func kindOf(schema string) (kind, of string) {
	if of, paged := strings.CutPrefix(schema, "PageOf"); paged {
		return "Page", of
	}
	return schema, ""
}

// presenceOf says in the contract's words whether a member must be there.
func presenceOf(nullable, required, request bool) string {
	words := map[[3]bool]string{
		{false, true, true}:   "required",
		{true, false, true}:   "optional",
		{false, true, false}:  "never null",
		{true, true, false}:   "nullable",
		{false, false, false}: "absent",
	}
	if s := words[[3]bool{nullable, required, request}]; s != "" {
		return s
	}
	return "in no way the contract knows"
}

// typeOf says in the contract's words what a value is.
func typeOf(t *testing.T, ref *openapi3.SchemaRef) string {
	t.Helper()
	if ref.Ref != "" {
		name := ref.Ref[strings.LastIndexByte(ref.Ref, '/')+1:]
		switch name {
		case "Role", "Locale":
			return strings.ToLower(name)
		case "AnyRole":
			return "role"
		case "SecondFactor", "Code":
			return "string"
		}
		if kind, of := kindOf(name); of != "" {
			return kind + "<" + of + ">"
		}
		return name
	}
	s := ref.Value
	switch {
	case len(s.AllOf) == 1: // how 3.0 says that a reference may be null
		return typeOf(t, s.AllOf[0])
	case s.Type.Is(openapi3.TypeArray):
		return typeOf(t, s.Items) + "[]"
	case s.Type.Is(openapi3.TypeObject) && s.AdditionalProperties.Schema != nil:
		of := typeOf(t, s.AdditionalProperties.Schema)
		if of == "GroupTranslation" {
			return "object locale -> " + of
		}
		return "object name -> " + of
	case len(s.OneOf) == 2:
		return typeOf(t, s.OneOf[0]) + " or " + typeOf(t, s.OneOf[1])
	case s.Format == "uuid":
		return "uuid"
	case s.Format == "date-time":
		return "instant"
	case s.Format == "binary":
		return "binary"
	}
	if len(s.Type.Slice()) != 1 {
		t.Fatalf("a schema has the types %v", s.Type.Slice())
	}
	return s.Type.Slice()[0]
}

func schemaOf(t *testing.T, content openapi3.Content) (schema, mediaType string) {
	t.Helper()
	if len(content) != 1 {
		t.Fatalf("%d media types", len(content))
	}
	for mediaType, m := range content {
		return typeOf(t, m.Schema), mediaType
	}
	return "", ""
}

func codesOf(t *testing.T, r *openapi3.Response) (codes []string) {
	t.Helper()
	list, ok := r.Extensions["x-codes"].([]any)
	if !ok {
		t.Fatalf("x-codes is %T", r.Extensions["x-codes"])
	}
	for _, c := range list {
		codes = append(codes, c.(string))
	}
	return codes
}

// answers has every schema of an answer as the generated type.
var answers = []any{
	api.Avatar{},
	api.ChangeEmailResponse{},
	api.Cooldown{},
	api.FieldError{},
	api.GroupResponse{},
	api.GuestResponse{},
	api.Jwk{},
	api.JwkSet{},
	api.Liveness{},
	api.Location{},
	api.LoginResponse{},
	api.MailSent{},
	api.PageInfo{},
	api.AuditEntry{},
	api.PageOfAuditEntry{},
	api.PageOfGroupResponse{},
	api.PersonalData{},
	api.PersonalDevice{},
	api.PersonalEvent{},
	api.PersonalIdentity{},
	api.PersonalItem{},
	api.PersonalMail{},
	api.PersonalPasskey{},
	api.PersonalSession{},
	api.PageOfPrincipalOverview{},
	api.PasskeyOptions{},
	api.PasskeyResponse{},
	api.PrincipalResponse{},
	api.PrincipalOverview{},
	api.Problem{},
	api.RecoveryCodesResponse{},
	api.RecoveryResponse{},
	api.RefreshResponse{},
	api.Rendition{},
	api.RotationStatus{},
	api.RotationStep{},
	api.SessionInfo{},
	api.SessionTokenResponse{},
	api.StatusResponse{},
	api.StepUpApproval{},
	api.StepUpResponse{},
	api.Success{},
	api.TotpSetupResponse{},
}

func TestAnswersHaveEveryMember(t *testing.T) {
	c := read(t)
	tested := map[string]bool{}
	for _, a := range answers {
		name := reflect.TypeOf(a).Name()
		tested[name] = true
		kind, _ := kindOf(name)
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(b, &members); err != nil {
			t.Fatal(err)
		}
		for member, text := range c.Schemas[kind] {
			value, there := members[member]
			if absent := strings.Contains(text, ", absent"); there == absent {
				t.Errorf("%s.%s is there: %t", name, member, there)
			}
			isMap := strings.HasPrefix(text, "object ") // made by whoever has an avatar
			if there && !isMap && (value == nil) != strings.Contains(text, ", nullable") {
				t.Errorf("%s.%s is written as %v when unset", name, member, value)
			}
		}
	}
	for name, ref := range load(t).Components.Schemas {
		if ref.Value.Type.Is(openapi3.TypeObject) && !isRequest(name) && !tested[name] {
			t.Errorf("%s is not among the answers of this test", name)
		}
	}
}

func TestGeneratedAnswersOmitNothing(t *testing.T) {
	absent := []string{"Jwk.Y", "Problem.Errors"} // contract §6.2
	f, err := parser.ParseFile(token.NewFileSet(), "api.gen.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var omitting []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || isRequest(spec.Name.Name) || strings.HasSuffix(spec.Name.Name, "Params") {
			return true
		}
		s, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range s.Fields.List {
			if field.Tag != nil && strings.Contains(field.Tag.Value, "omit") {
				omitting = append(omitting, spec.Name.Name+"."+field.Names[0].Name)
			}
		}
		return true
	})
	slices.Sort(omitting)
	if diff := cmp.Diff(absent, omitting); diff != "" {
		t.Error(diff)
	}
}

func TestUnsafeOperationsAreCheckedForTheirOrigin(t *testing.T) {
	for _, op := range operations(t) {
		r := op.Responses.Value("403")
		checked := r != nil && slices.Contains(codesOf(t, r.Value), "CROSS_SITE_REQUEST_REFUSED")
		if unsafe := op.method != http.MethodGet; unsafe != checked {
			t.Errorf("%s %s is checked: %t", op.method, op.path, checked)
		}
	}
}
