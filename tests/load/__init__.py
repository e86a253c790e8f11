"""Many threads, many locks, for long."""
