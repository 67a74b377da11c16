"""Attacks on the protocol: bytes that are not frames, frames at the wrong time, malformed outputs."""

from channel import FOUND, sending, showing
from hostile import Attack, Notebook, code_cell


def with_a_large_cell(notebook: Notebook) -> None:
    notebook["cells"].append(code_cell("#" * 900_000, "large"))


PROTOCOL_ATTACKS = [
    sending("length of four gigabytes", "Announces a reply of four gigabytes.", "channel.sendall(b'\\xff' * 4 + b'x')"),
    sending(
        "length that never comes",
        "Announces a reply, sends a part of it and waits.",
        "channel.sendall(struct.pack('>I', 1000) + b'x')\ntime.sleep(60)",
    ),
    sending(
        "drop by drop",
        "Sends a reply one byte at a time.",
        "for byte in packed(['value', 1.0, [], False]):\n    channel.sendall(bytes([byte]))\n    time.sleep(0.3)",
    ),
    sending("noise", "Sends random bytes.", "import os\nchannel.sendall(os.urandom(10**6))"),
    sending(
        "brackets",
        "Sends a hundred thousand opening brackets.",
        "channel.sendall(struct.pack('>I', 10**5) + b'\\x91' * 10**5)",
    ),
    sending(
        "empty lists without number",
        "Sends 64 million empty lists in 64 megabytes.",
        "part = b'\\xdd' + struct.pack('>I', 400_000) + b'\\x90' * 400_000\n"
        "text = b'\\x98' + 7 * (b'\\xdc' + struct.pack('>H', 20) + 20 * part) + b'\\xc0'\n"
        "channel.sendall(struct.pack('>I', len(text)) + text)",
    ),
    sending(
        "lists that promise much",
        "Sends a thousand lists within each other, each of half a million parts.",
        "text = (b'\\xdd' + struct.pack('>I', 499_999)) * 500 + bytes(600_000)\n"
        "channel.sendall(struct.pack('>I', len(text)) + text)",
    ),
    sending(
        "everything twice",
        "Sends each reply twice.",
        "LearnerServer.reply = lambda self, reply: [honest['reply'](self, reply) for _ in range(2)]",
    ),
    sending(
        "before it is asked",
        "Sends a thousand replies before the next request.",
        "channel.sendall(packed(['value', True, [], False]) * 1000)",
    ),
    Attack(
        "too late",
        "Answers when the time is up, and then goes on.",
        FOUND,
        answers={
            "square": """
            class SquareGate:
                def forward(self, x):
                    time.sleep(1.3)
                    return x**2, x
                backward = forward
            """
        },
    ),
    Attack(
        "reading drop by drop",
        "Reads the next requests so slowly that the examiner waits for room to write.",
        FOUND
        + """
class Slow:
    def recv(self, count):
        time.sleep(0.9)
        return channel.recv(min(count, 1000))
    def __getattr__(self, name):
        return getattr(channel, name)
ours.stream.channel = Slow()
""",
        behind="summary",
        edit=with_a_large_cell,
    ),
    sending(
        "hanging up",
        "Shuts one direction of the channel, and then the other.",
        "import socket\nchannel.shutdown(socket.SHUT_RD)",
    ),
    sending(
        "unasked callback",
        "Calls functions that it was never given.",
        "channel.sendall(packed(['callback', 0, [codec.TUPLE]]))",
    ),
    sending(
        "callback at a negative place",
        "Calls the examiner's functions from the end.",
        "channel.sendall(packed(['callback', -1, [codec.TUPLE]]))",
    ),
    sending(
        "callbacks for ever",
        "Calls back for ever.",
        "while True:\n    channel.sendall(packed(['callback', 0, [codec.TUPLE, 1.0]]))",
    ),
    sending(
        "open files on the wire",
        "Sends a file descriptor along with a reply.",
        "import array, socket\nrights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1]))]\n"
        "try:\n    channel.sendmsg([b'x'], rights)\n"
        "except OSError:\n    pass",
        score=5.0,
    ),
    Attack(
        "sixty megabytes in each reply",
        "Fills the examiner's memory with caches that it has to hand back.",
        FOUND,
        answers={
            "exp": """
            class ExpGate:
                def forward(self, x):
                    return np.exp(x), [np.zeros(7_500_000), np.exp(x)]
                def backward(self, upstream, cache):
                    return upstream * cache[1]
            """
        },
    ),
    Attack(
        "a thread on the channel",
        "A thread writes replies to the channel all the time.",
        FOUND
        + """
def write():
    while True:
        channel.sendall(packed(["value", True, [], False]))
threading.Thread(target=write, daemon=True).start()
time.sleep(0.1)
""",
    ),
    Attack(
        "reading the requests",
        "Keeps everything that the examiner sends, to find a hidden test in it.",
        FOUND
        + """
kept = []
receive = ours.stream.receive
def receive_and_keep():
    request = receive()
    kept.append(repr(request)[:2000])
    return request
ours.stream.receive = receive_and_keep
""",
        last="print([text for text in kept if 'HIDDEN' in text or 'def ' + 'neuron_value' in text][:5])",
    ),
    Attack(
        "pretending not to measure",
        "Says of every call that it takes no small steps, and overwrites the function that finds out.",
        FOUND
        + "from nnkit.check import probe\n"
        + "probe.measures = lambda function, given, points: (function(*given), False)[1]",
    ),
    showing(
        "outputs of arrays",
        "Shows outputs whose kinds and names are arrays.",
        '[0, *([codec.DICT, "output_type", "stream", "name", [codec.ARRAY, "<f8", [2], bytes(16), 1], '
        '"text", ""],) * 2]',
    ),
    showing(
        "outputs of strange kinds",
        "Shows outputs whose kind is an array.",
        '[0, [codec.DICT, "output_type", [codec.ARRAY, "<f8", [2], bytes(16), 1]]]',
    ),
    showing(
        "outputs of objects",
        "Shows outputs in which everything asks the process again.",
        '[0, [codec.DICT, "output_type", "display_data", "metadata", [codec.OBJECT, 1, "object", "dict", []], "data", '
        '[codec.DICT, "text/plain", [codec.OBJECT, 0, "object", "str", []]]]]',
    ),
    showing(
        "outputs whose keys collide",
        "Shows a dict of a quarter of a million keys with the same hash.",
        "[0, [codec.DICT, *(part for i in range(120_000) "
        "for part in ([codec.BIG, hex((2**60 + i) * (2**61 - 1))], 0))]]",
    ),
    showing(
        "outputs of a named tuple",
        "Shows a named tuple that cannot be made.",
        '[0, [codec.NAMED, 7, "P", ["a", "\\uff41"], 1, 2]]',
    ),
    showing(
        "outputs without number",
        "Shows four hundred thousand outputs.",
        '[0, *[[codec.DICT, "output_type", "error", "ename", "x", "evalue", "x"]] * 60_000]',
    ),
    showing(
        "forged tests",
        "Shows what a passed test cell and a graded notebook would show.",
        'self.encode([{"output_type": "execute_result", "data": {"text/plain": "38.0"}, "execution_count": 1, '
        '"metadata": {"nbgrader": {"points": 38}}}, '
        '{"output_type": "stream", "name": "stdout", "text": "score: 38 of 38"}])',
    ),
]
