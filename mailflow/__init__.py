"""mailflow: runs a technical-support department's e-mail conventions.

ARCHITECTURE.md at the root of the repository is the map.
"""

__version__ = "0.1.0"
