"""The service: JSON API, pictures, and the gate in front of every route. Knows `App` and the model, no page."""
