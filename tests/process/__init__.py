"""What the locks do to a process and a process to the locks: fork, exit, signals, limits, interpreters."""
