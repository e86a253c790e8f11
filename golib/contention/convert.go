package contention

import (
	"encoding/base64"

	"ft_utils/golib/contention/profile"
	"ft_utils/golib/garbage"
)

// failed is what an answer begins with that is no result but a sentence on what was wrong. No result begins so.
const failed = "error: "

// Pprof turns the JSON of a profile (see package profile) into pprof's format without its gzip, in base64: strings are
// what can cross, and Python has zlib, which would bring fmt and reflect here.
func Pprof(json string) string {
	return convert(json, func(p *profile.Profile) string { return base64.StdEncoding.EncodeToString(p.Pprof()) })
}

// Speedscope turns the JSON of a profile into that of speedscope.app.
func Speedscope(json string) string {
	return convert(json, (*profile.Profile).Speedscope)
}

func convert(json string, to func(*profile.Profile) string) string {
	p, err := profile.FromJSON(json)
	if err != nil {
		return failed + err.Error()
	}
	out := to(p)
	garbage.Add(2*len(json) + 4*len(out))
	return out
}

// Profile turns what Pprof returned back into the JSON of the profile.
func Profile(pprof string) string {
	b, err := base64.StdEncoding.DecodeString(pprof)
	if err != nil {
		return failed + "what is to be read is not in base64"
	}
	p, err := profile.FromPprof(b)
	if err != nil {
		return failed + err.Error()
	}
	out := p.JSON()
	garbage.Add(2*len(pprof) + 4*len(out))
	return out
}
