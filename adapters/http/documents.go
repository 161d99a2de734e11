package http

import (
	"context"

	"github.com/labstack/echo/v4"

	"gatehouse/adapters/http/api"
	"gatehouse/ports/inbound"
)

// documents serves what describes the service itself.
type documents struct {
	keys inbound.UseCase[inbound.PublicKeys, inbound.PublicKeySet]
}

// GetKeys handles GET /.well-known/jwks.json (W1, RFC 7517).
func (h documents) GetKeys(ctx context.Context, _ api.GetKeysRequestObject) (api.GetKeysResponseObject, error) {
	set, err := h.keys.Do(ctx, inbound.PublicKeys{})
	if err != nil {
		return nil, err
	}
	keys := make(api.List[api.Jwk], 0, len(set))
	for _, k := range set {
		keys = append(keys, api.Jwk{Kty: k.Type, Crv: k.Curve, X: k.X, Y: orNull(k.Y), Kid: k.ID, Use: "sig", Alg: k.Algorithm})
	}
	sceneOf(ctx).answer.Header().Set(echo.HeaderCacheControl, "public, max-age=300")
	return api.GetKeys200ApplicationJwkSetPlusJSONResponse{Keys: keys}, nil
}

// GetOpenapi handles GET /api/openapi (W2).
func (documents) GetOpenapi(context.Context, api.GetOpenapiRequestObject) (api.GetOpenapiResponseObject, error) {
	return api.GetOpenapi200JSONResponse{RawMessage: api.Document()}, nil
}

// GetLiveness handles GET /livez (W3). It asks nothing and nobody.
func (documents) GetLiveness(context.Context, api.GetLivenessRequestObject) (api.GetLivenessResponseObject, error) {
	return api.GetLiveness200JSONResponse{Status: "live"}, nil
}
