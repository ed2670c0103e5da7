"""Many submissions at once: judges side by side, one writer, nothing done twice."""
