// Package avatar holds the picture of a user: which renditions there are of it,
// and what their files are called. How they are made is an adapter's business.
package avatar

import (
	"errors"
	"time"
)

// Size names a rendition.
type Size int

// The sizes, smallest first.
const (
	Small Size = iota
	Medium
	Large

	sizes = iota
)

// Sizes lists all sizes, smallest first.
func Sizes() [sizes]Size { return [...]Size{Small, Medium, Large} }

// String returns the name of the contract.
func (s Size) String() string { return [...]string{"small", "medium", "large"}[s] }

// Longest is how many pixels a side of the rendition has at most (contract
// §7.8).
func (s Size) Longest() int { return [...]int{128, 512, 1024}[s] }

// Type is the content type of renditions.
type Type string

// The types: PNG for what is transparent somewhere.
const (
	JPEG Type = "image/jpeg"
	PNG  Type = "image/png"
)

func (t Type) extension() string {
	if t == PNG {
		return ".png"
	}
	return ".jpg"
}

// Picture is the picture of somebody before it is stored: the bytes of its
// renditions by size, all of one type.
type Picture struct {
	Type       Type
	Renditions [sizes]Pixels
}

// Pixels are a square picture.
type Pixels struct {
	Side    int // in pixels
	Content []byte
}

// Avatar is the stored picture of a user. The zero value is none.
type Avatar struct {
	ID         string // UUIDv7; of the avatar, whatever picture it shows
	Key        string // of the picture; random, and new with every one
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Type       Type
	Renditions [sizes]Rendition
}

// Rendition is what is known of a file without reading it.
type Rendition struct {
	Bytes int64
	Side  int // of the square, in pixels
}

// New returns an avatar that shows a picture.
func New(id, key string, p Picture, now time.Time) Avatar {
	return Avatar{ID: id, CreatedAt: now}.Show(key, p, now)
}

// Show returns the same avatar with another picture. Its time never turns back:
// who asked for the picture earlier, or on a replica whose clock is behind, may
// be the last to show it.
func (a Avatar) Show(key string, p Picture, now time.Time) Avatar {
	a.Key, a.Type = key, p.Type
	if now.After(a.UpdatedAt) {
		a.UpdatedAt = now
	}
	for i, r := range p.Renditions {
		a.Renditions[i] = Rendition{Bytes: int64(len(r.Content)), Side: r.Side}
	}
	return a
}

// ErrInvalid is what [Avatar.Check] says of one that cannot have been stored.
var ErrInvalid = errors.New("not a valid avatar")

// Check tells whether somebody can have such an avatar.
func (a Avatar) Check() error {
	if a.IsZero() {
		return nil
	}
	ok := a.ID != "" && (a.Type == JPEG || a.Type == PNG) && !a.CreatedAt.IsZero() && !a.UpdatedAt.Before(a.CreatedAt)
	for _, s := range Sizes() {
		r := a.Renditions[s]
		ok = ok && IsKey(a.FileKey(s)) && r.Bytes > 0 && r.Side > 0 && r.Side <= s.Longest()
	}
	if !ok {
		return ErrInvalid
	}
	return nil
}

// IsZero reports whether there is no picture.
func (a Avatar) IsZero() bool { return a == Avatar{} }

// FileKey is what the file of a rendition is called. Who knows it has been told.
func (a Avatar) FileKey(s Size) string { return a.Key + "-" + s.String() + a.Type.extension() }

// Files are the files of all renditions.
func (a Avatar) Files() []File {
	all := make([]File, 0, sizes)
	for _, s := range Sizes() {
		all = append(all, File{Key: a.FileKey(s), Type: a.Type, Bytes: a.Renditions[s].Bytes})
	}
	return all
}

// File is what is known of a file.
type File struct {
	Key   string
	Type  Type
	Bytes int64
}

const longestKey = 128

// IsKey reports whether a file may be called so (contract F3).
func IsKey(s string) bool {
	if s == "" || len(s) > longestKey {
		return false
	}
	for i := range len(s) {
		c := s[i]
		plain := 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
		if !plain && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}
