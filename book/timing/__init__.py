"""How long a training step takes, on whatever this machine has: one file of raw times a device.

`python -m book.timing --out book/timings/` measures; it needs torch and NumPy, and no network.
`book.timing.reading` turns a file into what a page draws.
"""
