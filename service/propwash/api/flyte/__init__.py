"""Flyte's connector protocol, both versions, on the port of the native API: a thin translation to the same engine.

Source: flyteidl 1.16 (flyteidl.service, flyteidl.admin) and flyteidl2 2.0 (flyteidl2.connector), whose messages have
the same fields on the wire: version 1's classes serve both, but for the secrets that version 2 sends. What their
callers rely on is said where it decides.
"""
