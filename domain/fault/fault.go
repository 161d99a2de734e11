// Package fault names every way Gatehouse can refuse a request or fail it.
//
// A fault carries a stable [Code] for programs, the broken rules and the wait
// that may be shown to the caller, and a cause that is only ever logged.
// Statuses and sentences live in the adapters.
package fault

import (
	"errors"
	"slices"
	"time"
)

// Error is a fault. It is immutable: On, RetryIn and Because return copies.
type Error struct {
	code   Code
	broken []Violation
	wait   time.Duration
	cause  error
}

// Violation names a part of the request and the rule it broke (contract §2).
// Field is a JSON path with dots, the name of a parameter, or "" for the body
// as a whole.
type Violation struct {
	Field string
	Rule  Rule
}

// New returns a fault with a code and nothing else.
func New(code Code) *Error { return &Error{code: code} }

// Invalid returns an INVALID_REQUEST that names the rules which field broke.
func Invalid(field string, rules ...Rule) *Error { return New(InvalidRequest).On(field, rules...) }

// On returns a copy that also names the rules which field broke.
func (e *Error) On(field string, rules ...Rule) *Error {
	c := *e
	c.broken = slices.Clone(e.broken)
	for _, r := range rules {
		c.broken = append(c.broken, Violation{field, r})
	}
	return &c
}

// RetryIn returns a copy that tells the caller how long to wait.
func (e *Error) RetryIn(d time.Duration) *Error {
	c := *e
	c.wait = d
	return &c
}

// Because returns a copy that logs, but never shows, its cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// Code returns the fault's code.
func (e *Error) Code() Code { return e.code }

// Broken returns the broken rules in the order they were named.
func (e *Error) Broken() []Violation { return slices.Clone(e.broken) }

// Wait returns how long the caller should wait, zero if that does not matter.
func (e *Error) Wait() time.Duration { return e.wait }

// Error is for logs; callers see the code, the broken rules and the wait.
func (e *Error) Error() string {
	if e.cause == nil {
		return string(e.code)
	}
	return string(e.code) + ": " + e.cause.Error()
}

// Unwrap shows the code and the cause to [errors.Is] and [errors.As].
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.code}
	}
	return []error{e.code, e.cause}
}

// CodeOf returns the code of the outermost fault in err: "" for nil,
// [InternalError] when err holds no fault.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if f, ok := errors.AsType[*Error](err); ok {
		return f.code
	}
	return InternalError
}
