"""Files of tensors: their headers, hashes and names; of pickles only what can be read without running them."""
