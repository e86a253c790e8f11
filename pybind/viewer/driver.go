package main

import (
	"errors"
	"flag"
	"net/http"
	"os"
	"time"

	"github.com/google/pprof/driver"
	"github.com/google/pprof/profile"
)

// pagesOf returns the pages of a profile, for a server on a port of this machine. It runs pprof as its command does,
// up to the point where that would listen.
func pagesOf(p *profile.Profile, port int, graph bool) (http.Handler, error) {
	// pprof reads the user's configurations from here, and refuses to go on without a name. There is nothing.
	os.Setenv("XDG_CONFIG_HOME", os.DevNull)
	var pages http.Handler
	err := driver.PProf(&driver.Options{
		Flagset: &flags{FlagSet: flag.NewFlagSet("", flag.ContinueOnError)},
		Fetch:   fetched{p},
		Sym:     symbolized{},
		Obj:     noBinaries{},
		UI:      quiet{},
		HTTPServer: func(args *driver.HTTPServerArgs) error {
			pages = guard(routes(args.Handlers, graph), port)
			return nil
		},
	})
	return pages, err
}

// flags is the command line that pprof sees.
type flags struct{ *flag.FlagSet }

func (f *flags) StringList(name, value, usage string) *[]*string {
	return &[]*string{f.String(name, value, usage)}
}

func (*flags) ExtraUsage() string   { return "" }
func (*flags) AddExtraUsage(string) {}

func (f *flags) Parse(func()) []string {
	// The address is not used; it has to be there for pprof to make the pages.
	if f.FlagSet.Parse([]string{"-http=localhost:1", "-no_browser", "the profile"}) != nil {
		return nil
	}
	return f.Args()
}

// fetched is where pprof gets the profile from. Without a source it keeps no copy.
type fetched struct{ p *profile.Profile }

func (f fetched) Fetch(string, time.Duration, time.Duration) (*profile.Profile, string, error) {
	return f.p, "", nil
}

// symbolized says that names are known: the profile brings them.
type symbolized struct{}

func (symbolized) Symbolize(string, driver.MappingSources, *profile.Profile) error { return nil }

// noBinaries says that there are no binaries to look into.
type noBinaries struct{}

var errNoBinaries = errors.New("there are no binaries")

func (noBinaries) Open(string, uint64, uint64, uint64, string) (driver.ObjFile, error) {
	return nil, errNoBinaries
}

func (noBinaries) Disasm(string, uint64, uint64, bool) ([]driver.Inst, error) {
	return nil, errNoBinaries
}

// quiet keeps pprof's talk off the terminal; what goes wrong with a page is said on the page.
type quiet struct{}

func (quiet) ReadLine(string) (string, error)     { return "", errors.New("nobody is asked") }
func (quiet) Print(...any)                        {}
func (quiet) PrintErr(...any)                     {}
func (quiet) IsTerminal() bool                    { return false }
func (quiet) WantBrowser() bool                   { return false }
func (quiet) SetAutoComplete(func(string) string) {}
