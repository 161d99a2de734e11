package session

import (
	"slices"
	"time"

	"gatehouse/domain/fault"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
)

// Pair is the access and the refresh token of one rotation. A repetition
// within the grace window gets the identical pair.
type Pair struct {
	Access, Refresh               secret.Text
	AccessExpires, RefreshExpires time.Time
}

// Caller is who a request comes from: a principal on one device. The zero
// value is nobody.
type Caller struct {
	PrincipalID principal.ID
	SessionID   ID
	Roles       []principal.Role // as the access token says
	StepUp      StepUp
}

// IsNobody reports whether no principal was recognised.
func (c Caller) IsNobody() bool { return c.PrincipalID == "" }

// RequireAdmin refuses with ROLE_REQUIRED unless the access token carries the
// role ADMIN.
func (c Caller) RequireAdmin() error {
	if !slices.Contains(c.Roles, principal.RoleAdmin) {
		return fault.New(fault.RoleRequired)
	}
	return nil
}

// RequireStepUp refuses with STEP_UP_TOKEN_MISSING, _INVALID or _EXPIRED
// unless the caller has lately proven their identity on this device.
func (c Caller) RequireStepUp() error {
	switch c.StepUp {
	case StepUpGranted:
		return nil
	case StepUpExpired:
		return fault.New(fault.StepUpTokenExpired)
	case StepUpInvalid, StepUpBound:
		return fault.New(fault.StepUpTokenInvalid)
	case StepUpMissing:
	}
	return fault.New(fault.StepUpTokenMissing)
}

// StepUp is what the step-up token of a request is worth.
type StepUp int

// The values; the zero value is the absence of a token.
const (
	StepUpMissing StepUp = iota
	StepUpInvalid        // unreadable, or of another principal or session
	StepUpExpired
	StepUpBound // good, but for one thing alone that is none of ours
	StepUpGranted
)
