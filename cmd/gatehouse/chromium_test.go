package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/websocket"
)

// chromium is a page of a Chromium without a window, driven by its DevTools
// protocol. No test is skipped for the want of one.
type chromium struct {
	t    *testing.T
	page *websocket.Conn
	last int // id of a call
}

// openChromium starts a Chromium that ends with the test.
func openChromium(t *testing.T) *chromium {
	t.Helper()
	var program string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	if program == "" {
		t.Fatal("the program chromium is missing: install the package chromium (Debian), or run make test as root, which does")
	}
	args := []string{
		"--headless", "--remote-debugging-port=0", "--remote-allow-origins=*", "--user-data-dir=" + filepath.Join(t.TempDir(), "profile"),
		"--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions", "--disable-background-networking",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--no-sandbox")
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, append(args, "about:blank")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	end := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	t.Cleanup(func() {
		defer time.AfterFunc(10*time.Second, end).Stop()
		_ = cmd.Wait()
	})
	address, err := debugger(said)
	if err != nil {
		end()
		t.Fatal(err)
	}
	b := &chromium{t: t, page: dial(t, address)}
	// It leaves its profile in peace, which the test removes.
	t.Cleanup(func() { _ = websocket.JSON.Send(b.page, map[string]any{"id": 0, "method": "Browser.close"}) })
	return b
}

// debugger returns where a browser that starts can be driven.
func debugger(said io.Reader) (address string, err error) {
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if _, at, found := strings.Cut(lines.Text(), "DevTools listening on ws://"); found {
			address, _, _ = strings.Cut(at, "/")
			go func() { _, _ = io.Copy(io.Discard, said) }() // or it would wait to be read
			return address, nil
		}
	}
	return "", errors.Join(errors.New("the browser told no address"), lines.Err())
}

// dial connects to the page of the browser at an address.
func dial(t *testing.T, address string) *websocket.Conn {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/json/list", http.NoBody)
	must(t, err)
	res, err := (&http.Client{Timeout: 10 * time.Second}).Do(req)
	must(t, err)
	defer res.Body.Close()
	var targets []struct{ Type, WebSocketDebuggerURL string }
	must(t, json.NewDecoder(res.Body).Decode(&targets))
	for _, target := range targets {
		if target.Type == "page" {
			page, err := websocket.Dial(target.WebSocketDebuggerURL, "", "http://"+address)
			must(t, err)
			return page
		}
	}
	t.Fatalf("the browser has no page: %v", targets)
	return nil
}

// call calls a method of the protocol and waits for what it returns.
func (b *chromium) call(method string, params, result any) {
	b.t.Helper()
	b.last++
	must(b.t, b.page.SetDeadline(time.Now().Add(time.Minute)))
	must(b.t, websocket.JSON.Send(b.page, map[string]any{"id": b.last, "method": method, "params": params}))
	for {
		var got struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		must(b.t, websocket.JSON.Receive(b.page, &got))
		switch {
		case got.ID != b.last: // an event
			continue
		case got.Error != nil:
			b.t.Fatalf("%s: %s", method, got.Error.Message)
		case result != nil:
			must(b.t, json.Unmarshal(got.Result, result))
		}
		return
	}
}

// run runs an asynchronous expression in the page, and reads what comes of it.
func (b *chromium) run(into any, function string, args ...any) {
	b.t.Helper()
	texts := make([]string, len(args))
	for i, a := range args {
		text, err := json.Marshal(a)
		must(b.t, err)
		texts[i] = string(text)
	}
	var got struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{
		"expression":   fmt.Sprintf("%s(%s)", function, strings.Join(texts, ", ")),
		"awaitPromise": true, "returnByValue": true, "userGesture": true,
	}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", function, got.ExceptionDetails.Exception.Description)
	}
	must(b.t, json.Unmarshal(got.Result.Value, into))
}

// open shows a page and waits until it is there.
func (b *chromium) open(page *url.URL) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": page.String()}, nil)
	for there := false; !there; {
		b.call("Runtime.evaluate", map[string]any{
			"expression":   "new Promise(done => setTimeout(done, 20))",
			"awaitPromise": true,
		}, nil)
		var got struct{ Result struct{ Value bool } }
		b.call("Runtime.evaluate", map[string]any{"expression": "document.readyState == 'complete' && location.href != 'about:blank'"}, &got)
		there = got.Result.Value
	}
}

// unlocks gives the browser an authenticator whose user is there, and proves it.
func (b *chromium) unlocks() {
	b.t.Helper()
	b.call("WebAuthn.enable", map[string]any{}, nil)
	b.call("WebAuthn.addVirtualAuthenticator", map[string]any{"options": map[string]any{
		"protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true, "isUserVerified": true,
		"automaticPresenceSimulation": true,
	}}, nil)
}
