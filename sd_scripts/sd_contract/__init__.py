"""What files, options and events of an sd-scripts style trainer mean. Standard library only: the app reads it
without torch, the engine obeys it. Knows nothing of projects, queues or processes."""
