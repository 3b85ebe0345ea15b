"""Train Tools: from a folder of pictures to the one LoRA you keep."""

__version__ = "0.1.0"
