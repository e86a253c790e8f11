"""What happens while threads wait: hand-overs, time-outs, signals, code of others, deadlocks."""
