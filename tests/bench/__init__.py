"""The table of speeds: `python tests/bench`, or `make bench` for both builds."""
