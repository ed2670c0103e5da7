"""What keeps a submission in: namespaces, files, system calls, limits."""
