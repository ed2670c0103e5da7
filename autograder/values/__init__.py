"""Plain data across a boundary: carried, compared, and how a call is made."""
