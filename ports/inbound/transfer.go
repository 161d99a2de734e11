package inbound

import (
	"time"

	"gatehouse/domain/factor"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
)

// PortableUser is a user with all that they need to sign in as before in
// another installation. What is tied to one, sessions and passkeys, stays there.
type PortableUser struct {
	ID            string // UUID; "" gets a new one
	Email, Name   string
	EmailVerified bool
	Admin         bool
	Disabled      bool
	Groups        []string  // keys
	CreatedAt     time.Time // zero is the time of the import

	PasswordHash password.Hash // zero when they have none
	Identities   []principal.Identity

	Factors       []factor.Method
	Preferred     factor.Method // of Factors; "" is for whatever enabling them prefers
	TOTPSecret    secret.Text
	RecoveryCodes []password.Hash // that share a salt
}

// ExportUsers asks for users in the order of their ids, at most Limit after the
// one named.
type ExportUsers struct {
	Operator
	After principal.ID
	Limit int
}

// ExportedUsers is the answer to [ExportUsers].
type ExportedUsers struct {
	Users    []PortableUser
	Passkeys int // users among them who lose a second factor, a passkey
}

// ImportUsers asks to create users. Who is there already, by id or else by
// address, stays as they are; whoever breaks a rule is left out. So the same
// users can be asked for again. With DryRun nothing is stored.
//
// The answer names a user by the place in Users. One is refused with
// INVALID_REQUEST on what is broken, EMAIL_TAKEN if somebody with another id has
// the address, or USER_NOT_FOUND if the id is that of somebody who was deleted
// here, and would be again.
type ImportUsers struct {
	Operator
	Users  []PortableUser
	DryRun bool
}

// Imported is the answer to [ImportUsers].
type Imported struct {
	Created, Known int
	Refused        []Refused
}

// Refused is why one of several was left out.
type Refused struct {
	Index int
	Why   *fault.Error
}
