"""The project itself: its scripts and its benchmark."""
