// Package webauthn implements [outbound.Authenticators] with go-webauthn. It
// owns how the protocol is spoken: which algorithms, which attestation (none),
// from which origins. It keeps nothing, and has no clock.
package webauthn

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"gatehouse/domain/fault"
	"gatehouse/domain/passkey"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/ports/outbound"
)

var _ outbound.Authenticators = (*Party)(nil)

// Config is what a [Party] is.
type Config struct {
	ID           string // relying party id: a domain
	Name         string // shown by authenticators
	Origins      []string
	Verification passkey.Verification // of who makes a passkey
}

// Party is a relying party.
type Party struct {
	w      *webauthn.WebAuthn
	verify passkey.Verification
}

// New returns a Party, or what is wrong with c.
func New(c Config) (*Party, error) {
	if err := protocol.ValidateRPID(c.ID); err != nil {
		return nil, fmt.Errorf("relying party %q: %w", c.ID, err)
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: c.ID, RPDisplayName: c.Name, RPOrigins: c.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		// Level 3 §9.2 lets clients add outputs nobody asked for, and some do.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("relying party %q: %w", c.ID, err)
	}
	return &Party{w, c.Verification}, nil
}

// Nowhere is the relying party of a service that has no domain: browsers make
// no passkeys for an address. Whatever asks for them is not there.
type Nowhere struct{}

var _ outbound.Authenticators = Nowhere{}

// Create implements [outbound.Authenticators].
func (Nowhere) Create(secret.Text, *principal.Principal, []passkey.Passkey) (passkey.Document, error) {
	return nil, off()
}

// Created implements [outbound.Authenticators].
func (Nowhere) Created(passkey.Document, secret.Text) (passkey.Key, error) {
	return passkey.Key{}, off()
}

// Ask implements [outbound.Authenticators].
func (Nowhere) Ask(secret.Text, passkey.Verification, []passkey.Passkey) (passkey.Document, error) {
	return nil, off()
}

// Claimed implements [outbound.Authenticators].
func (Nowhere) Claimed(passkey.Document) (passkey.Claim, error) { return passkey.Claim{}, off() }

// Used implements [outbound.Authenticators].
func (Nowhere) Used(passkey.Document, secret.Text, passkey.Verification, passkey.Passkey) (passkey.Use, error) {
	return passkey.Use{}, off()
}

// off is what the contract says of a feature that is switched off (§11).
func off() error { return fault.New(fault.RouteNotFound) }

// algorithms are those of Level 3 §5.4: EdDSA, ES256, and RS256, which older
// TPMs have.
var algorithms = webauthn.CredentialParametersRecommendedL3()

// Bounds of what is stored of a key.
const (
	maxCredential = 1023 // bytes (Level 3 §4)
	maxPublic     = 2048 // bytes; an RSA key of 8192 bits has half of it
)

// owner is what the library has to know of a user.
type owner struct {
	id          principal.ID
	name, shown string
	keys        []webauthn.Credential
}

// WebAuthnID is the user handle. It tells nothing that tokens do not.
func (o owner) WebAuthnID() []byte                         { return []byte(o.id) }
func (o owner) WebAuthnName() string                       { return o.name }
func (o owner) WebAuthnDisplayName() string                { return o.shown }
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

// Create implements [outbound.Authenticators].
func (p *Party) Create(challenge secret.Text, who *principal.Principal, theirs []passkey.Passkey) (passkey.Document, error) {
	nonce, err := nonceOf(challenge)
	if err != nil {
		return nil, err
	}
	made, _, err := p.w.BeginRegistration(
		owner{id: who.ID(), name: who.Email().Typed(), shown: who.Name()},
		func(o *protocol.PublicKeyCredentialCreationOptions) error {
			o.Challenge, o.Parameters, o.CredentialExcludeList = nonce, algorithms, descriptors(theirs)
			o.Timeout = int(passkey.Patience.Milliseconds())
			o.AuthenticatorSelection = protocol.AuthenticatorSelection{
				ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
				UserVerification: protocol.UserVerificationRequirement(p.verify),
			}
			return nil
		},
	)
	if err != nil {
		return nil, fmt.Errorf("ask for a passkey: %w", err)
	}
	return document(made.Response)
}

// Created implements [outbound.Authenticators].
func (p *Party) Created(answer passkey.Document, challenge secret.Text) (passkey.Key, error) {
	read, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return passkey.Key{}, invalid(err)
	}
	made, err := p.w.CreateCredential(owner{}, webauthn.SessionData{
		Challenge: challenge.Reveal(), UserVerification: protocol.UserVerificationRequirement(p.verify), CredParams: algorithms,
	}, read)
	if err != nil {
		return passkey.Key{}, invalid(err)
	}
	k := passkey.Key{
		Credential: made.ID, Public: made.PublicKey, Transports: transports(made.Transport),
		BackupEligible: made.Flags.BackupEligible, BackedUp: made.Flags.BackupState, SignCount: made.Authenticator.SignCount,
	}
	copy(k.AAGUID[:], made.Authenticator.AAGUID)
	switch {
	case len(k.Credential) == 0 || len(k.Credential) > maxCredential:
		return passkey.Key{}, fmt.Errorf("%w: credential id of %d bytes", outbound.ErrAnswerInvalid, len(k.Credential))
	case len(k.Public) > maxPublic:
		return passkey.Key{}, fmt.Errorf("%w: public key of %d bytes", outbound.ErrAnswerInvalid, len(k.Public))
	case !slices.Equal(k.Credential, read.RawID): // signed is the one, stored by clients the other
		return passkey.Key{}, fmt.Errorf("%w: two credential ids", outbound.ErrAnswerInvalid)
	}
	return k, nil
}

