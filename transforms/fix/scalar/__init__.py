"""One message at a time: the definition of how FIX is read. `vector` is its equal."""
