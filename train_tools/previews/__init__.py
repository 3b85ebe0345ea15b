"""Which pictures to render, how they form a matrix, and the job that has them rendered."""
