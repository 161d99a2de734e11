package http

import (
	"context"
	"net/http"

	"gatehouse/domain/client"
	"gatehouse/domain/onetime"
	"gatehouse/domain/session"
	"gatehouse/ports/inbound"
)

// scene is what the gate learnt about a request before its handler runs. It
// travels in the context from gate to handler and ends there: commands name
// their caller, origin and language themselves.
type scene struct {
	id        string              // of the request
	lang      string              // of what is said in the answer
	locale    string              // canonical tag of the mails the request causes
	base      string              // URL of the service
	cached    string              // tags of what the client has already, as sent
	from      client.Address      // of whoever asks
	agent     string              // User-Agent, unless it is not to be asked for a device
	sent      credentials         // tokens as sent
	access    inbound.Access      // nobody unless an access token was accepted
	challenge *onetime.Item       // nil unless one was taken
	answer    http.ResponseWriter // for cookies
	gate      *gate               // of the operation, nil before the router has found one
	code      string              // of the problem that was answered, for the log
}

type sceneKey struct{}

func withScene(ctx context.Context, s *scene) context.Context {
	return context.WithValue(ctx, sceneKey{}, s)
}

// sceneOf returns the scene of a request; outside of one it is empty.
func sceneOf(ctx context.Context) *scene {
	if s, ok := ctx.Value(sceneKey{}).(*scene); ok {
		return s
	}
	return &scene{}
}

// origin is what every command says about where it comes from. The device is
// the stated one, each missing label taken from the User-Agent.
func (s *scene) origin(stated client.Device) inbound.Context {
	return inbound.Context{
		Caller: s.caller(), Locale: s.locale, Request: s.id,
		From: client.Info{Address: s.from, Device: stated.Or(deviceOf(s.agent))},
	}
}

func (s *scene) caller() session.Caller { return s.access.Caller }

// RequestID returns the id of the request that ctx belongs to, "" outside of
// one: for log lines.
func RequestID(ctx context.Context) string { return sceneOf(ctx).id }
