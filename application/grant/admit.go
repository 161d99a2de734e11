package grant

import (
	"errors"
	"time"

	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/domain/onetime"
	"gatehouse/domain/principal"
	"gatehouse/domain/secret"
	"gatehouse/domain/session"
	"gatehouse/domain/token"
)

// Purpose is what somebody proves who they are for.
type Purpose struct {
	StepUp session.ID     // the session to step up in, "" for a new one
	Demand session.Demand // what the step-up is to yield
	From   client.Info    // where a new session begins
}

// Admission is what a proof was good for: exactly one of these.
type Admission struct {
	SignIn    *SignIn
	StepUp    *StepUp
	Challenge *Challenge
}

// SignIn is a new session and its first tokens.
type SignIn struct {
	Session session.Session
	Tokens  session.Pair
}

// Token is a token with its end.
type Token struct {
	Text      secret.Text
	ExpiresAt time.Time
}

// StepUp is a step-up token. One that is good for one thing alone counts once
// Item is stored, which is nil for any other.
type StepUp struct {
	Token

	Item *onetime.Item
}

// Challenge asks for one factor more. It counts once Item is stored.
type Challenge struct {
	Item  onetime.Item
	Token Token
}

// errNothingProven is a mistake in the program: a challenge stands on a first
// factor, and there is none.
var errNothingProven = errors.New("nothing is proven that anything could begin with")

// Admit answers p, who has just proven these factors: with a session or a
// step-up token if that is all that is asked of them, else with a challenge.
// Nothing else mints either, whatever route somebody came by (faults F77). A
// step-up token says what has been proven just now, whatever the session began
// with. It is refused with UNMET_AUTHENTICATION_REQUIREMENTS if that is less than
// is demanded.
func (i *Issuer) Admit(p *principal.Principal, proven session.Proven, to Purpose, now time.Time) (Admission, error) {
	switch {
	case !proven.Begun(p):
		return Admission{}, errNothingProven
	case !proven.Suffices(p):
		return i.challenge(p, proven, to, now)
	case to.StepUp != "":
		return i.stepUp(p.ID(), to, proven, now)
	}
	s := i.d.Session.Start(session.ID(i.d.NewID()), p, proven, to.From, i.d.NewID(), now)
	pair, err := i.pair(p, s, now)
	if err != nil {
		return Admission{}, err
	}
	return Admission{SignIn: &SignIn{s, pair}}, nil
}

func (i *Issuer) stepUp(of principal.ID, to Purpose, proven session.Proven, now time.Time) (Admission, error) {
	if !to.Demand.Accepts(proven.ACR()) {
		return Admission{}, fault.New(fault.UnmetAuthenticationRequirements)
	}
	c := token.Claims{
		ID: i.d.NewID(), Subject: of, Session: to.StepUp,
		IssuedAt: seconds(now), ExpiresAt: seconds(now.Add(to.Demand.Lasts(i.d.Token.StepUp))),
		AMR: proven.AMR(), ACR: proven.ACR(), AuthTime: seconds(now), Bound: to.Demand.Bound,
	}
	t, err := i.mint(token.StepUp, c)
	if err != nil {
		return Admission{}, err
	}
	up := &StepUp{Token: Token{t, c.ExpiresAt}}
	if !c.Bound.IsZero() {
		up.Item = &onetime.Item{
			Hash: BoundHash(c.ID), Kind: onetime.BoundStepUp, Principal: c.Subject, Session: c.Session,
			CreatedAt: now, ExpiresAt: c.ExpiresAt,
		}
	}
	return Admission{StepUp: up}, nil
}

func (i *Issuer) challenge(p *principal.Principal, proven session.Proven, to Purpose, now time.Time) (Admission, error) {
	c := token.Claims{
		ID: i.d.NewID(), Subject: p.ID(), Session: to.StepUp, Purpose: session.ForSignIn,
		IssuedAt: seconds(now), ExpiresAt: seconds(now.Add(i.d.Token.Challenge)),
	}
	if to.StepUp != "" {
		c.Purpose = session.ForStepUp
	}
	t, err := i.mint(token.TwoFactor, c)
	if err != nil {
		return Admission{}, err
	}
	return Admission{Challenge: &Challenge{
		Item: onetime.Item{
			Hash: ChallengeHash(c), Kind: onetime.Challenge, Principal: c.Subject, Session: c.Session,
			CreatedAt: now, ExpiresAt: c.ExpiresAt, Purpose: c.Purpose, Proven: proven, Demand: to.Demand,
		},
		Token: Token{t, c.ExpiresAt},
	}}, nil
}

// ChallengeHash is what the challenge is stored under that a token names.
func ChallengeHash(c token.Claims) onetime.Hash { return onetime.HashOf(secret.New(c.ID)) }

// BoundHash is where a step-up token that is good for one thing is stored, by
// its id.
func BoundHash(id string) onetime.Hash { return onetime.HashOf(secret.New(id)) }
