"""One scorer a file. Each gives a number, how sure it is, and a sentence of evidence."""
