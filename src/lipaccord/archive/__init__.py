"""Score thousands of clips: resumable, one row a clip whatever happens, on one machine or on a cluster.

Sources list entries, the engine carries errands to workers, the store keeps one outcome an entry and method, and what
reads the store ranks, counts, compares, exports and shows it. `scoring` is the one place that knows the order.
"""
