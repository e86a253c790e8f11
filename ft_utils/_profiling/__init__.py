"""Profiles of contention: recording, files, tables and pages. What of it is public is in ft_utils.contention."""
