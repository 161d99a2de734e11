package jwx

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"gatehouse/domain/principal"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
)

// object is a JSON object by the exact names of its members.
type object map[string]json.RawMessage

// objectOf reads a flat object: each member once, no object within, lists of
// strings alone, nothing behind it. Parsers elsewhere take the last one of two
// members, or ignore the case of their names.
func objectOf(b []byte) (object, bool) {
	if !utf8.Valid(b) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	o := object{}
	for d.More() {
		if !o.member(d) {
			return nil, false
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('}') {
		return nil, false
	}
	_, err := d.Token()
	return o, err == io.EOF
}

func (o object) member(d *json.Decoder) bool {
	t, err := d.Token()
	if err != nil {
		return false
	}
	name, ok := t.(string)
	if _, twice := o[name]; twice || !ok {
		return false
	}
	var value json.RawMessage
	if err := d.Decode(&value); err != nil {
		return false
	}
	o[name] = value
	return value[0] != '{' && (value[0] != '[' || stringsOf(value) != nil)
}

// text returns a member that is a string, or "".
func (o object) text(name string) string { return stringOf(o[name]) }

func stringOf(value json.RawMessage) (s string) {
	if len(value) == 0 || value[0] != '"' || json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}

// stringsOf returns a list of strings, or nil if it is none: json takes null
// for one.
func stringsOf(value json.RawMessage) []string {
	var list []json.RawMessage
	if len(value) == 0 || value[0] != '[' || json.Unmarshal(value, &list) != nil {
		return nil
	}
	texts := make([]string, len(list))
	for i, v := range list {
		if v[0] != '"' || json.Unmarshal(v, &texts[i]) != nil {
			return nil
		}
	}
	return texts
}

// reader reads members that must be there, and remembers whether one was not.
type reader struct {
	object
	failed bool
}

func (r *reader) claims(k token.Kind) token.Claims {
	c := token.Claims{ID: r.uuid(tokenID), IssuedAt: r.date(issuedAt), ExpiresAt: r.date(expiresAt)}
	if k == token.TwoFactor {
		c.Purpose = session.Purpose(r.text(purpose))
		r.require(isPurpose(c.Purpose))
	}
	who, where := bearer(k, c.Purpose)
	if who {
		c.Subject = principal.ID(r.uuid(subject))
	}
	if where {
		c.Session = session.ID(r.uuid(sessionID))
	}
	switch k {
	case token.Access:
		c.Roles, c.Groups, c.AMR = r.list(roles), r.list(groups), r.list(amr)
		c.ACR, c.AuthTime, c.Gen = r.text(acr), r.date(authTime), int(r.integer(gen))
		r.require(c.ACR != "")
	case token.StepUp:
		c.AMR, c.ACR, c.AuthTime = r.list(amr), r.text(acr), r.date(authTime)
		c.Bound = session.Bound{Purpose: r.text(purpose), PayloadHash: r.text(payloadOf)}
		r.require(c.ACR != "" && (c.Bound.Purpose != "" || c.Bound.IsZero()))
	case token.Session:
		c.Browser, c.OS, c.Locale = r.text(browser), r.text(system), r.text(locale)
		r.require(c.Locale != "")
	case token.Refresh, token.TwoFactor, token.TOTPSetup:
	}
	return c
}

func (r *reader) require(ok bool) { r.failed = r.failed || !ok }

func (r *reader) list(name string) []string {
	s := stringsOf(r.object[name])
	r.require(s != nil)
	return s
}

// audience returns the only audience, which may stand in a list (RFC 7519
// §4.1.3). Of two, one is too many.
func (r *reader) audience() string {
	if list := stringsOf(r.object[audience]); len(list) == 1 {
		return list[0]
	}
	return r.text(audience)
}

func (r *reader) date(name string) time.Time { return time.Unix(r.integer(name), 0).UTC() }

// maxDigits is enough for 9999-12-31 and keeps sums of times far from overflow.
const maxDigits = 12

// isNumber reports whether [reader.integer] reads n.
func isNumber(n int64) bool { return n >= 0 && len(strconv.FormatInt(n, 10)) <= maxDigits }

func (r *reader) integer(name string) int64 {
	value := r.object[name]
	n, err := strconv.ParseUint(string(value), 10, 63)
	r.require(err == nil && len(value) <= maxDigits)
	return int64(n)
}

func (r *reader) uuid(name string) string {
	s := r.text(name)
	r.require(isUUID(s))
	return s
}

// isUUID reports whether s is a UUID as we write it (RFC 9562 §4), in lower case.
func isUUID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return len(s) == 36
}
