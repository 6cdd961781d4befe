"""A file per kind of data that batches come from; ``batches`` tells them apart.

A source gives the batches of an epoch, from any of them on, and the state that this
needs beside the epoch's number.
"""
