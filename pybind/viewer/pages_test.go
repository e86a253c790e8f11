package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	pprof "github.com/google/pprof/profile"

	"ft_utils/golib/contention/profile"
)

const port = 8123

// store writes a program and returns a profile of it.
func store(t *testing.T) *pprof.Profile {
	t.Helper()
	source := filepath.Join(t.TempDir(), "store.py")
	if err := os.WriteFile(source, []byte("def put(store):\n    with store.lock:  # the hot line\n        pass\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	p := &profile.Profile{
		Rate: 1, Command: "store.py",
		Frames: []profile.Frame{{Function: "put", File: source, Line: 2, FirstLine: 1}},
		Locks:  []profile.Lock{{ID: 1, Kind: "IntervalLock", Name: "store.py:1"}},
		Samples: []profile.Sample{
			{Role: profile.Waiter, Side: "exclusive", Count: 1, Ns: 5e6, Max: 5e6, Stack: []int{0}},
			{Role: profile.Holder, Side: "exclusive", Count: 1, Ns: 3e6, Stack: []int{0}},
		},
	}
	parsed, err := pprof.ParseData(p.Pprof())
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func get(t *testing.T, pages http.Handler, method, host, path string) *http.Response {
	t.Helper()
	request := httptest.NewRequest(method, path, nil)
	request.Host = host
	answer := httptest.NewRecorder()
	pages.ServeHTTP(answer, request)
	return answer.Result()
}

func body(t *testing.T, answer *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func pages(t *testing.T, graph bool) http.Handler {
	t.Helper()
	all, err := pagesOf(store(t), port, graph)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

const here = "localhost:8123"

func TestPages(t *testing.T) {
	all := pages(t, false)
	for path, want := range map[string]string{
		"/flamegraph":             "store.put",
		"/top":                    "store.put",
		"/peek?f=put":             "store.put",
		"/source?f=put":           "the hot line",
		"/flamegraph?si=blocking": "blocking",
	} {
		answer := get(t, all, "GET", here, path)
		if text := body(t, answer); answer.StatusCode != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %s, no %q in\n%s", path, answer.Status, want, text)
		}
		if answer.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s says nothing of what it may load", path)
		}
	}
	if answer := get(t, all, "GET", here, "/"); answer.StatusCode != 302 || answer.Header.Get("Location") != "/flamegraph" {
		t.Errorf("/: %s to %q", answer.Status, answer.Header.Get("Location"))
	}
	answer := get(t, all, "GET", here, "/download")
	if p, err := pprof.Parse(answer.Body); err != nil || len(p.Sample) != 2 {
		t.Errorf("/download: %v", err)
	}
}

func TestOnlyThisHost(t *testing.T) {
	all := pages(t, false)
	for _, host := range []string{here, "127.0.0.1:8123", "[::1]:8123", "LocalHost:8123"} {
		if answer := get(t, all, "GET", host, "/top"); answer.StatusCode != 200 {
			t.Errorf("%s: %s", host, answer.Status)
		}
	}
	for _, host := range []string{"localhost", "localhost:80", "example.org:8123", "127.0.0.1", "127.0.0.2:8123", "", "localhost:8123.example.org"} {
		answer := get(t, all, "GET", host, "/top")
		if answer.StatusCode != 403 || strings.Contains(body(t, answer), "store") {
			t.Errorf("%s: %s", host, answer.Status)
		}
	}
}

// TestNothingIsWritten: neither by the routes that would, nor by others.
func TestNothingIsWritten(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, "config"))
	all := pages(t, true)
	for _, path := range []string{"/saveconfig?config=x", "/deleteconfig?config=x", "/disasm?f=put", "/ui/saveconfig?config=x"} {
		if answer := get(t, all, "GET", here, path); answer.StatusCode != 404 {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	if answer := get(t, all, "POST", here, "/top"); answer.StatusCode != 405 {
		t.Errorf("POST: %s", answer.Status)
	}
	get(t, all, "GET", here, "/flamegraph")
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("left in the home directory: %v, %v", left, err)
	}
}

func TestGraphNeedsDot(t *testing.T) {
	if answer := get(t, pages(t, false), "GET", here, "/graph"); answer.StatusCode != 404 {
		t.Errorf("without dot: %s", answer.Status)
	}
	if text := body(t, get(t, pages(t, false), "GET", here, "/top")); !strings.Contains(text, "#graphbtn {") {
		t.Error("the menu offers the graph without dot")
	}
	// With dot the page is served; where the test runs without it, pprof says so.
	if answer := get(t, pages(t, true), "GET", here, "/graph"); answer.StatusCode == 404 {
		t.Errorf("with dot: %s", answer.Status)
	}
	if text := body(t, get(t, pages(t, true), "GET", here, "/top")); strings.Contains(text, "#graphbtn {") {
		t.Error("the menu hides the graph with dot")
	}
}

func TestPortInUse(t *testing.T) {
	first, err := listen(0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	file := filepath.Join(t.TempDir(), "p.pb.gz")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := store(t).Write(out); err != nil {
		t.Fatal(err)
	}
	out.Close()
	_, taken, _ := strings.Cut(first.Addr().String(), ":")
	err = run([]string{"-port", taken, file})
	if err == nil || !strings.Contains(err.Error(), "port "+taken+" is in use") {
		t.Errorf("%v", err)
	}
}
