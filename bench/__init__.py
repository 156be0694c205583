"""Measurements: `python -m bench [names] [--quick]`, explained in docs/performance.md.

Every figure stands beside a floor: the least that could be done for the same purpose with the same libraries, taken in
the same run, in turns with ours, so that a busy machine slows both alike.
"""
