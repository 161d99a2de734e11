package outbound

import (
	"errors"

	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
)

// ErrAnswerInvalid is an answer of a browser that proves nothing: it cannot be
// read, is not signed by the key it names, or belongs to another challenge,
// place or person. Its text is safe to log.
var ErrAnswerInvalid = errors.New("the answer of the authenticator is not valid")

// Authenticators asks the devices that hold passkeys, by way of a browser, and
// judges what they answer (WebAuthn Level 3), all for one relying party. It
// asks no store and no network; challenges are its caller's, who also sees to
// it that each is answered once.
type Authenticators interface {
	// Create returns what a browser needs to make a passkey for who, on an
	// authenticator that holds none of theirs.
	Create(challenge secret.Text, who *principal.Principal, theirs []passkey.Passkey) (passkey.Document, error)
	// Created returns the key that was made. It refuses with ErrAnswerInvalid.
	Created(answer passkey.Document, challenge secret.Text) (passkey.Key, error)
	// Ask returns what a browser needs to use one of these passkeys or, if there
	// are none, whichever its user chooses. They can be told by nobody who does
	// not have a challenge.
	Ask(challenge secret.Text, v passkey.Verification, of []passkey.Passkey) (passkey.Document, error)
	// Claimed reads what an answer, to Create or to Ask, is said to be. It
	// refuses with ErrAnswerInvalid.
	Claimed(answer passkey.Document) (passkey.Claim, error)
	// Used returns what an answer proves of a passkey, which is what it says, as
	// far as the counter goes. It refuses with ErrAnswerInvalid, also when
	// somebody had to be verified and was not, or when the key has become one
	// that may be copied, or has ceased to be.
	Used(answer passkey.Document, challenge secret.Text, v passkey.Verification, p passkey.Passkey) (passkey.Use, error)
}
