"""The JSON API, one module per resource. A route parses the request, calls one method of
`App`, and shapes the answer."""
