"""Looks for our secrets in files, streams and git. It knows no configuration and no store, and changes nothing.

`places` says which files, `looking` reads one, `archives` opens what is compressed, `repository` reads what git keeps
(`git` is the way there), `stream` finds within bounded memory. What a secret looks like stands in `core/leaks.py`.
"""
