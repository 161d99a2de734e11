package http

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/labstack/echo/v4"

	"gatehouse/domain/fault"
)

// defineFormats teaches the validator, whose formats are process-wide, what a
// uuid is.
var defineFormats = sync.OnceFunc(func() {
	openapi3.DefineStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(
		`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`))
})

// validate reads path, query and body against the document. What it leaves in
// the request is what the handler gets.
func (g *gate) validate(c echo.Context) error {
	r := c.Request()
	f := fault.New(fault.InvalidRequest)
	if _, bad := g.badLocale(r); bad {
		f = f.On("locale", fault.RuleLocale)
	}
	for _, name := range g.looseBooleans(r.URL.Query()) {
		f = f.On(name, fault.RuleBoolean)
	}
	f = g.wrongNumbers(r.URL.Query(), f)
	if twice := g.repeated(r.URL.Query()); len(twice) > 0 {
		for _, name := range twice {
			f = f.On(name, fault.RuleType)
		}
		return f // nobody can say which one would be validated
	}
	if err := g.readBody(r); err != nil {
		return err
	}
	params, err := decodedParams(c)
	if err != nil {
		return err
	}
	if g.form { // the validator would read it into memory, only to ask for a token
		bare := *r
		bare.Body = http.NoBody
		r = &bare
	}
	err = openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: &g.route,
		Options: &openapi3filter.Options{
			MultiError:          true,
			KeepValidatedValue:  true, // for the binder
			SkipSettingDefaults: true,
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
			ExcludeRequestBody:  g.route.Operation.RequestBody == nil || r.Body == http.NoBody,
		},
	})
	if err != nil {
		f = brokenIn(err, "", f) // err itself goes nowhere: it quotes what was sent
	}
	if len(f.Broken()) > 0 {
		return f
	}
	return nil
}

// readBody leaves the body to the validator, and a form to its handler.
func (g *gate) readBody(r *http.Request) error {
	op := g.route.Operation
	switch {
	case op.RequestBody == nil:
		return nil
	case g.form && !isForm(r.Header):
		return fault.New(fault.UnsupportedMediaType)
	case g.form:
		return nil
	}
	body, err := readJSON(r, op.RequestBody.Value.Required)
	if err != nil {
		return err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if body == nil {
		r.Body = http.NoBody
	}
	return nil
}

// repeated returns the parameters of the operation that were sent twice, but are
// no lists.
func (g *gate) repeated(query url.Values) (names []string) {
	for _, p := range g.route.Operation.Parameters {
		list := p.Value.Schema.Value.Type.Is(openapi3.TypeArray)
		if p.Value.In == openapi3.ParameterInQuery && !list && len(query[p.Value.Name]) > 1 {
			names = append(names, p.Value.Name)
		}
	}
	return names
}

// decodedParams returns the parameters of the path, decoded once, as the
// generated handlers do after us.
func decodedParams(c echo.Context) (map[string]string, error) {
	params := map[string]string{}
	for i, name := range c.ParamNames() {
		value := c.ParamValues()[i]
		if c.Request().URL.RawPath != "" {
			var err error
			if value, err = url.PathUnescape(value); err != nil {
				return nil, fault.New(fault.RouteNotFound)
			}
		}
		params[name] = value
	}
	return params, nil
}

// looseBooleans returns the boolean parameters that are neither true nor false
// but that the validator, which asks strconv, would take.
func (g *gate) looseBooleans(query url.Values) (names []string) {
	for _, p := range g.route.Operation.Parameters {
		s := query.Get(p.Value.Name)
		if !p.Value.Schema.Value.Type.Is(openapi3.TypeBoolean) || s == "true" || s == "false" {
			continue
		}
		if _, err := strconv.ParseBool(s); err == nil {
			names = append(names, p.Value.Name)
		}
	}
	return names
}

// ruleOf names what a schema can demand in the contract's words.
var ruleOf = map[string]fault.Rule{
	"required": fault.RuleRequired, "nullable": fault.RuleRequired, "enum": fault.RuleEnum, "pattern": fault.RulePattern,
	"minLength": fault.RuleMinLength, "maxLength": fault.RuleMaxLength, "minimum": fault.RuleRange, "maximum": fault.RuleRange,
}

// brokenIn adds to f every rule that err, from the validator, says was broken.
func brokenIn(err error, field string, f *fault.Error) *fault.Error {
	switch e := err.(type) { //nolint:errorlint // the validator nests its errors, it does not wrap them
	case openapi3.MultiError:
		for _, one := range e {
			f = brokenIn(one, field, f)
		}
		return f
	case *openapi3filter.RequestError:
		if e.Parameter != nil && (e.Parameter.Name == "locale" || isNumber(e.Parameter)) {
			return f // judged by badLocale, which knows what a tag is, and by wrongNumbers
		}
		if e.Parameter != nil {
			return f.On(e.Parameter.Name, parameterRule(e))
		}
		return brokenIn(e.Err, field, f)
	case *openapi3.SchemaError:
		if inner, ok := errors.AsType[openapi3.MultiError](e.Origin); ok && e.SchemaField == "allOf" {
			return brokenIn(inner, field, f) // allOf only says that an object may be null
		}
		if at := strings.Join(e.JSONPointer(), "."); at != "" {
			field = at
		}
		demand := e.SchemaField
		if demand == "oneOf" && e.Value == nil {
			demand = "nullable" // none of several schemas is one that may be null
		}
		if rule, ok := ruleOf[demand]; ok && field != "" {
			return f.On(field, ruleIn(e.Schema, rule))
		}
	}
	return f.On(field, fault.RuleType)
}

// parameterRule is what the document calls a parameter that does not fit.
func parameterRule(e *openapi3filter.RequestError) fault.Rule {
	if errors.Is(e.Err, openapi3filter.ErrInvalidRequired) {
		return fault.RuleRequired
	}
	if schema := e.Parameter.Schema; schema != nil && schema.Value != nil {
		return ruleIn(schema.Value, fault.RuleType)
	}
	return fault.RuleType
}

// ruleIn is what the document calls a value that does not fit a schema, usual if
// it does not say.
func ruleIn(s *openapi3.Schema, usual fault.Rule) fault.Rule {
	if rule, ok := s.Extensions["x-rule"].(string); ok {
		return fault.Rule(rule)
	}
	return usual
}
