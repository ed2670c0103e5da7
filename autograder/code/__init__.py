"""Source code as text, and which names it binds and uses."""
