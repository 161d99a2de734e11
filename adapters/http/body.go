package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"github.com/oapi-codegen/runtime"

	"gatehouse/domain/fault"
)

// deepest is how deep JSON may nest (contract §1.1).
const deepest = 32

// readJSON returns the body: one JSON value in UTF-8, or nil when there is
// none, which only an optional body may be. The content type of nothing does
// not matter.
func readJSON(r *http.Request, required bool) ([]byte, error) {
	if required && !isJSON(r.Header) {
		return nil, fault.New(fault.UnsupportedMediaType)
	}
	body, err := io.ReadAll(r.Body)
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, fault.New(fault.RequestTooLarge)
	}
	switch {
	case err != nil:
		return nil, fault.Invalid("", fault.RuleJSON).Because(err)
	case len(body) == 0 && !required:
		return nil, nil
	case !isJSON(r.Header):
		return nil, fault.New(fault.UnsupportedMediaType)
	case !wellFormed(body):
		return nil, fault.Invalid("", fault.RuleJSON)
	}
	return body, nil
}

// isJSON asks for application/json in UTF-8, not compressed.
func isJSON(h http.Header) bool {
	media, params, err := mime.ParseMediaType(h.Get(echo.HeaderContentType))
	charset := params["charset"]
	encoding := strings.Join(h.Values(echo.HeaderContentEncoding), ",")
	return err == nil && media == echo.MIMEApplicationJSON && len(h.Values(echo.HeaderContentType)) == 1 &&
		(charset == "" || strings.EqualFold(charset, "utf-8")) && (encoding == "" || strings.EqualFold(encoding, "identity"))
}

// wellFormed refuses what encoding/json would take: bytes that are no UTF-8
// and halves of surrogate pairs, which it replaces so that different passwords
// become equal, and nesting without end.
func wellFormed(body []byte) bool {
	return utf8.Valid(body) && !tooDeep(body) && json.Valid(body) && !loneSurrogate(body)
}

func tooDeep(body []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		switch b := body[i]; {
		case inString && b == '\\':
			i++
		case b == '"':
			inString = !inString
		case inString:
		case b == '{' || b == '[':
			if depth++; depth > deepest {
				return true
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return false
}

// loneSurrogate looks at the escapes of a valid JSON text.
func loneSurrogate(body []byte) bool {
	for rest := body; ; {
		at := bytes.IndexByte(rest, '\\')
		if at < 0 {
			return false
		}
		rest = rest[at:]
		if rest[1] != 'u' {
			rest = rest[2:]
			continue
		}
		first := escaped(rest)
		rest = rest[6:]
		if !utf16.IsSurrogate(first) {
			continue
		}
		if len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' || utf16.DecodeRune(first, escaped(rest)) == utf8.RuneError {
			return true
		}
		rest = rest[6:]
	}
}

func escaped(s []byte) rune {
	n, err := strconv.ParseUint(string(s[2:6]), 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// binder gives a handler what the gate validated, not a second reading of it:
// encoding/json would take other spellings of the members too.
type binder struct{}

// Bind implements [echo.Binder]. Without a body it returns [io.EOF], which the
// generated code takes for an absent optional body.
func (binder) Bind(into any, c echo.Context) error {
	if c.Request().Body == http.NoBody {
		return io.EOF
	}
	validated, ok := c.Request().Body.(interface{ ValidatedValue() any })
	if !ok {
		return errors.New("the request body was not validated")
	}
	if err := runtime.BindJSONValue(validated.ValidatedValue(), into); err != nil {
		return errors.New("the validated body does not fit its type") // the error may quote it
	}
	return nil
}
