"""Running learners' cells in a process of their own, and asking what they defined.

`interface` says what any runner must do; `plain` is a subprocess with limits.
"""
