"""The national publishing platform: what a registry delivers to it, and its rules.

Belongs here: the delivery and its validation.
Does not belong here: counting (see `indicators`), what this registry itself shows (`disclosure`).
"""
