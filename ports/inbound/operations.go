package inbound

import (
	"gatehouse/domain/audit"
	"gatehouse/domain/key"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/session"
)

// Operator is part of every command that is asked at the command line, where
// nobody is signed in.
type Operator struct{}

// By says that no caller asks, for the record.
func (Operator) By() session.Caller { return session.Caller{} }

// Via says that no request asks, for the record.
func (Operator) Via() audit.Origin { return audit.Origin{} }

// CreateUser asks for a user with a verified address. It is refused with
// INVALID_REQUEST, as [Register] is, or EMAIL_TAKEN.
type CreateUser struct {
	Operator
	Email, Name string
	Password    password.Plain
	Admin       bool
}

// EnsureAdmin asks that a user with this address is an admin: one that exists
// is given the role and keeps the password, else one is created. It is refused
// as [CreateUser] is.
type EnsureAdmin struct{ CreateUser }

// ListUsers asks for users in the order of their creation, at most Limit after
// the one named.
type ListUsers struct {
	After principal.ID
	Limit int
}

// UserList is the answer to [ListUsers].
type UserList []*principal.Principal

// DisableUser asks to shut an account and end its sessions (as contract U4).
// User is an id or an address. It is refused with USER_NOT_FOUND,
// AT_LEAST_ONE_ADMIN_REQUIRED or POST_COMMIT_SIDE_EFFECT_FAILURE.
type DisableUser struct {
	Operator
	User string
}

// SetAdmin asks to grant or take the role ADMIN (as contract D1, D2). It is
// refused with USER_NOT_FOUND, GUEST_CANNOT_PERFORM_THIS_ACTION,
// AT_LEAST_ONE_ADMIN_REQUIRED or POST_COMMIT_SIDE_EFFECT_FAILURE.
type SetAdmin struct {
	Operator
	User  string // id or address
	Admin bool
}

// EndEverySession asks to end every session of every principal, after a
// restore or a leak. It answers how many ended.
type EndEverySession struct{ Operator }

// DeclareRestore says that the database may have been put back to an earlier
// state: unless its epoch is Epoch or higher already, every session ends, every
// link that was mailed becomes worthless, and the epoch is stored (faults F70).
// With Again it is raised in any case, to Epoch at least.
type DeclareRestore struct {
	Operator
	Epoch int
	Again bool
}

// Restored is the answer to [DeclareRestore]. Unless Raised, nothing changed.
type Restored struct {
	Epoch  int // from now on
	Raised bool

	Sessions, Links, Mails int // that are worthless now
}

// ListKeys asks for the keys of the service, without material.
type ListKeys struct{}

// KeyList is the answer to [ListKeys], oldest first.
type KeyList []key.Key
