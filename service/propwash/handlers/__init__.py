"""The handler host: discovers plugins, validates what they offer, and calls it so that one bad plugin hurts
only itself.

May import ports, sdk and core. Nothing here knows a remote system.
"""
