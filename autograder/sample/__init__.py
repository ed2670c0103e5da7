"""Made-up classes: what real ones hand in, and the mark that each must get."""
