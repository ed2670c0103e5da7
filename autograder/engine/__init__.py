"""Running learners' cells in a process of their own, and asking what they defined.

`interface` is the contract of a runner, `wire` carries frames, `files` are a session's own.
"""
