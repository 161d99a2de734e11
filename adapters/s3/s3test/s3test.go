// Package s3test is as much of the S3 protocol as one bucket of small objects
// needs, for tests.
package s3test

import (
	"bufio"
	"bytes"
	"crypto/md5" // what the protocol calls an entity tag
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Server is a bucket, in path style. Requests that are not signed with its
// access key are refused; whether the signature is right is not checked.
type Server struct {
	Bucket, AccessKey string

	mu      sync.Mutex
	objects map[string]object
	failing int // status of every answer, 0 is none
	asked   []string
}

type object struct {
	content     []byte
	contentType string
}

// New returns an empty bucket.
func New(bucket, accessKey string) *Server {
	return &Server{Bucket: bucket, AccessKey: accessKey, objects: map[string]object{}}
}

// Fail makes every answer one with this status, 0 makes answers right again.
func (s *Server) Fail(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = status
}

// Objects returns the names of all objects with their content types, in order.
func (s *Server) Objects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]string, 0, len(s.objects))
	for name, o := range s.objects {
		all = append(all, name+" "+o.contentType)
	}
	slices.Sort(all)
	return all
}

// Asked returns the methods and paths of all requests so far.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Method+" "+r.URL.EscapedPath())
	name, ours := strings.CutPrefix(r.URL.Path, "/"+s.Bucket+"/")
	switch {
	case s.failing == http.StatusForbidden:
		refuse(w, s.failing, "AccessDenied") // which no client tries again
	case s.failing != 0:
		refuse(w, s.failing, "InternalError")
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential="+s.AccessKey+"/"):
		refuse(w, http.StatusForbidden, "AccessDenied")
	case !ours || name == "":
		refuse(w, http.StatusNotFound, "NoSuchBucket")
	default:
		s.serve(w, r, name)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, name string) {
	o, there := s.objects[name]
	switch r.Method {
	case http.MethodPut:
		content, err := payload(r)
		if err != nil {
			refuse(w, http.StatusBadRequest, "IncompleteBody")
			return
		}
		s.objects[name] = object{content, r.Header.Get("Content-Type")}
		w.Header().Set("ETag", tag(content))
	case http.MethodDelete:
		delete(s.objects, name)
		w.WriteHeader(http.StatusNoContent)
	case http.MethodGet, http.MethodHead:
		if !there {
			refuse(w, http.StatusNotFound, "NoSuchKey")
			return
		}
		w.Header().Set("ETag", tag(o.content))
		w.Header().Set("Content-Type", o.contentType)
		w.Header().Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
		w.Header().Set("Content-Length", strconv.Itoa(len(o.content)))
		if r.Method == http.MethodGet {
			_, _ = w.Write(o.content) // a client that is gone wants no more
		}
	default:
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

func tag(content []byte) string {
	sum := md5.Sum(content)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(struct { // a client that is gone needs no reason
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: code})
}

// payload reads a body as it is, or in signed chunks, each behind its size in
// hexadecimal digits and its signature, and the last one empty.
func payload(r *http.Request) ([]byte, error) {
	decoded := r.Header.Get("X-Amz-Decoded-Content-Length")
	if decoded == "" {
		return io.ReadAll(r.Body)
	}
	var out bytes.Buffer
	for in := bufio.NewReader(r.Body); ; {
		head, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		digits, _, _ := strings.Cut(strings.TrimSpace(head), ";")
		size, err := strconv.ParseInt(digits, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("size of a chunk: %w", err)
		}
		if size == 0 {
			break
		}
		if _, err := io.CopyN(&out, in, size); err != nil {
			return nil, err
		}
		if _, err := in.Discard(len("\r\n")); err != nil {
			return nil, err
		}
	}
	if strconv.Itoa(out.Len()) != decoded {
		return nil, errors.New("another length than was said")
	}
	return out.Bytes(), nil
}
