"""The page: a Gradio shell, and a hand-written island for each screen. Facts live behind
the API, which alone the islands ask; a page that is opened anew shows the same.

Of this room only `page` may be imported by others; it imports Gradio when a page is mounted, not before.
"""
