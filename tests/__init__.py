"""Tests of the installed ft_utils."""
