"""The pure core: what an execution is, how it changes, and what it wants next.

May live here: frozen values and functions of their arguments. Must not: input, output, clocks, randomness, logging.
"""