// Ask implements [outbound.Authenticators].
func (p *Party) Ask(challenge secret.Text, v passkey.Verification, of []passkey.Passkey) (passkey.Document, error) {
	nonce, err := nonceOf(challenge)
	if err != nil {
		return nil, err
	}
	asked, _, err := p.w.BeginDiscoverableLogin(func(o *protocol.PublicKeyCredentialRequestOptions) error {
		o.Challenge, o.UserVerification, o.AllowedCredentials = nonce, protocol.UserVerificationRequirement(v), descriptors(of)
		o.Timeout = int(passkey.Patience.Milliseconds())
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask for the use of a passkey: %w", err)
	}
	return document(asked.Response)
}

// Claimed implements [outbound.Authenticators]. What it reads is compared with
// what the library reads, by the library.
func (*Party) Claimed(answer passkey.Document) (passkey.Claim, error) {
	var outer struct {
		RawID    protocol.URLEncodedBase64 `json:"rawId"`
		Response struct {
			ClientDataJSON protocol.URLEncodedBase64 `json:"clientDataJSON"`
			UserHandle     protocol.URLEncodedBase64 `json:"userHandle"`
		} `json:"response"`
	}
	var client struct {
		Challenge string `json:"challenge"`
	}
	err := json.Unmarshal(answer, &outer)
	if err == nil {
		err = json.Unmarshal(outer.Response.ClientDataJSON, &client)
	}
	if err != nil || len(outer.RawID) == 0 || len(outer.RawID) > maxCredential || client.Challenge == "" {
		return passkey.Claim{}, fmt.Errorf("%w: it names no challenge or no key", outbound.ErrAnswerInvalid)
	}
	return passkey.Claim{
		Challenge: secret.New(client.Challenge), Credential: outer.RawID, Named: len(outer.Response.UserHandle) > 0,
	}, nil
}

// Used implements [outbound.Authenticators].
func (p *Party) Used(answer passkey.Document, challenge secret.Text, v passkey.Verification, of passkey.Passkey) (passkey.Use, error) {
	read, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return passkey.Use{}, invalid(err)
	}
	who := owner{id: of.Principal, keys: []webauthn.Credential{{
		ID: of.Credential, PublicKey: of.Public, Flags: webauthn.CredentialFlags{BackupEligible: of.BackupEligible},
	}}}
	_, err = p.w.ValidateLogin(who, webauthn.SessionData{
		Challenge: challenge.Reveal(), UserID: who.WebAuthnID(), UserVerification: protocol.UserVerificationRequirement(v),
	}, read)
	if err != nil {
		return passkey.Use{}, invalid(err)
	}
	told := read.Response.AuthenticatorData
	return passkey.Use{SignCount: told.Counter, BackedUp: told.Flags.HasBackupState(), Verified: told.Flags.HasUserVerified()}, nil
}

// invalid keeps of an error of the library what quotes nobody.
func invalid(err error) error {
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		return fmt.Errorf("%w: %s", outbound.ErrAnswerInvalid, e.Details)
	}
	return fmt.Errorf("%w: it cannot be read", outbound.ErrAnswerInvalid)
}

func nonceOf(challenge secret.Text) ([]byte, error) {
	nonce, err := base64.RawURLEncoding.DecodeString(challenge.Reveal())
	if err != nil {
		return nil, fault.New(fault.InternalError).Because(errors.New("the challenge is not base64url"))
	}
	return nonce, nil
}

func document(v any) (passkey.Document, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write options: %w", err)
	}
	return b, nil
}

func descriptors(of []passkey.Passkey) []protocol.CredentialDescriptor {
	all := make([]protocol.CredentialDescriptor, 0, len(of))
	for _, p := range of {
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: p.Credential}
		for _, t := range p.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		all = append(all, d)
	}
	return all
}

// known are the transports of Level 3 §5.8.4. What else a client tells is left
// out, as the specification asks.
var known = []protocol.AuthenticatorTransport{
	protocol.USB, protocol.NFC, protocol.BLE, protocol.SmartCard, protocol.Hybrid, protocol.Internal,
}

func transports(told []protocol.AuthenticatorTransport) (names []string) {
	for _, t := range known {
		if slices.Contains(told, t) {
			names = append(names, string(t))
		}
	}
	return names
}
