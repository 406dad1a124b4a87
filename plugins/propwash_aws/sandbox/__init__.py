"""The stand-in for EMR's APIs for the sandbox."""
