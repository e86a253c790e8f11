package main

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// Pages that are not served: those that write or delete a configuration of the user's pprof, and the disassembly,
// which Python code has none of.
var dropped = []string{"/saveconfig", "/deleteconfig", "/disasm"}

const graphPage = "/graph"

// policy lets a page run what is in it, and load nothing from elsewhere.
const policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard answers only requests for this machine by one of its names, so that no page of another origin whose name was
// made to lead here can read the profile, and only those that ask and change nothing.
func guard(pages http.Handler, port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !local(r.Host, port):
			http.Error(w, "this host is not served here", http.StatusForbidden)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "profiles are only read", http.StatusMethodNotAllowed)
		default:
			h := w.Header()
			h.Set("Content-Security-Policy", policy)
			h.Set("Cross-Origin-Resource-Policy", "same-origin")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("X-Content-Type-Options", "nosniff")
			pages.ServeHTTP(w, r)
		}
	})
}

func local(host string, port int) bool {
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]"} {
		if strings.EqualFold(host, name+":"+strconv.Itoa(port)) || port == 80 && strings.EqualFold(host, name) {
			return true
		}
	}
	return false
}

// routes serves those of pprof's handlers that are wanted.
func routes(handlers map[string]http.Handler, graph bool) http.Handler {
	unwanted := map[string]bool{"/": true, graphPage: !graph}
	for _, path := range dropped {
		unwanted[path] = true
	}
	mux := http.NewServeMux()
	for path, handler := range handlers {
		if !unwanted[path] {
			mux.Handle(path, trimmed(handler, graph))
		}
	}
	// pprof's own redirection is a permanent one, and browsers would remember it for whatever listens here next.
	mux.Handle("/{$}", http.RedirectHandler("/flamegraph", http.StatusFound))
	return mux
}

// trimmed takes out of sight what a page offers and routes does not serve. The elements stay: scripts look for them.
// An icon keeps browsers from asking for one.
func trimmed(page http.Handler, graph bool) http.Handler {
	hidden := "#config, #disasm, #save-dialog, #delete-dialog"
	if !graph {
		hidden += ", #graphbtn"
	}
	head := []byte(`<link rel="icon" href="data:,"><style>` + hidden + " { display: none !important }</style></head>")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &buffered{header: w.Header(), status: http.StatusOK}
		page.ServeHTTP(answer, r)
		body := answer.body.Bytes()
		if strings.HasPrefix(answer.header.Get("Content-Type"), "text/html") {
			body = bytes.Replace(body, []byte("</head>"), head, 1)
		}
		w.WriteHeader(answer.status)
		w.Write(body)
	})
}

// buffered is an answer that is not sent yet.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffered) Header() http.Header         { return b.header }
func (b *buffered) WriteHeader(status int)      { b.status = status }
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }
