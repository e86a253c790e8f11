package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The committed files are those that the present declarations give.
func TestFilesAreCurrent(t *testing.T) {
	root, files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is out of date: run `make header`", path)
		}
	}
}

func TestSnake(t *testing.T) {
	for in, want := range map[string]string{
		"RWWritersParked": "RW_WRITERS_PARKED",
		"OwnerShift":      "OWNER_SHIFT",
		"FirstID":         "FIRST_ID",
		"IntervalParked":  "INTERVAL_PARKED",
	} {
		if got := snake(in); got != want {
			t.Errorf("snake(%q) = %q, want %q", in, got, want)
		}
	}
}

func exportOfText(t *testing.T, text string) (*export, error) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", "package main\n"+text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return exportOf(file.Decls[0])
}

func TestExports(t *testing.T) {
	for text, want := range map[string]*export{
		"//export f\nfunc f(lock, self unsafe.Pointer, n uint64) int32 { return 0 }": {"f", "int32_t", "void *lock, struct ft_waiter *self, uint64_t n"},
		"// Said.\n//\n//export f\nfunc f(lock unsafe.Pointer) {}":                   {"f", "void", "void *lock"},
		"// f is no export.\nfunc f(self unsafe.Pointer) {}":                         nil,
		"//export g\nfunc f() {}":                                                    nil,
	} {
		got, err := exportOfText(t, text)
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestRefusedExports(t *testing.T) {
	for text, want := range map[string]string{
		"//export f\nfunc f(name string) {}":                      "no C type for the parameter name string",
		"//export f\nfunc f() (int32, int32) { return 0, 0 }":     "has to return nothing or one integer",
		"//export f\nfunc f() string { return `` }":               "has to return nothing or one integer",
		"//export f\nfunc f(waiters []unsafe.Pointer) {}":         "no C type",
		"//export f\nfunc f(lock *int) int32 { return int32(0) }": "no C type",
	} {
		if _, err := exportOfText(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestFingerprintSeesEveryChange(t *testing.T) {
	if fingerprint([]byte("#define A 1\n")) == fingerprint([]byte("#define A 2\n")) {
		t.Fatal("two texts with one fingerprint")
	}
	if fingerprint(nil) < 0 {
		t.Fatal("negative")
	}
}
