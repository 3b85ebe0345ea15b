"""The durable queue and the processes it runs: rows, workers, supervisors, leases, slots. Knows processes, not
training; what a job does is its `JobKind`."""
