"""`check` and `hint`: what a learner's machine needs besides the figures and the data sets."""
