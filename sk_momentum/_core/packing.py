"""A descent that stands still, as bytes: all of it but what is as long as the rows.

What the descent and its parts refer to is written down once, by name where it is among the things
``left_out``: these are handed in again when the descent is taken up, in another process perhaps.
The bytes are as long as the coefficients and histories of its candidates, not as the rows.
"""

import io
import pickle


class Packer(pickle.Pickler):
    """Writes the name of what is ``left_out`` in its place."""

    def __init__(self, file, left_out):
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.names = {id(each): name for name, each in left_out.items() if each is not None}

    def persistent_id(self, thing):
        """Its name, or None."""
        return self.names.get(id(thing))


class Unpacker(pickle.Unpickler):
    """Puts in its place what a name stands for."""

    def __init__(self, file, left_out):
        super().__init__(file)
        self.left_out = left_out

    def persistent_load(self, name):
        """What was left out."""
        return self.left_out[name]


def pack(thing, left_out):
    """The bytes of a thing, without what is ``left_out``: a dict from names to objects."""
    packed = io.BytesIO()
    Packer(packed, left_out).dump(thing)
    return packed.getvalue()


def unpack(packed, left_out):
    """The thing again, with what was left out of it."""
    return Unpacker(io.BytesIO(packed), left_out).load()
