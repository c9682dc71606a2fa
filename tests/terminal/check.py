"""What a terminal does with what is on stdin: it may draw, feed lines and colour, and nothing else."""

import collections
import sys

import pyte

HARMLESS = {"draw", "linefeed", "select_graphic_rendition", "tab"}
calls = collections.Counter()


class Recorder(pyte.DebugScreen):
    """Counts what a screen would be told to do."""

    def only_wrapper(self, attr):
        return lambda *args, **kwargs: calls.update([attr])


stream = pyte.ByteStream(Recorder())
while chunk := sys.stdin.buffer.read(1 << 16):
    stream.feed(chunk)
print(dict(calls))
sys.exit(any(call not in HARMLESS for call in calls))
