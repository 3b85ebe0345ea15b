"""Small networks that are trained beside a frozen model's layers: attach, collect, save, load, detach."""
