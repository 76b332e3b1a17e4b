"""Charts: the pages of tables and pictures that the asset catalogue shows.

Belongs here: turning stored estimates into Markdown with an SVG, in plain words.
Does not belong here: any estimate (see `statistics`), any rule on small numbers (`disclosure`).
"""
