// Viewer shows a profile as the web pages of pprof, on this machine alone: it is what `python -m ft_utils.contention
// view` becomes. It is a program of its own: the pages are ten megabytes, and processes that show none do not load them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "python -m ft_utils.contention view:", err)
		os.Exit(2)
	}
}

func run(arguments []string) error {
	flags := flag.NewFlagSet("viewer", flag.ContinueOnError)
	port := flags.Int("port", 0, "port to listen on; 0 is a free one")
	python := flags.String("python", "", "interpreter that opens the page in a browser; none if empty")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("name one file")
	}
	file := flags.Arg(0)
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return fmt.Errorf("%s is no profile in pprof's format: %w", file, err)
	}
	listener, err := listen(*port)
	if err != nil {
		return err
	}
	_, dot := exec.LookPath("dot")
	pages, err := pagesOf(p, listener.Addr().(*net.TCPAddr).Port, dot == nil)
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM) // before anybody is told that they can end it
	url := "http://" + listener.Addr().String() + "/"
	fmt.Printf("%s is shown on %s until Ctrl-C\n", file, url)
	if *python != "" {
		openBrowser(*python, url)
	}
	return serve(listener, pages, stop)
}

func listen(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use: name another with --port, or leave that out for a free one", port)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on port %d: %w", port, err)
	}
	return listener, nil
}

// serve answers requests until a signal comes.
func serve(listener net.Listener, pages http.Handler, stop <-chan os.Signal) error {
	server := &http.Server{Handler: pages, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-stop
		server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// openBrowser leaves it to Python to know the browsers of this machine. The address has been printed; where no browser
// comes, that is enough.
func openBrowser(python, url string) {
	browser := exec.Command(python, "-P", "-m", "webbrowser", url)
	if browser.Start() == nil {
		go browser.Wait()
	}
}
