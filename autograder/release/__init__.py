"""From solutions/ to exercises/: notebooks, visible checks, proofs that the checks are any good."""
