"""Answers alerts with read-only findings on the incident, before the person who was paged has opened a laptop."""

__version__ = "0.1.0"
