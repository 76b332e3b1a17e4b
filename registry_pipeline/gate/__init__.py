"""The gate: one file of a delivery becomes typed, pseudonymised rows, or is refused.

Belongs here: reading, proof of structure, conversion, judging, quarantine and pseudonyms.
Does not belong here: storing (`registry_pipeline.warehouse`), rules across forms, derivations.
`gate.read_form` is the one way in.
"""
