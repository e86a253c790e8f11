"""The threading family: what its documentation says, asked of the standard library and of ours, and what we add."""
