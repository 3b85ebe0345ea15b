"""The page: a Gradio shell with forms, and hand-written islands for what is live or large. Facts live in `App` and
the API; a page that is opened anew shows the same.

Of this room only `page` may be imported by others; it imports Gradio when a page is mounted, not before.
"""
