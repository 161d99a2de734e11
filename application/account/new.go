package account

import (
	"context"
	"fmt"

	"gatehouse/domain/email"
	"gatehouse/domain/fault"
	"gatehouse/domain/password"
	"gatehouse/domain/principal"
	"gatehouse/ports/outbound"
)

// Wish is an account with a password that somebody wants, as typed.
type Wish struct {
	Email, Name string
	Password    password.Plain
	Mailed      bool // codes are a second factor from the first day on
}

// Check returns the address and the name of the account. It refuses with
// INVALID_REQUEST on email, password and name, all broken rules at once.
func (w Wish) Check(p password.Policy) (email.Address, string, error) {
	address, brokenEmail := email.Parse(w.Email)
	name, brokenName := principal.ParseName(w.Name)
	brokenPassword := p.BrokenForNew(w.Password, password.Subject{
		Name: name, LocalPart: address.LocalPart(), SecondFactor: w.Mailed,
	})
	broken := fault.New(fault.InvalidRequest).
		On("email", brokenEmail...).On("password", brokenPassword...).On("name", brokenName...)
	if len(broken.Broken()) > 0 {
		return email.Address{}, "", broken
	}
	return address, name, nil
}

// Hash waits for a turn, on behalf of a network, and hashes the password. It
// refuses with SERVICE_OVERLOADED or HASH_FAILURE. Never call it inside a
// transaction.
func (w Wish) Hash(ctx context.Context, by outbound.Hasher, network string) (password.Hash, error) {
	turn, err := by.Admit(ctx, network)
	if err != nil {
		return password.Hash{}, fmt.Errorf("wait to hash: %w", err)
	}
	defer turn.Done()
	h, err := turn.Hash(w.Password)
	if err != nil {
		return password.Hash{}, fmt.Errorf("hash password: %w", err)
	}
	return h, nil
}
