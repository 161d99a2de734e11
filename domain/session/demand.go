package session

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/domain/fault"
)

// Demand is what somebody who steps up asks of their proof besides that it is
// one (RFC 9470 §4). The zero value asks for nothing.
type Demand struct {
	// Bound is what alone the token will be good for. Its zero value is
	// whatever our own endpoints ask a step-up for.
	Bound Bound
	// ACR lists the classes of authentication that will do, as better ones
	// do. None means any.
	ACR []string
	// MaxAge is how old the proof may become, and with it the token. Zero is
	// as old as any.
	MaxAge time.Duration
}

// Bound is the one thing that a step-up token is good for, once. What both
// mean is known to those who ask for it and those who honour it.
type Bound struct {
	Purpose     string
	PayloadHash string // of what is approved, "" for nothing in particular
}

// IsZero reports whether nothing is bound.
func (b Bound) IsZero() bool { return b == Bound{} }

// IsZero reports whether nothing is asked for.
func (d Demand) IsZero() bool { return d.Bound.IsZero() && len(d.ACR) == 0 && d.MaxAge == 0 }

// Wish is a [Demand] as it was sent. What was not sent is nil.
type Wish struct {
	Purpose, PayloadHash, ACRValues *string
	MaxAge                          *int64 // seconds
}

const (
	maxPurpose   = 200 // characters
	maxACRValues = 200 // bytes
	maxAge       = 24 * time.Hour
)

// hashes are digests of 96 bits and more, in hexadecimal digits or Base64.
var hashes = regexp.MustCompile(`^[A-Za-z0-9+/_-]{16,128}={0,2}$`)

// Parse returns the demand, or refuses with INVALID_REQUEST and every rule that
// is broken.
func (w Wish) Parse() (Demand, error) {
	f := fault.New(fault.InvalidRequest)
	var d Demand
	if w.Purpose != nil {
		d.Bound.Purpose = strings.TrimSpace(*w.Purpose)
		for _, r := range purposeRules(d.Bound.Purpose) {
			f = f.On("purpose", r)
		}
	}
	if w.PayloadHash != nil {
		d.Bound.PayloadHash = *w.PayloadHash
		if !hashes.MatchString(d.Bound.PayloadHash) {
			f = f.On("payloadHash", fault.RulePattern)
		}
		if w.Purpose == nil {
			f = f.On("purpose", fault.RuleRequired)
		}
	}
	if w.ACRValues != nil {
		if d.ACR = strings.Fields(*w.ACRValues); len(*w.ACRValues) > maxACRValues {
			f = f.On("acr_values", fault.RuleMaxLength)
		} else if len(d.ACR) == 0 {
			f = f.On("acr_values", fault.RuleNotBlank)
		}
	}
	if w.MaxAge != nil {
		if *w.MaxAge < 1 || *w.MaxAge > int64(maxAge/time.Second) {
			f = f.On("max_age", fault.RuleRange)
		} else {
			d.MaxAge = time.Duration(*w.MaxAge) * time.Second
		}
	}
	if len(f.Broken()) > 0 {
		return Demand{}, f
	}
	return d, nil
}

func purposeRules(s string) (broken []fault.Rule) {
	if s == "" {
		broken = append(broken, fault.RuleNotBlank)
	}
	if utf8.RuneCountInString(s) > maxPurpose {
		broken = append(broken, fault.RuleMaxLength)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		broken = append(broken, fault.RuleControlCharacters)
	}
	return broken
}

// Accepts reports whether a proof of this class of authentication will do: one
// that was asked for, or a better one. Classes that we do not know are left to
// others.
func (d Demand) Accepts(acr string) bool {
	if len(d.ACR) == 0 {
		return true
	}
	best := slices.Index(classes, acr)
	return slices.ContainsFunc(d.ACR, func(wanted string) bool {
		at := slices.Index(classes, wanted)
		return at >= 0 && at <= best
	})
}

// Lasts returns how long a token that would last ttl is to last.
func (d Demand) Lasts(ttl time.Duration) time.Duration {
	if d.MaxAge == 0 {
		return ttl
	}
	return min(ttl, d.MaxAge)
}
