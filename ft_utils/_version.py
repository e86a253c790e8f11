"""The version, written here alone: packaging reads it from this file without importing the package."""

__version__ = "0.1.0"
