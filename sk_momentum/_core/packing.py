"""A descent that stands still, as bytes: all of it but what is as long as the rows.

What the descent and its parts refer to is written down once, by name where it is among the things
``left_out``: these are handed in again when the descent is taken up, in another process perhaps.
The bytes are as long as the coefficients and histories of its candidates, not as the rows.
"""

import io
import pickle


def pack(thing, left_out):
    """The bytes of a thing, without what is ``left_out``: a dict from names to objects."""
    names = {id(each): name for name, each in left_out.items() if each is not None}
    packed = io.BytesIO()
    pickler = pickle.Pickler(packed, protocol=pickle.HIGHEST_PROTOCOL)
    pickler.persistent_id = lambda each: names.get(id(each))
    pickler.dump(thing)
    return packed.getvalue()


def unpack(packed, left_out):
    """The thing again, with what was left out of it."""
    unpickler = pickle.Unpickler(io.BytesIO(packed))
    unpickler.persistent_load = left_out.__getitem__
    return unpickler.load()
