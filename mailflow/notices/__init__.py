"""Notices: templates to text (`render`), text to the bytes of a mail (`compose`), and sample data (`samples`).

Nothing is imported here: jinja2 is loaded when something is rendered (architecture, "Heavy imports").
"""
