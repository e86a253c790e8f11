package locks

import (
	"os/exec"
	"strings"
	"testing"
)

// TestFastPathsInline asks the compiler: an uncontended operation that costs a call
// is lost before it starts. (Those with a context ask the context first, which costs more.)
func TestFastPathsInline(t *testing.T) {
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, f := range []string{
		"(*IntervalLock).Lock", "(*IntervalLock).TryLock", "(*IntervalLock).Unlock",
		"(*ReaderWriterLock).Lock", "(*ReaderWriterLock).TryLock", "(*ReaderWriterLock).Unlock", "(*ReaderWriterLock).TryRLock",
		"(*Semaphore).take", "(*GoEvent).IsSet", "(*GoEvent).Set", "(*GoEvent).Clear",
		"(*word).load", "(*word).store", "(*word).cas",
	} {
		if !strings.Contains(string(out), "can inline "+f+"\n") {
			t.Errorf("%s does not inline", f)
		}
	}
}
