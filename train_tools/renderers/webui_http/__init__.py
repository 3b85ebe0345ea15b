"""Rendering with a WebUI of the A1111 family, or SD.Next, over its HTTP API: no answer is trusted."""
