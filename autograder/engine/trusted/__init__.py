"""Our side of a session: it sends questions, and believes nothing that comes back."""
