package http

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"gatehouse/adapters/http/api"
	"gatehouse/domain/avatar"
	"gatehouse/domain/client"
	"gatehouse/domain/fault"
	"gatehouse/ports/inbound"
)

const formData = "multipart/form-data"

// envelope is how much longer a form may be than the file in it (contract §1.1).
const envelope = 64 << 10

// filesPath is where files are served.
const filesPath = "/api/files/"

// avatars serves pictures of users.
type avatars struct {
	limit  int64 // bytes of a file
	room   room
	set    inbound.UseCase[inbound.SetAvatar, inbound.Self]
	remove inbound.UseCase[inbound.RemoveAvatar, inbound.Self]
	find   inbound.UseCase[inbound.FindFile, inbound.File]
}

// SetAvatar handles PUT /api/users/me/avatar (P6).
func (h avatars) SetAvatar(ctx context.Context, r api.SetAvatarRequestObject) (api.SetAvatarResponseObject, error) {
	leave, err := h.room.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	file, err := fileIn(r.Body, h.limit)
	if err != nil {
		return nil, err
	}
	p, err := h.set.Do(ctx, inbound.SetAvatar{Context: sceneOf(ctx).origin(client.Device{}), Picture: file})
	if err != nil {
		return nil, err
	}
	return api.SetAvatar200JSONResponse(principalOf(ctx, p)), nil
}

// DeleteAvatar handles DELETE /api/users/me/avatar (P7).
func (h avatars) DeleteAvatar(ctx context.Context, _ api.DeleteAvatarRequestObject) (api.DeleteAvatarResponseObject, error) {
	p, err := h.remove.Do(ctx, inbound.RemoveAvatar{Context: sceneOf(ctx).origin(client.Device{})})
	if err != nil {
		return nil, err
	}
	return api.DeleteAvatar200JSONResponse(principalOf(ctx, p)), nil
}

// GetFile handles GET /api/files/{key} (F3). What a key names never changes, so
// the key is its tag.
func (h avatars) GetFile(ctx context.Context, r api.GetFileRequestObject) (api.GetFileResponseObject, error) {
	f, err := h.find.Do(ctx, inbound.FindFile{Key: r.Key})
	if err != nil {
		return nil, err
	}
	s, tag := sceneOf(ctx), `"`+f.Key+`"`
	if hasTag(s.cached, tag) {
		setFileHeaders(s.answer.Header(), tag)
		return api.GetFile304Response{}, nil
	}
	content, err := f.Open(ctx)
	if err != nil {
		return nil, err
	}
	setFileHeaders(s.answer.Header(), tag)
	return api.GetFile200ImageResponse{Body: content, ContentType: string(f.Type), ContentLength: f.Bytes}, nil
}

func setFileHeaders(h http.Header, tag string) {
	h.Set("Etag", tag)
	h.Set(echo.HeaderCacheControl, "public, max-age=31536000, immutable")
	h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; sandbox")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// hasTag reports whether a tag is in an If-None-Match, which compares weakly
// (RFC 9110 §13.1.2).
func hasTag(list, tag string) bool {
	if strings.TrimSpace(list) == "*" {
		return true
	}
	for one := range strings.SplitSeq(list, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == tag {
			return true
		}
	}
	return false
}

// room is for so many uploads at once, each of which is in memory as a whole.
type room chan struct{}

// turn is how long an upload may wait before any of it is read.
const turn = 5 * time.Second

// enter waits for a place. It refuses with SERVICE_OVERLOADED.
func (r room) enter(ctx context.Context) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turn)
	defer cancel()
	select {
	case r <- struct{}{}:
		return func() { <-r }, nil
	case <-ctx.Done():
		return nil, fault.New(fault.ServiceOverloaded).Because(errors.New("too many uploads at once"))
	}
}

// isForm asks for a form with files, not compressed.
func isForm(h http.Header) bool {
	media, params, err := mime.ParseMediaType(h.Get(echo.HeaderContentType))
	encoding := strings.Join(h.Values(echo.HeaderContentEncoding), ",")
	return err == nil && media == formData && params["boundary"] != "" && len(h.Values(echo.HeaderContentType)) == 1 &&
		(encoding == "" || strings.EqualFold(encoding, "identity"))
}

// fileIn reads a form up to its first part called file, and no more of that than
// it may have. Nothing of it is kept anywhere but in memory.
func fileIn(form *multipart.Reader, limit int64) ([]byte, error) {
	for {
		part, err := form.NextRawPart()
		if err != nil {
			return nil, noFile(err)
		}
		if part.FormName() != "file" {
			continue
		}
		file, err := io.ReadAll(io.LimitReader(part, limit+1))
		switch {
		case int64(len(file)) > limit:
			return nil, fault.New(fault.RequestTooLarge)
		case err != nil:
			return nil, noFile(err)
		}
		return file, nil
	}
}

// noFile tells a form that is too long from one that ends without a file, or in
// the middle of it.
func noFile(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.New(fault.RequestTooLarge)
	}
	return fault.Invalid("file", fault.RuleRequired).Because(err)
}

func avatarOf(ctx context.Context, a avatar.Avatar) *api.Avatar {
	if a.IsZero() {
		return nil
	}
	out := api.Avatar{
		Id: a.ID, Key: a.Key, CreatedAt: api.Instant(a.CreatedAt), UpdatedAt: api.Instant(a.UpdatedAt), Renditions: map[string]api.Rendition{},
	}
	for _, s := range avatar.Sizes() {
		key, r := a.FileKey(s), a.Renditions[s]
		out.Renditions[s.String()] = api.Rendition{
			Key: key, Size: int(r.Bytes), ContentType: string(a.Type), Url: sceneOf(ctx).base + filesPath + key, Width: r.Side, Height: r.Side,
		}
	}
	return &out
}
