"""The process that has imported everything and is forked for each session (Linux)."""
