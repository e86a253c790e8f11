package locks

import (
	"os/exec"
	"strings"
	"testing"
)

// TestFastPathsInline asks the compiler: an uncontended operation that costs a call
// is lost before it starts.
func TestFastPathsInline(t *testing.T) {
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, f := range []string{
		"(*IntervalLock).Lock", "(*IntervalLock).TryLock", "(*IntervalLock).LockContext", "(*IntervalLock).Unlock",
		"(*ReaderWriterLock).Lock", "(*ReaderWriterLock).TryLock", "(*ReaderWriterLock).Unlock", "(*ReaderWriterLock).TryRLock",
		"(*word).load", "(*word).cas",
	} {
		if !strings.Contains(string(out), "can inline "+f+"\n") {
			t.Errorf("%s does not inline", f)
		}
	}
}
