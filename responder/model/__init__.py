"""Nouns that cross the steps of an alert's path; frozen, without behaviour that reaches outside."""
