"""Public cohorts turned into ordinary landing folders, one module per source.

Belongs here: reading a published data set and writing it as a delivery in our forms.
Does not belong here: synthetic cohorts (`registry_pipeline.synthetic`) and everything that
happens to a delivery once it stands in a landing folder.
"""
