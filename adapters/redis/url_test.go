package redis_test

import (
	"strings"
	"testing"

	"gatehouse/adapters/redis"
)

func TestURL(t *testing.T) {
	for _, url := range []string{
		"redis://cache", "redis://cache:6380", "redis://cache/0", "redis://cache/", "redis://cache:6379/15", "rediss://cache",
		"redis://:secret@cache", "redis://gatehouse:secret@cache:6379/1", "redis://[::1]:6379", "redis://127.0.0.1",
	} {
		if err := redis.Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{
		"", "cache:6379", "redis:cache", "redis://", "redis://:canary@", "http://canary@cache", "valkeys://cache", "redis://cache:0",
		"redis://cache:", "redis://cache:65536", "redis://:canary@cache:x", "redis://cache/one", "redis://cache/-1", "redis://cache/1/2",
		"redis://:canary@cache?skip_verify=true", "rediss://cache?", "redis://cache#canary", "redis://:can%zzary@cache",
	} {
		if err := redis.Check(url); err == nil || strings.Contains(err.Error(), "can") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func FuzzURL(f *testing.F) {
	f.Add("redis://gatehouse:secret@cache:6379/1")
	f.Add("rediss://[::1]")
	f.Fuzz(func(t *testing.T, url string) {
		if err := redis.Check(url); err == nil && !strings.HasPrefix(strings.ToLower(url), "redis") {
			t.Errorf("%q is taken", url)
		}
	})
}
