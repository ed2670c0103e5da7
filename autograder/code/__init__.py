"""Source code as text."""
