"""A page a file, each for the view that the filter row has chosen; `app` is the script of them all.

It is here, and not above, since Streamlit takes a folder `pages` beside its script for pages of its
own, and then runs them without it.
"""
