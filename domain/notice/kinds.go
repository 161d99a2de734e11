package notice

import "slices"

// Kind selects the words of a mail. Kinds are API.
type Kind string

// The kinds of the contract.
const (
	EmailVerification     Kind = "email_verification"
	PasswordReset         Kind = "password_reset"
	NoAccountInfo         Kind = "no_account_info"
	EmailAuthentication   Kind = "email_authentication"
	IdentityProviderInfo  Kind = "identity_provider_info"
	RegistrationAlert     Kind = "registration_alert"
	LoginAlert            Kind = "login_alert"
	EmailChangeRequested  Kind = "security_alert.email_change_requested"
	EmailChanged          Kind = "security_alert.email_changed"
	PasswordChanged       Kind = "security_alert.password_changed"
	PasswordAdded         Kind = "security_alert.password_added"
	TwoFactorAdded        Kind = "security_alert.two_factor_added"
	TwoFactorRemoved      Kind = "security_alert.two_factor_removed"
	RecoveryCodeUsed      Kind = "security_alert.recovery_code_used"
	RecoveryCodesReplaced Kind = "security_alert.recovery_codes_replaced"
	ProviderConnected     Kind = "security_alert.provider_connected"
	ProviderDisconnected  Kind = "security_alert.provider_disconnected"
	RefreshTokenReused    Kind = "security_alert.refresh_token_reused"
)

// Page is where the link of a mail leads: a page of the client application,
// which posts the token.
type Page int

// The pages there are.
const (
	NoPage Page = iota
	VerificationPage
	ResetPage
)

// Contents say what a mail of a kind carries, beyond its words. What it carries
// must be in the notice; an origin or a provider that is not known is left out.
type Contents struct {
	Link     Page
	Code     bool // to be typed in
	Origin   bool // when and from where it was caused
	Provider bool // the sign-in providers it is about
	Factor   bool // the two-factor method it is about
	// Switch is the setting that keeps mails of the kind from being promised,
	// "" when they always are.
	Switch string
}

type kindOf struct {
	kind Kind
	Contents
}

// ofKinds is table 8 of the contract. No mail names the new address of an
// account: the mailbox of the old one may be another person's by now.
var ofKinds = []kindOf{
	{EmailVerification, Contents{Link: VerificationPage}},
	{PasswordReset, Contents{Link: ResetPage, Origin: true}},
	{NoAccountInfo, Contents{Origin: true}},
	{EmailAuthentication, Contents{Code: true, Origin: true}},
	{IdentityProviderInfo, Contents{Origin: true, Provider: true}},
	{RegistrationAlert, Contents{Origin: true, Switch: "alerts.registration"}},
	{LoginAlert, Contents{Origin: true, Switch: "alerts.login"}},
	{EmailChangeRequested, Contents{Origin: true, Switch: "alerts.email_changed"}},
	{EmailChanged, Contents{Origin: true, Switch: "alerts.email_changed"}},
	{PasswordChanged, Contents{Origin: true, Switch: "alerts.password_changed"}},
	{PasswordAdded, Contents{Origin: true, Switch: "alerts.password_changed"}},
	{TwoFactorAdded, Contents{Origin: true, Factor: true, Switch: "alerts.two_factor_added"}},
	{TwoFactorRemoved, Contents{Origin: true, Factor: true, Switch: "alerts.two_factor_removed"}},
	{RecoveryCodeUsed, Contents{Origin: true, Switch: "alerts.recovery_codes"}},
	{RecoveryCodesReplaced, Contents{Origin: true, Switch: "alerts.recovery_codes"}},
	{ProviderConnected, Contents{Origin: true, Provider: true, Switch: "alerts.provider_connected"}},
	{ProviderDisconnected, Contents{Origin: true, Provider: true, Switch: "alerts.provider_disconnected"}},
	{RefreshTokenReused, Contents{Origin: true, Switch: "alerts.refresh_token_reused"}},
}

// Kinds lists every kind in the order of the contract.
func Kinds() []Kind {
	all := make([]Kind, 0, len(ofKinds))
	for _, k := range ofKinds {
		all = append(all, k.kind)
	}
	return all
}

// LinkKinds lists the kinds whose mails carry the token of a link: they are
// worthless once links are.
func LinkKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool {
		of, _ := k.Contents()
		return of.Link == NoPage
	})
}

// SecretKinds lists the kinds whose mails carry the token of a link or a code:
// they are worthless once the account is gone.
func SecretKinds() []Kind {
	return slices.DeleteFunc(Kinds(), func(k Kind) bool {
		of, _ := k.Contents()
		return of.Link == NoPage && !of.Code
	})
}

// Contents returns what mails of the kind carry, and whether there is such a
// kind.
func (k Kind) Contents() (Contents, bool) {
	i := slices.IndexFunc(ofKinds, func(of kindOf) bool { return of.kind == k })
	if i < 0 {
		return Contents{}, false
	}
	return ofKinds[i].Contents, true
}

// Factor is a two-factor method, as the API names it.
type Factor string

// The methods there are.
const (
	TOTP    Factor = "totp"
	Email   Factor = "email"
	Passkey Factor = "passkey"
)
