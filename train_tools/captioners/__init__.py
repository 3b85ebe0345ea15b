"""Captions for the originals of a version: which captioners there are, where their weights lie, and the job that
writes captions and keeps what was there before. What calculates is in `captioning_process`, which is only started.
"""
