"""What is well with this machine and what is not, as findings with a cure: cards, packages, memory, disks, clocks,
other programs. Knows no project; whatever has to be imported to be tried is tried in a process of its own."""
