"""What renders pictures: each module knows one program that can."""
