package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLicenses: the wheel carries the licence of everything that is linked, as the pinned versions have it.
func TestLicenses(t *testing.T) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"go.txt": filepath.Join(strings.TrimSpace(string(root)), "LICENSE")}
	deps, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Dir}}{{end}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(deps)) {
		if path, dir, found := strings.Cut(strings.TrimSpace(line), " "); found {
			texts[filepath.Base(path)+".txt"] = filepath.Join(dir, "LICENSE")
		}
	}
	texts["svgpan.txt"] = strings.Replace(texts["pprof.txt"], "LICENSE", "third_party/svgpan/LICENSE", 1)
	if len(texts) != 4 {
		t.Errorf("linked: %v", texts)
	}
	for name, original := range texts {
		want, err := os.ReadFile(original)
		if err != nil && name == "go.txt" {
			continue // a Go from a distribution keeps it elsewhere
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", "..", "licenses", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("licenses/%s is not that of what is linked: copy %s", name, original)
		}
	}
}
