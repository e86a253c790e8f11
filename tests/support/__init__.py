"""What the tests share. Also imported by child processes, as the top-level package `support`."""
