package http

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/fault"
	"gatehouse/domain/page"
)

// usualSize is how many things a page holds unless somebody says it (contract
// §3).
const usualSize = 20

// pageOf is the part of a list that was asked for, in the usual order unless
// there is another one. The gate has validated all of it.
func pageOf(number, size api.Count, sort []string, usual page.Sort) page.Request {
	r := page.Request{Number: number.N, Size: min(cmp.Or(size.N, usualSize), page.Largest)}
	for _, s := range sort {
		by, direction, _ := strings.Cut(s, ",")
		if !slices.ContainsFunc(r.Sort, func(before page.Sort) bool { return before.By == by }) {
			r.Sort = append(r.Sort, page.Sort{By: by, Descending: direction == "desc"})
		}
	}
	if len(r.Sort) == 0 {
		r.Sort = []page.Sort{usual}
	}
	return r
}

// pageInfoOf tells which part of a list a page is.
func pageInfoOf[T any](p page.Page[T]) api.PageInfo {
	return api.PageInfo{Size: p.Request.Size, Number: p.Request.Number, TotalElements: p.Total, TotalPages: p.Pages()}
}

// wrongNumbers adds to f what the whole numbers in the query break. The
// validator would call one that is very long no number.
func (g *gate) wrongNumbers(query url.Values, f *fault.Error) *fault.Error {
	for _, p := range g.route.Operation.Parameters {
		if isNumber(p.Value) && query.Has(p.Value.Name) {
			f = f.On(p.Value.Name, wrongNumber(query.Get(p.Value.Name), p.Value.Schema.Value)...)
		}
	}
	return f
}

func isNumber(p *openapi3.Parameter) bool { return p.Schema.Value.Type.Is(openapi3.TypeInteger) }

func wrongNumber(text string, s *openapi3.Schema) []fault.Rule {
	n, err := strconv.ParseInt(text, 10, 64) // the nearest there is when it is out of range
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), strings.HasPrefix(text, "+"):
		return []fault.Rule{fault.RuleInteger}
	case s.Min != nil && float64(n) < *s.Min, s.Max != nil && float64(n) > *s.Max:
		return []fault.Rule{fault.RuleRange}
	}
	return nil
}
