"""Commands: what each command of `registry` does, and how it is told.

Belongs here: runs in this process, dry runs, withdrawal and rotation from the first step to the
last, the screens a person reads. Does not belong here: which commands there are (`cli`), assets.
"""
