"""The review page: an archive's clips, ranked, in a browser on the same machine, to be looked at and decided on.

`serving.serve` runs it. `gate` lets nobody in but who knows the token, `app` answers, `desk` asks the store, `words`
and `pages` say it; `thumbnails` and `fresh` work on the clips themselves, each in a process of its own (`bench`).
"""
