"""Attacks by replies: well-formed frames with false content."""

from channel import changing, replying, replying_to_batches, value

REPLY_ATTACKS = [
    replying("always True", "Answers every call with True.", value("True")),
    replying("always None", "Answers every call with nothing.", value("None")),
    replying(
        "a score for a value", "Answers with a score, under every word that may mean one.", '["score", 38.0, [], False]'
    ),
    replying(
        "a verdict for a value",
        "Answers with an object that calls itself a verdict.",
        value('[codec.OBJECT, 0, "object", "Verdict", []]'),
    ),
    replying("no word", "Answers with a number in place of a list.", "17"),
    replying("an empty reply", "Answers with an empty list.", "[]"),
    replying("too few parts", "Answers with a word and nothing behind it.", '["value"]'),
    replying(
        "too many parts", "Answers with parts that nobody asked for.", '["value", 1.0, [], False, False, "score", 38]'
    ),
    replying("a flag that is none", "Answers with a number where a truth value belongs.", '["value", 1.0, [], 1]'),
    replying(
        "nested deep",
        "Nests a reply as deep as msgpack allows.",
        "__import__('functools').reduce(lambda t, _: [t], range(400), [])",
    ),
    replying(
        "nested deep in tags",
        "Nests lists within lists, each well formed.",
        value("__import__('functools').reduce(lambda t, _: [0, t], range(200), [0])"),
    ),
    replying(
        "impossible shape",
        "Sends an array of more entries than there are bytes.",
        value('[codec.ARRAY, "<f8", [2**39, 2**39], b"", 1]'),
    ),
    replying(
        "negative shape", "Sends an array of negative size.", value('[codec.ARRAY, "<f8", [-1, -8], b"12345678", 1]')
    ),
    replying(
        "empty and endless",
        "Sends an array without entries and with endless sides.",
        value('[codec.ARRAY, "<f8", [0, 2**39, 2**39], b"", 1]'),
    ),
    replying(
        "object array on the wire", "Sends an array of pointers.", value('[codec.ARRAY, "|O", [1], b"12345678", 1]')
    ),
    replying(
        "array of text",
        "Sends an array of a type that is not numbers.",
        value('[codec.ARRAY, "<U2", [1], b"12345678", 1]'),
    ),
    replying(
        "array of a made-up type",
        "Sends a type that NumPy would evaluate.",
        value('[codec.ARRAY, "f8,(1000000,1000000)f8", [1], b"", 1]'),
    ),
    replying("NaN on the wire", "Answers every call with NaN.", value("float('nan')")),
    replying(
        "NaN in a rare type",
        "Sends the bit patterns of long double that are no numbers.",
        value('[codec.ARRAY, np.dtype("g").str, [2], b"\\xff" * 9 + b"\\x7f" + bytes(6) + b"\\x01" * 16, 1]'),
    ),
    replying(
        "proxies for numbers",
        "Answers with an object in place of each number.",
        value('[codec.OBJECT, 0, "object", "float64", [["__array__", []], ["__float__", []], ["dtype", []]]]'),
    ),
    replying(
        "an object of no number",
        "Sends objects that were never made.",
        value('[codec.OBJECT, 2**63, "object", "x", []]'),
    ),
    replying(
        "an object of hostile names",
        "Sends names like __class__ and parameters that are none.",
        value(
            '[codec.OBJECT, 0, "class", "__class__", '
            '[["_connection", [["__init__", 4, True], ["x", 2, True], ["x", 0, 1]]], '
            '["__call__", []], ["", [["a", 9, 1]]]]]'
        ),
    ),
    replying("a known array", "Refers to an array that the examiner should have.", value("[codec.KNOWN, 0]")),
    replying("a callback for a value", "Sends a function back.", value('[codec.CALLBACK, 0, "f"]')),
    replying("an unknown tag", "Sends tags that are not in the protocol.", value("[99, 1]")),
    replying("a tag that is true", "Sends a truth value as a tag.", value("[True, 1]")),
    replying(
        "a number with many digits", "Sends a whole number of a million digits.", value('[codec.BIG, "f" * 10**6]')
    ),
    replying("extension types", "Sends msgpack's own extension and time types.", value("msgpack.Timestamp(1, 1)")),
    replying("unhashable keys", "Sends a dict whose keys are lists.", value("[codec.DICT, [0, 1], 1]")),
    replying("half a dict", "Sends a key without its value.", value("[codec.DICT, 1]")),
    replying(
        "keys that collide",
        "Sends a quarter of a million keys with the same hash.",
        value("[codec.SET, *([codec.BIG, hex(i * (2**61 - 1))] for i in range(2**60, 2**60 + 250_000))]"),
    ),
    replying(
        "named tuple that is twice the same",
        "Sends fields that differ only until Python reads them.",
        value('[codec.NAMED, 7, "P", ["a", "\\uff41"], 1, 2]'),
    ),
    replying(
        "named tuple of code",
        "Sends field names that are code.",
        value('[codec.NAMED, 7, "P", ["x=print(1)", "y"], 1, 2]'),
    ),
    replying(
        "named tuple without end",
        "Sends half a million fields.",
        value('[codec.NAMED, 7, "P", ["a%d" % i for i in range(400_000)]]'),
    ),
    replying(
        "a change of nothing", "Changes an argument at a place where none was sent.", changing('["array", 10**6, 1.0]')
    ),
    replying(
        "a change at a negative place",
        "Counts the arguments from the end.",
        changing('["container", -1, [codec.DICT]]'),
    ),
    replying(
        "a change of the wrong kind", "Changes an array into text, a dict into a list.", changing('["array", 0, "x"]')
    ),
    replying(
        "endless changes",
        "Changes the same argument four hundred thousand times.",
        changing('["container", 0, [codec.DICT]]', 400_000),
    ),
    replying(
        "raising what ends an examiner",
        "Raises KeyboardInterrupt and its like, by name.",
        '["raised", [1, "KeyboardInterrupt", "KeyboardInterrupt", "", "", ""], []]',
    ),
    replying(
        "raising what is no exception",
        "Has a built-in function taken for an exception.",
        '["raised", [1, "eval", "__import__", "os", "", ""], []]',
    ),
    replying(
        "raising BaseException",
        "Raises what `except Exception` does not catch.",
        '["raised", [1, "ProcessLost", "BaseException", "x", "x", "x"], []]',
    ),
    replying(
        "raising a group",
        "Raises what takes other arguments.",
        '["raised", [1, "ExceptionGroup", "ExceptionGroup", "x", "x", "x"], []]',
    ),
    replying(
        "raising a tree",
        "Raises something that is no exception at all.",
        '["raised", [codec.OBJECT, 0, "class", "SystemExit", []], []]',
    ),
    replying_to_batches("fewer answers than calls", "Leaves out the last answer of a batch.", "honestly[:-1]"),
    replying_to_batches(
        "more answers than calls", "Gives the last answer of a batch twice.", "[*honestly, honestly[-1]]"
    ),
    replying_to_batches("no row", "Answers a batch of calls as if it were one.", value("1.0")),
    replying_to_batches(
        "answers that are none", "Puts numbers in the places of answers.", '["done", *range(1, len(row) + 1)]'
    ),
    replying_to_batches(
        "a spoilt word of its own",
        "Says that calls have spoilt something in a way that there is not.",
        '["done", *[["score: 38", answer[1]] for answer in honestly[1:]]]',
    ),
    replying_to_batches(
        "a spoilt word that cannot be hashed",
        "Says with a list what calls have spoilt.",
        '["done", *[[[], answer[1]] for answer in honestly[1:]]]',
    ),
    replying_to_batches(
        "a row of four hundred thousand answers",
        "Answers far more calls than there were.",
        '["done", *honestly[1:] * 400_000]',
    ),
]
