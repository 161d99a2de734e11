package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/domain/secret"
)

// size is a number of bytes, written as 65536, 64KiB or 5MiB.
type size int64

// location is a URL that may hold a password, which does not print.
type location struct{ secret.Text }

// shown returns what may be shown of it: no password, and no values of the
// query, where a password may be too. Where a password may have ended up in
// another part, because it was not percent-encoded, nothing may be shown.
func (l location) shown() string {
	text := l.Reveal()
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host != "" && strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") {
		return l.String()
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	return u.Redacted()
}

// read reads the text of a setting as a value of type t. Its errors say what
// was wanted and never quote the text.
func read(t reflect.Type, text string) (any, error) {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return readDuration(text)
	case reflect.TypeFor[size]():
		return readSize(text)
	case reflect.TypeFor[secret.Text]():
		return secret.New(text), nil
	case reflect.TypeFor[location]():
		return location{secret.New(text)}, nil
	case reflect.TypeFor[[]string]():
		return readList(text), nil
	case reflect.TypeFor[bool]():
		b, err := strconv.ParseBool(text)
		return b, because(err, "must be true or false")
	case reflect.TypeFor[int]():
		n, err := strconv.Atoi(text)
		return n, because(err, "must be a whole number")
	case reflect.TypeFor[slog.Level]():
		var l slog.Level
		err := l.UnmarshalText([]byte(text))
		return l, because(err, "must be debug, info, warn or error")
	case reflect.TypeFor[string]():
		return text, nil
	}
	return nil, fmt.Errorf("settings of type %v cannot be read", t)
}

func because(err error, want string) error {
	if err == nil {
		return nil
	}
	return errors.New(want)
}

const day = 24 * time.Hour

var errDuration = errors.New("must be a duration such as 90s, 15m, 24h or 90d")

// readDuration reads what [time.ParseDuration] does, and whole days.
func readDuration(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	days, ok := strings.CutSuffix(text, "d")
	if !ok {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return 0, errDuration
		}
		return d, nil
	}
	n, err := strconv.ParseInt(days, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(day) {
		return 0, errDuration
	}
	return time.Duration(n * int64(day)), nil
}

var (
	errSize = errors.New("must be a size such as 65536, 64KiB or 5MiB")

	units = []struct {
		name  string
		bytes int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}
)

func readSize(text string) (size, error) {
	unit := int64(1)
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = strings.TrimSpace(number), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return 0, errSize
	}
	return size(n * unit), nil
}

func readList(text string) []string {
	list := []string{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// show writes a value the way it can be read again, secrets masked.
func show(v any) string {
	switch v := v.(type) {
	case secret.Text:
		if v.Reveal() == "" {
			return ""
		}
		return v.String()
	case location:
		return v.shown()
	case []string:
		return strings.Join(v, ",")
	case slog.Level:
		return strings.ToLower(v.String())
	case size:
		return showSize(v)
	case time.Duration:
		return showDuration(v)
	}
	return fmt.Sprint(v)
}

func showSize(s size) string {
	for _, u := range slices.Backward(units) {
		if s > 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func showDuration(d time.Duration) string {
	if d > 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
